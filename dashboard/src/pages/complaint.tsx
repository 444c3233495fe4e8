import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { ArrowLeft, FileQuestion, MapPin, MessagesSquare } from "lucide-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import type { Complaint, ComplaintUpdate } from "../api/client";
import { ApiError } from "../api/problem";
import { complaintQuery, complaintUpdatesQuery } from "../api/queries";
import { Pill, StatusBadge, UrgentBadge, useCategoryName } from "../components/badges";
import { buttonClass, Empty, Failure, PageTitle, Skeleton, Stale } from "../components/ui";
import { dateTime, humanized, phoneNumber } from "../lib/format";
import { useZoned } from "../lib/hooks";

const route = getRouteApi("/frame/complaints/$complaintId");

export function ComplaintPage() {
  const { t } = useTranslation();
  const { complaintId } = route.useParams();
  const complaint = useQuery(complaintQuery(complaintId));
  const missing = complaint.error instanceof ApiError && complaint.error.status === 404;
  return (
    <div className="mx-auto grid max-w-3xl gap-5 p-4 sm:p-6 lg:p-8">
      <Link
        to="/complaints"
        className="-ml-2 inline-flex min-h-11 items-center gap-2 justify-self-start rounded-lg px-2 font-medium text-accent text-sm hover:underline"
      >
        <ArrowLeft className="size-4" aria-hidden="true" />
        {t("complaint.back")}
      </Link>
      <PageTitle title={complaintId} />
      {complaint.data && complaint.error ? <Stale error={complaint.error} /> : null}
      {complaint.data ? (
        <>
          <Details complaint={complaint.data} />
          <History complaintId={complaintId} />
        </>
      ) : (
        <section className="card">
          {missing ? (
            <Empty icon={FileQuestion} title={t("complaint.missing")}>
              {t("complaint.missingLead", { number: complaintId })}
            </Empty>
          ) : complaint.error ? (
            <Failure error={complaint.error} retry={() => void complaint.refetch()} />
          ) : (
            <Skeleton rows={5} />
          )}
        </section>
      )}
    </div>
  );
}

function Details({ complaint }: { complaint: Complaint }) {
  const { t } = useTranslation();
  const zoned = useZoned();
  const categoryName = useCategoryName();
  const unknown = t("complaint.unknown");
  return (
    <article className="card overflow-hidden">
      <div className="grid gap-3 p-5 sm:p-6">
        <div className="flex flex-wrap items-center gap-2">
          <h2 className="mr-1 font-semibold text-lg">{categoryName(complaint.kategori)}</h2>
          <StatusBadge status={complaint.status} />
          <UrgentBadge urgency={complaint.urgency} />
        </div>
        <p className="whitespace-pre-wrap">{complaint.deskripsi}</p>
      </div>
      <dl className="grid border-line border-t bg-raised sm:grid-cols-2">
        <Fact words={t("complaint.address")} value={complaint.alamat ?? unknown} />
        <Fact words={t("complaint.rtRw")} value={complaint.rt_rw ?? unknown} />
        <Fact
          words={t("complaint.reporter")}
          value={complaint.wa_user_id ? phoneNumber(complaint.wa_user_id) : unknown}
        />
        <Fact
          words={t("complaint.received")}
          value={<time dateTime={complaint.created_at}>{dateTime(complaint.created_at, zoned)}</time>}
        />
        <Fact
          words={t("complaint.changed")}
          value={<time dateTime={complaint.updated_at}>{dateTime(complaint.updated_at, zoned)}</time>}
        />
      </dl>
      {complaint.alamat || complaint.origin_conversation_id ? (
        <div className="flex flex-wrap gap-3 border-line border-t p-5 sm:px-6">
          {complaint.origin_conversation_id ? (
            <Link
              to="/live-chat"
              search={{ c: complaint.origin_conversation_id }}
              className={buttonClass("primary")}
            >
              <MessagesSquare className="size-4" aria-hidden="true" />
              {t("complaint.conversation")}
            </Link>
          ) : null}
          {complaint.alamat ? (
            <a
              href={`https://www.openstreetmap.org/search?query=${encodeURIComponent(complaint.alamat)}`}
              target="_blank"
              rel="noreferrer"
              className={buttonClass("plain")}
            >
              <MapPin className="size-4" aria-hidden="true" />
              {t("complaint.map")}
            </a>
          ) : null}
        </div>
      ) : null}
    </article>
  );
}

function History({ complaintId }: { complaintId: string }) {
  const { t } = useTranslation();
  const updates = useQuery(complaintUpdatesQuery(complaintId));
  return (
    <section className="card p-5 sm:p-6" aria-labelledby="history">
      <h2 id="history" className="mb-4 font-semibold text-lg">
        {t("complaint.history")}
      </h2>
      {updates.data ? (
        <ol className="grid gap-5 border-line border-l pl-5">
          {updates.data.items.map((update) => (
            <Update key={update.update_id} update={update} />
          ))}
        </ol>
      ) : updates.error ? (
        <Failure error={updates.error} retry={() => void updates.refetch()} />
      ) : (
        <Skeleton rows={2} className="p-0" />
      )}
    </section>
  );
}

function Update({ update }: { update: ComplaintUpdate }) {
  const { t } = useTranslation();
  const zoned = useZoned();
  const status = t(`status.${update.to_status}`, { defaultValue: humanized(update.to_status) });
  const words =
    update.from_status === null
      ? t("complaint.filed")
      : update.from_status === update.to_status
        ? t("complaint.edited")
        : t("complaint.changedTo", { status });
  return (
    <li className="relative">
      <span
        className="absolute top-1.5 -left-[1.6rem] size-2.5 rounded-full border-2 border-surface bg-accent"
        aria-hidden="true"
      />
      <p className="flex flex-wrap items-center gap-x-2 gap-y-1 font-medium">
        {words}
        {update.visibility === "internal" ? <Pill tone="warn">{t("complaint.internal")}</Pill> : null}
      </p>
      {update.note ? <p className="mt-0.5 whitespace-pre-wrap">{update.note}</p> : null}
      <p className="mt-0.5 text-sm text-soft">
        {t(`complaint.by.${update.actor_kind}`, { defaultValue: humanized(update.actor_kind) })} ·{" "}
        <time dateTime={update.created_at}>{dateTime(update.created_at, zoned)}</time>
      </p>
    </li>
  );
}

function Fact({ words, value }: { words: string; value: ReactNode }) {
  return (
    <div className="px-5 py-3 sm:px-6">
      <dt className="text-sm text-soft">{words}</dt>
      <dd className="mt-0.5">{value}</dd>
    </div>
  );
}
