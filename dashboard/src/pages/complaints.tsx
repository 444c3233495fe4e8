import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { Inbox, Search, SearchX, X } from "lucide-react";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import type { Complaint } from "../api/client";
import { complaintsQuery } from "../api/queries";
import { StatusBadge, UrgentBadge, useCategoryName } from "../components/badges";
import { Button, Empty, Failure, Label, PageTitle, Skeleton, Stale } from "../components/ui";
import { shortMoment } from "../lib/format";
import { useNow, useSettled, useZoned } from "../lib/hooks";

const route = getRouteApi("/frame/complaints");

const STATUSES = [
  "baru",
  "terverifikasi",
  "diproses",
  "menunggu_warga",
  "selesai",
  "ditolak",
  "dibatalkan",
  "diteruskan",
] as const;
const CATEGORIES = [
  "jalan_rusak",
  "lampu_jalan",
  "sampah",
  "drainase_banjir",
  "air_bersih",
  "pohon_tumbang",
  "keamanan_ketertiban",
  "kebisingan",
  "pelayanan_administrasi",
  "fasilitas_umum",
  "bantuan_sosial",
  "lainnya",
] as const;

export function ComplaintsPage() {
  const { t } = useTranslation();
  const filter = route.useSearch();
  const list = useInfiniteQuery({ ...complaintsQuery(filter), placeholderData: keepPreviousData });
  const complaints = list.data?.pages.flatMap((page) => page.items);
  const filtered = Object.keys(filter).length > 0;
  return (
    <div className="mx-auto grid max-w-6xl gap-5 p-4 sm:p-6 lg:p-8">
      <PageTitle title={t("complaints.title")}>
        <p className="flex items-center gap-2 text-sm text-soft">
          <span className="size-2 rounded-full bg-accent" aria-hidden="true" />
          {t("complaints.live")}
        </p>
      </PageTitle>
      <Filters />
      {complaints && list.error ? <Stale error={list.error} /> : null}
      <section
        className="card overflow-hidden"
        aria-label={t("complaints.title")}
        aria-busy={list.isFetching}
      >
        {complaints ? (
          complaints.length > 0 ? (
            <Table complaints={complaints} />
          ) : filtered ? (
            <Empty icon={SearchX} title={t("complaints.none")}>
              {t("complaints.noneLead")}
            </Empty>
          ) : (
            <Empty icon={Inbox} title={t("complaints.empty")}>
              {t("complaints.emptyLead")}
            </Empty>
          )
        ) : list.error ? (
          <Failure error={list.error} retry={() => void list.refetch()} />
        ) : (
          <Skeleton rows={8} />
        )}
      </section>
      {list.hasNextPage ? (
        <Button
          className="justify-self-center"
          disabled={list.isFetchingNextPage}
          onClick={() => void list.fetchNextPage()}
        >
          {t("complaints.more")}
        </Button>
      ) : null}
    </div>
  );
}

/** The filters live in the address bar: a view can be kept, sent and gone back to. */
function Filters() {
  const { t } = useTranslation();
  const filter = route.useSearch();
  const navigate = route.useNavigate();
  const [words, setWords] = useState(filter.q ?? "");
  const settled = useSettled(words.trim(), 300);

  useEffect(() => {
    void navigate({
      search: ({ q: _, ...others }) => (settled === "" ? others : { ...others, q: settled }),
      replace: true,
    });
  }, [settled, navigate]);

  const choose = (name: "status" | "kategori", value: string) =>
    navigate({
      search: (before) => {
        const { [name]: _, ...others } = before;
        return value === "" ? others : { ...others, [name]: value };
      },
    });

  return (
    <search className="grid grid-cols-2 items-end gap-3 lg:flex">
      <div className="col-span-2 lg:flex-1">
        <Label htmlFor="q">{t("complaints.searchLabel")}</Label>
        <div className="relative">
          <Search
            className="pointer-events-none absolute top-3.5 left-3 size-4 text-soft"
            aria-hidden="true"
          />
          <input
            id="q"
            type="search"
            className="field pl-9"
            placeholder={t("complaints.search")}
            maxLength={200}
            value={words}
            onChange={(event) => setWords(event.target.value)}
          />
        </div>
      </div>
      <div className="lg:w-48">
        <Label htmlFor="status">{t("complaints.status")}</Label>
        <select
          id="status"
          className="field"
          value={filter.status ?? ""}
          onChange={(event) => void choose("status", event.target.value)}
        >
          <option value="">{t("complaints.any")}</option>
          {STATUSES.map((status) => (
            <option key={status} value={status}>
              {t(`status.${status}`)}
            </option>
          ))}
        </select>
      </div>
      <div className="lg:w-60">
        <Label htmlFor="kategori">{t("complaints.category")}</Label>
        <select
          id="kategori"
          className="field"
          value={filter.kategori ?? ""}
          onChange={(event) => void choose("kategori", event.target.value)}
        >
          <option value="">{t("complaints.any")}</option>
          {CATEGORIES.map((code) => (
            <option key={code} value={code}>
              {t(`kategori.${code}`)}
            </option>
          ))}
        </select>
      </div>
      {Object.keys(filter).length > 0 ? (
        <Button
          look="quiet"
          className="max-lg:col-span-2 max-lg:justify-self-start"
          onClick={() => {
            setWords("");
            void navigate({ search: {} });
          }}
        >
          <X className="size-4" aria-hidden="true" />
          {t("complaints.clear")}
        </Button>
      ) : null}
    </search>
  );
}

/** A table where there is room, a list of cards on a phone; the same markup in both. */
function Table({ complaints }: { complaints: Complaint[] }) {
  const { t } = useTranslation();
  const zoned = useZoned();
  const now = useNow();
  const categoryName = useCategoryName();
  const head = "px-5 py-3 text-left font-medium text-soft text-xs";
  return (
    <table className="w-full text-sm max-md:block">
      <thead className="border-line border-b bg-raised max-md:sr-only">
        <tr>
          <th scope="col" className={head}>
            {t("complaints.number")}
          </th>
          <th scope="col" className={head}>
            {t("complaints.report")}
          </th>
          <th scope="col" className={head}>
            {t("complaints.status")}
          </th>
          <th scope="col" className={`${head} text-right`}>
            {t("complaints.received")}
          </th>
        </tr>
      </thead>
      <tbody className="divide-y divide-line max-md:block">
        {complaints.map((complaint) => (
          <tr
            key={complaint.complaint_id}
            className="relative hover:bg-raised max-md:grid max-md:grid-cols-[1fr_auto] max-md:gap-x-3 max-md:gap-y-1.5 max-md:px-4 max-md:py-3.5"
          >
            <td className="whitespace-nowrap align-top tabular-nums max-md:text-soft md:px-5 md:py-3.5">
              <Link
                to="/complaints/$complaintId"
                params={{ complaintId: complaint.complaint_id }}
                className="after:absolute after:inset-0 focus-visible:outline-none focus-visible:after:outline-2 focus-visible:after:-outline-offset-2 focus-visible:after:outline-accent md:font-medium"
              >
                {complaint.complaint_id}
              </Link>
            </td>
            <td className="max-md:order-3 max-md:col-span-2 md:w-full md:px-5 md:py-3.5">
              <span className="flex flex-wrap items-center gap-2 font-medium">
                {categoryName(complaint.kategori)}
                <UrgentBadge urgency={complaint.urgency} />
              </span>
              <span className="mt-0.5 line-clamp-2 text-soft">
                {[complaint.alamat, complaint.deskripsi].filter(Boolean).join(" · ")}
              </span>
            </td>
            <td className="align-top max-md:order-4 md:px-5 md:py-3.5">
              <StatusBadge status={complaint.status} />
            </td>
            <td className="whitespace-nowrap text-right align-top text-soft tabular-nums max-md:order-2 md:px-5 md:py-3.5">
              <time dateTime={complaint.created_at}>{shortMoment(complaint.created_at, now, zoned)}</time>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
