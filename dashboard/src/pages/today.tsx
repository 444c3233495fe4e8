import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { AlertTriangle, ArrowRight, Inbox } from "lucide-react";
import { useTranslation } from "react-i18next";
import { latestComplaintsQuery, overviewQuery } from "../api/queries";
import { StatusBadge, UrgentBadge, useCategoryName } from "../components/badges";
import { Empty, Failure, PageTitle, Skeleton, Stale } from "../components/ui";
import { shortMoment, timeOfDay } from "../lib/format";
import { useNow, useZoned } from "../lib/hooks";

export function TodayPage() {
  const { t } = useTranslation();
  const zoned = useZoned();
  const overview = useQuery(overviewQuery);
  const figures = overview.data;
  return (
    <div className="mx-auto grid max-w-6xl gap-6 p-4 sm:p-6 lg:p-8">
      <PageTitle title={t("today.title")}>
        {figures ? (
          <p className="text-sm text-soft">{t("today.asOf", { time: timeOfDay(figures.as_of, zoned) })}</p>
        ) : null}
      </PageTitle>
      {figures && overview.error ? <Stale error={overview.error} /> : null}

      {figures ? (
        <>
          {figures.conversations.parked > 0 ? (
            <div className="flex flex-wrap items-center justify-between gap-3 rounded-xl bg-bad-wash px-4 py-3 text-bad text-sm">
              <span className="flex items-center gap-2">
                <AlertTriangle className="size-4 shrink-0" aria-hidden="true" />
                {t("today.parked", { count: figures.conversations.parked })}
              </span>
              <Link to="/live-chat" className="font-medium underline underline-offset-4">
                {t("today.showParked")}
              </Link>
            </div>
          ) : null}
          <dl className="grid grid-cols-2 gap-3 lg:grid-cols-4 lg:gap-4">
            <Figure words={t("today.received")} value={figures.complaints.today} />
            <Figure words={t("today.open")} value={figures.complaints.open} />
            <Figure
              words={t("today.waiting")}
              value={figures.conversations.waiting}
              urgent={figures.conversations.waiting > 0}
            />
            <Figure words={t("today.held")} value={figures.conversations.held} />
          </dl>
          {figures.conversations.more ? (
            <p className="-mt-3 text-sm text-soft">
              {t("today.partial", { count: figures.conversations.looked_at })}
            </p>
          ) : null}
        </>
      ) : (
        <section className="card">
          {overview.error ? (
            <Failure error={overview.error} retry={() => void overview.refetch()} />
          ) : (
            <Skeleton rows={2} />
          )}
        </section>
      )}

      <div className="grid items-start gap-6 lg:grid-cols-[minmax(0,3fr)_minmax(0,2fr)]">
        <Latest />
        {figures ? <ByCategory counts={figures.complaints.by_kategori} /> : null}
      </div>
    </div>
  );
}

function Figure({ words, value, urgent = false }: { words: string; value: number; urgent?: boolean }) {
  const { i18n } = useTranslation();
  return (
    <div className="card flex flex-col-reverse justify-end gap-1 p-4 sm:p-5">
      <dt className="text-sm text-soft">{words}</dt>
      <dd className={`font-semibold text-3xl tabular-nums tracking-tight ${urgent ? "text-warn" : ""}`}>
        {value.toLocaleString(i18n.language)}
      </dd>
    </div>
  );
}

function Latest() {
  const { t } = useTranslation();
  const zoned = useZoned();
  const now = useNow();
  const categoryName = useCategoryName();
  const latest = useQuery(latestComplaintsQuery);
  return (
    <section className="card overflow-hidden" aria-labelledby="latest">
      <div className="flex items-center justify-between gap-3 px-4 pt-3 pb-1 sm:px-5">
        <h2 id="latest" className="font-semibold">
          {t("today.latest")}
        </h2>
        <Link
          to="/complaints"
          className="-mr-2 inline-flex min-h-11 items-center gap-1.5 rounded-lg px-2 font-medium text-accent text-sm hover:underline"
        >
          {t("today.all")}
          <ArrowRight className="size-4" aria-hidden="true" />
        </Link>
      </div>
      {latest.data ? (
        latest.data.items.length === 0 ? (
          <Empty icon={Inbox} title={t("complaints.empty")}>
            {t("complaints.emptyLead")}
          </Empty>
        ) : (
          <ul className="divide-y divide-line">
            {latest.data.items.map((complaint) => (
              <li key={complaint.complaint_id}>
                <Link
                  to="/complaints/$complaintId"
                  params={{ complaintId: complaint.complaint_id }}
                  className="grid gap-1 px-4 py-3 -outline-offset-2 hover:bg-raised sm:px-5"
                >
                  <span className="flex flex-wrap items-center gap-x-3 gap-y-1">
                    <span className="font-medium">{categoryName(complaint.kategori)}</span>
                    <StatusBadge status={complaint.status} />
                    <UrgentBadge urgency={complaint.urgency} />
                    <time dateTime={complaint.created_at} className="ml-auto text-sm text-soft tabular-nums">
                      {shortMoment(complaint.created_at, now, zoned)}
                    </time>
                  </span>
                  <span className="line-clamp-1 text-sm text-soft">
                    {[complaint.alamat, complaint.deskripsi].filter(Boolean).join(" · ")}
                  </span>
                </Link>
              </li>
            ))}
          </ul>
        )
      ) : latest.error ? (
        <Failure error={latest.error} retry={() => void latest.refetch()} />
      ) : (
        <Skeleton rows={4} />
      )}
    </section>
  );
}

function ByCategory({ counts }: { counts: Record<string, number> }) {
  const { t, i18n } = useTranslation();
  const categoryName = useCategoryName();
  const rows = Object.entries(counts)
    .filter(([, count]) => count > 0)
    .sort(([, one], [, other]) => other - one);
  const most = Math.max(1, ...rows.map(([, count]) => count));
  return (
    <section className="card p-4 sm:p-5" aria-labelledby="by-category">
      <h2 id="by-category" className="mb-3 font-semibold">
        {t("today.byCategory")}
      </h2>
      {rows.length === 0 ? <p className="text-sm text-soft">{t("today.noCategories")}</p> : null}
      <ul className="grid gap-3">
        {rows.map(([code, count]) => (
          <li key={code}>
            <Link
              to="/complaints"
              search={{ kategori: code }}
              className="group grid gap-1 rounded-md py-0.5 text-sm"
            >
              <span className="flex justify-between gap-3">
                <span className="group-hover:underline">{categoryName(code)}</span>
                <span className="text-soft tabular-nums">{count.toLocaleString(i18n.language)}</span>
              </span>
              <svg className="h-1.5 w-full" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
                <rect width="100" height="6" rx="1" className="fill-sunken" />
                <rect width={(count / most) * 100} height="6" rx="1" className="fill-accent" />
              </svg>
            </Link>
          </li>
        ))}
      </ul>
    </section>
  );
}
