// One message, and how far it got.

import { Ban, Check, CheckCheck, CircleAlert, Clock } from "lucide-react";
import { useTranslation } from "react-i18next";
import type { Message } from "../api/client";
import { humanized, timeOfDay } from "../lib/format";
import { useZoned } from "../lib/hooks";

export function Bubble({ message, continues }: { message: Message; continues: boolean }) {
  const { t } = useTranslation();
  const zoned = useZoned();
  const outbound = message.direction === "out";
  const writer = outbound
    ? t(`chat.origin.${message.origin ?? "bot"}`, { defaultValue: "?" })
    : t("chat.you");
  const kind =
    message.kind === "text"
      ? null
      : t(`chat.kind.${message.kind}`, { defaultValue: humanized(message.kind) });
  const undone = message.status === "failed" || message.status === "cancelled";
  return (
    <li
      className={`grid max-w-[85%] sm:max-w-[75%] ${outbound ? "justify-self-end" : "justify-self-start"} ${continues ? "" : "mt-2"}`}
    >
      <p className={continues ? "sr-only" : `mb-1 text-soft text-xs ${outbound ? "text-right" : ""}`}>
        {writer}
      </p>
      <div
        className={`rounded-2xl border px-3.5 py-2 ${outbound ? "rounded-tr-md border-transparent bg-accent-wash" : "rounded-tl-md border-line bg-surface"}`}
      >
        {kind ? <p className="font-medium text-sm text-soft">{kind}</p> : null}
        {message.text ? (
          <p className={`whitespace-pre-wrap ${message.status === "cancelled" ? "line-through" : ""}`}>
            {message.text}
          </p>
        ) : null}
        <p
          className={`mt-0.5 flex items-center justify-end gap-1 text-xs tabular-nums ${undone ? "text-bad" : "text-soft"}`}
        >
          <time dateTime={message.timestamp}>{timeOfDay(message.timestamp, zoned)}</time>
          {outbound ? <Delivery status={message.status} /> : null}
        </p>
      </div>
    </li>
  );
}

const ICONS = {
  queued: Clock,
  sending: Clock,
  sent: Check,
  delivered: CheckCheck,
  read: CheckCheck,
  failed: CircleAlert,
  cancelled: Ban,
  unknown: CircleAlert,
} as const;

function Delivery({ status }: { status: string | null }) {
  const { t } = useTranslation();
  if (!status) return null;
  const Icon = ICONS[status as keyof typeof ICONS] ?? Clock;
  const words = t(`chat.delivery.${status}`, { defaultValue: humanized(status) });
  const worthReading = status === "failed" || status === "cancelled" || status === "unknown";
  return (
    <span
      className={`inline-flex items-center gap-1 ${status === "read" ? "text-accent" : ""}`}
      title={words}
    >
      <Icon className="size-3.5" aria-hidden="true" />
      <span className={worthReading ? "" : "sr-only"}>{words}</span>
    </span>
  );
}
