import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Laptop } from "lucide-react";
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../api/client";
import { sessionsQuery } from "../api/queries";
import { Pill } from "../components/badges";
import { LanguageChoices, ThemeChoices } from "../components/choices";
import { PasswordForm } from "../components/password-form";
import { Button, Failure, PageTitle, Skeleton } from "../components/ui";
import { dateTime } from "../lib/format";
import { useSession, useZoned } from "../lib/hooks";

export function SettingsPage() {
  const { t } = useTranslation();
  const { admin } = useSession();
  return (
    <div className="mx-auto grid max-w-3xl gap-5 p-4 sm:p-6 lg:p-8">
      <PageTitle title={t("settings.title")} />
      <Section title={t("settings.profile")}>
        <dl className="grid gap-4 sm:grid-cols-2">
          <Fact words={t("settings.name")} value={admin.display_name} />
          <Fact words={t("settings.username")} value={admin.username} />
          <Fact words={t("settings.role")} value={t(`role.${admin.role}`)} />
          {admin.unit ? <Fact words={t("settings.unit")} value={admin.unit} /> : null}
        </dl>
      </Section>
      <Section title={t("settings.appearance")}>
        <div className="flex flex-wrap gap-x-8 gap-y-4">
          <ThemeChoices />
          <LanguageChoices />
        </div>
      </Section>
      <Sessions />
      <Password />
    </div>
  );
}

function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className="card p-5 sm:p-6">
      <h2 className="mb-4 font-semibold text-lg">{title}</h2>
      {children}
    </section>
  );
}

function Fact({ words, value }: { words: string; value: string }) {
  return (
    <div>
      <dt className="text-sm text-soft">{words}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function Sessions() {
  const { t } = useTranslation();
  const zoned = useZoned();
  const queryClient = useQueryClient();
  const sessions = useQuery(sessionsQuery);
  const [ended, setEnded] = useState("");
  const end = useMutation({
    mutationFn: ({ id }: { id: string; device: string }) => api.revokeSession(id),
    onSuccess: (_, { device }) => setEnded(t("settings.ended", { device })),
    onSettled: () => queryClient.invalidateQueries(sessionsQuery),
  });
  const deviceName = (device: string) => (device === "?" ? t("settings.unknownDevice") : device);
  return (
    <Section title={t("settings.sessions")}>
      <p className="-mt-2 mb-4 text-sm text-soft">{t("settings.sessionsLead")}</p>
      <p
        role="status"
        className={ended ? "mb-3 rounded-lg bg-good-wash px-3 py-2 text-good text-sm" : "sr-only"}
      >
        {ended}
      </p>
      {sessions.data ? (
        <ul className="divide-y divide-line">
          {sessions.data.items.map((session) => (
            <li
              key={session.session_id}
              className="flex flex-wrap items-center gap-3 py-3 first:pt-0 last:pb-0"
            >
              <Laptop className="size-5 text-soft" aria-hidden="true" />
              <div className="min-w-0 flex-1 basis-48">
                <p className="flex flex-wrap items-center gap-2 font-medium">
                  {deviceName(session.device)}
                  {session.current ? <Pill tone="note">{t("settings.current")}</Pill> : null}
                </p>
                <p className="text-sm text-soft">
                  {[session.address, t("settings.lastUsed", { time: dateTime(session.last_used_at, zoned) })]
                    .filter(Boolean)
                    .join(" · ")}
                </p>
              </div>
              {session.current ? null : (
                <Button
                  aria-label={t("settings.endLabel", { device: deviceName(session.device) })}
                  disabled={end.isPending}
                  onClick={() => end.mutate({ id: session.session_id, device: deviceName(session.device) })}
                >
                  {t("settings.end")}
                </Button>
              )}
            </li>
          ))}
        </ul>
      ) : sessions.error ? (
        <Failure error={sessions.error} retry={() => void sessions.refetch()} />
      ) : (
        <Skeleton rows={2} className="p-0" />
      )}
    </Section>
  );
}

function Password() {
  const { t } = useTranslation();
  const queryClient = useQueryClient();
  const [times, setTimes] = useState(0);
  return (
    <Section title={t("password.change")}>
      <p
        role="status"
        className={times > 0 ? "mb-4 rounded-lg bg-good-wash px-3 py-2 text-good text-sm" : "sr-only"}
      >
        {times > 0 ? t("password.done") : ""}
      </p>
      <div className="max-w-sm">
        <PasswordForm
          // A new form each time, so that nothing typed stays behind.
          key={times}
          onDone={() => {
            setTimes(times + 1);
            void queryClient.invalidateQueries(sessionsQuery);
          }}
        />
      </div>
    </Section>
  );
}
