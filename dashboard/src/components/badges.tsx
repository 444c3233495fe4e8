// Status and category in words; colour only helps, it never tells alone.

import { Siren } from "lucide-react";
import { useTranslation } from "react-i18next";
import { humanized } from "../lib/format";

const TONES: Record<string, string> = {
  baru: "bg-note-wash text-note",
  terverifikasi: "bg-accent-wash text-accent-strong",
  diproses: "bg-accent-wash text-accent-strong",
  menunggu_warga: "bg-warn-wash text-warn",
  selesai: "bg-good-wash text-good",
  ditolak: "bg-bad-wash text-bad",
};

const PILL =
  "inline-flex items-center gap-1 whitespace-nowrap rounded-full px-2.5 py-0.5 text-xs font-medium";

export function StatusBadge({ status }: { status: string }) {
  const { t } = useTranslation();
  const words = t(`status.${status}`, { defaultValue: humanized(status) });
  return <span className={`${PILL} ${TONES[status] ?? "bg-sunken text-soft"}`}>{words}</span>;
}

export function UrgentBadge({ urgency }: { urgency: string | null }) {
  const { t } = useTranslation();
  if (urgency !== "emergency") return null;
  return (
    <span className={`${PILL} bg-bad-wash text-bad`}>
      <Siren className="size-3.5" aria-hidden="true" />
      {t("complaints.urgent")}
    </span>
  );
}

export function Pill({ tone, children }: { tone: "note" | "warn" | "bad" | "plain"; children: string }) {
  const tones = {
    note: "bg-note-wash text-note",
    warn: "bg-warn-wash text-warn",
    bad: "bg-bad-wash text-bad",
    plain: "bg-sunken text-soft",
  };
  return <span className={`${PILL} ${tones[tone]}`}>{children}</span>;
}

export function useCategoryName(): (code: string) => string {
  const { t } = useTranslation();
  return (code) => t(`kategori.${code}`, { defaultValue: humanized(code) });
}
