// What was said, oldest at the top. Stays at the bottom while new messages come, unless the reader has scrolled up.

import { useInfiniteQuery } from "@tanstack/react-query";
import { Ban, Check, CheckCheck, CircleAlert, Clock, FileQuestion } from "lucide-react";
import { Fragment, useLayoutEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import type { Message } from "../api/client";
import { ApiError } from "../api/problem";
import { messagesQuery } from "../api/queries";
import { dayHeading, humanized, sameDay, timeOfDay } from "../lib/format";
import { useNow, useZoned } from "../lib/hooks";
import { Button, Empty, Failure, Skeleton, Stale } from "./ui";

/** How near the end, in pixels, still counts as reading along. */
const NEAR_THE_END = 80;

export function Transcript({ conversationId, name }: { conversationId: string; name: string }) {
  const { t } = useTranslation();
  const zoned = useZoned();
  const now = useNow();
  const transcript = useInfiniteQuery(messagesQuery(conversationId));
  const messages = transcript.data?.pages.flatMap((page) => page.items).reverse();

  const box = useRef<HTMLDivElement>(null);
  const readsAlong = useRef(true);
  const lastId = messages?.at(-1)?.message_id;
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new last message is what this waits for
  useLayoutEffect(() => {
    if (readsAlong.current) box.current?.scrollTo({ top: box.current.scrollHeight });
  }, [lastId]);

  if (!messages) {
    const missing = transcript.error instanceof ApiError && transcript.error.status === 404;
    if (missing) return <Empty icon={FileQuestion} title={t("chat.missing")} />;
    if (transcript.error) return <Failure error={transcript.error} retry={() => void transcript.refetch()} />;
    return <Skeleton rows={6} />;
  }
  return (
    <>
      {transcript.error ? (
        <div className="px-4 pt-3">
          <Stale error={transcript.error} />
        </div>
      ) : null}
      <div
        ref={box}
        role="log"
        aria-label={t("chat.transcript", { name })}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
        tabIndex={0}
        className="min-h-0 flex-1 overflow-y-auto px-4 py-5 -outline-offset-2 lg:px-6"
        onScroll={({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) => {
          readsAlong.current = scrollHeight - scrollTop - clientHeight < NEAR_THE_END;
        }}
      >
        {transcript.hasNextPage ? (
          <div className="mb-4 grid justify-items-center">
            <Button disabled={transcript.isFetchingNextPage} onClick={() => void transcript.fetchNextPage()}>
              {t("chat.older")}
            </Button>
          </div>
        ) : null}
        {messages.length === 0 ? (
          <p className="py-10 text-center text-sm text-soft">{t("chat.noMessages")}</p>
        ) : null}
        <ol className="mx-auto grid max-w-3xl gap-2">
          {messages.map((message, index) => {
            const before = messages[index - 1];
            const newDay = !before || !sameDay(before.timestamp, message.timestamp, zoned.timeZone);
            return (
              <Fragment key={message.message_id}>
                {newDay ? (
                  <li className="my-3 justify-self-center rounded-full bg-sunken px-3 py-1 text-soft text-xs">
                    {dayHeading(message.timestamp, now, zoned, {
                      today: t("day.today"),
                      yesterday: t("day.yesterday"),
                    })}
                  </li>
                ) : null}
                <Bubble
                  message={message}
                  continues={
                    !newDay && before.direction === message.direction && before.origin === message.origin
                  }
                />
              </Fragment>
            );
          })}
        </ol>
      </div>
    </>
  );
}

function Bubble({ message, continues }: { message: Message; continues: boolean }) {
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
