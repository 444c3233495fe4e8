import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { ArrowLeft, MessagesSquare, User } from "lucide-react";
import { useEffect } from "react";
import { useTranslation } from "react-i18next";
import type { Conversation } from "../api/client";
import { conversationsQuery } from "../api/queries";
import { Pill } from "../components/badges";
import { Transcript } from "../components/transcript";
import { Button, Empty, Failure, Skeleton, Stale } from "../components/ui";
import { initials, phoneNumber, shortMoment } from "../lib/format";
import { useNow, useZoned } from "../lib/hooks";

const route = getRouteApi("/frame/live-chat");

/** Beside each other where there is room; on a phone the list or the conversation. */
export function LiveChatPage() {
  const { t } = useTranslation();
  const { c: chosen } = route.useSearch();
  const list = useInfiniteQuery(conversationsQuery);
  const conversations = list.data?.pages.flatMap((page) => page.items);
  const conversation = conversations?.find((candidate) => candidate.conversation_id === chosen);

  useEffect(() => {
    document.title = `${t("chat.title")} · GovConnect`;
  }, [t]);

  return (
    <div className="grid h-[calc(100dvh-7.5rem-env(safe-area-inset-bottom))] md:grid-cols-[20rem_minmax(0,1fr)] lg:h-dvh xl:grid-cols-[23rem_minmax(0,1fr)]">
      <section
        aria-label={t("chat.list")}
        className={`min-h-0 flex-col border-line bg-surface md:flex md:border-r ${chosen ? "hidden" : "flex"}`}
      >
        <h1 className="px-4 pt-4 pb-3 font-semibold text-2xl tracking-tight lg:pt-8">{t("chat.title")}</h1>
        {conversations && list.error ? (
          <div className="px-4 pb-3">
            <Stale error={list.error} />
          </div>
        ) : null}
        <div className="min-h-0 flex-1 overflow-y-auto">
          {conversations ? (
            conversations.length > 0 ? (
              <ul>
                {conversations.map((item) => (
                  <ConversationRow
                    key={item.conversation_id}
                    conversation={item}
                    chosen={item.conversation_id === chosen}
                  />
                ))}
              </ul>
            ) : (
              <Empty icon={MessagesSquare} title={t("chat.empty")}>
                {t("chat.emptyLead")}
              </Empty>
            )
          ) : list.error ? (
            <Failure error={list.error} retry={() => void list.refetch()} />
          ) : (
            <Skeleton rows={6} />
          )}
          {list.hasNextPage ? (
            <div className="grid p-4">
              <Button disabled={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
                {t("chat.older")}
              </Button>
            </div>
          ) : null}
        </div>
      </section>

      <section className={`min-h-0 min-w-0 flex-col md:flex ${chosen ? "flex" : "hidden"}`}>
        {chosen ? (
          <>
            <ConversationHead conversation={conversation} />
            <Transcript key={chosen} conversationId={chosen} name={nameOf(conversation)} />
          </>
        ) : (
          <div className="m-auto">
            <Empty icon={MessagesSquare} title={t("chat.choose")}>
              {t("chat.chooseLead")}
            </Empty>
          </div>
        )}
      </section>
    </div>
  );
}

function nameOf(conversation: Conversation | undefined): string {
  if (!conversation) return "…";
  const number = conversation.wa_user_id ? phoneNumber(conversation.wa_user_id) : "?";
  return conversation.display_name || number;
}

function ModePills({ conversation }: { conversation: Conversation }) {
  const { t } = useTranslation();
  return (
    <>
      {conversation.parked ? <Pill tone="bad">{t("chat.parked")}</Pill> : null}
      {conversation.draft ? <Pill tone="plain">{t("chat.draft")}</Pill> : null}
      {conversation.holder ? (
        <Pill tone="note">{t("chat.heldBy", { name: conversation.holder })}</Pill>
      ) : conversation.waiting_since ? (
        <Pill tone="warn">{t("chat.waiting")}</Pill>
      ) : (
        <Pill tone="plain">{t("chat.bot")}</Pill>
      )}
    </>
  );
}

function ConversationRow({ conversation, chosen }: { conversation: Conversation; chosen: boolean }) {
  const { t } = useTranslation();
  const zoned = useZoned();
  const now = useNow();
  const name = nameOf(conversation);
  return (
    <li className="border-line border-b last:border-b-0">
      <Link
        to="/live-chat"
        search={{ c: conversation.conversation_id }}
        aria-current={chosen ? "true" : undefined}
        className={`flex gap-3 px-4 py-3 -outline-offset-2 ${chosen ? "bg-accent-wash" : "hover:bg-raised"}`}
      >
        <span className="mt-0.5 grid size-10 shrink-0 place-items-center rounded-full bg-sunken font-semibold text-soft text-xs">
          {initials(name) || <User className="size-5" aria-hidden="true" />}
        </span>
        <span className="grid min-w-0 flex-1 gap-1">
          <span className="flex items-baseline gap-2">
            <span className="truncate font-medium">{name}</span>
            {conversation.last_message_at ? (
              <time
                dateTime={conversation.last_message_at}
                className="ml-auto shrink-0 text-soft text-xs tabular-nums"
              >
                {shortMoment(conversation.last_message_at, now, zoned)}
              </time>
            ) : null}
          </span>
          <span className="flex items-center gap-2">
            <span className="line-clamp-1 flex-1 text-sm text-soft">{conversation.last_text ?? ""}</span>
            {conversation.unprocessed > 0 ? (
              <span className="grid h-5 min-w-5 shrink-0 place-items-center rounded-full bg-accent px-1.5 font-semibold text-on-accent text-xs tabular-nums">
                <span aria-hidden="true">{conversation.unprocessed}</span>
                <span className="sr-only">{t("chat.unprocessed", { count: conversation.unprocessed })}</span>
              </span>
            ) : null}
          </span>
          <span className="flex flex-wrap gap-1.5">
            <ModePills conversation={conversation} />
          </span>
        </span>
      </Link>
    </li>
  );
}

function ConversationHead({ conversation }: { conversation: Conversation | undefined }) {
  const { t } = useTranslation();
  return (
    <div className="flex flex-wrap items-center gap-x-3 gap-y-1 border-line border-b bg-surface px-4 py-3 lg:px-6">
      <Link
        to="/live-chat"
        aria-label={t("chat.back")}
        className="-ml-2 grid size-11 place-items-center rounded-full hover:bg-sunken md:hidden"
      >
        <ArrowLeft className="size-5" aria-hidden="true" />
      </Link>
      <div className="min-w-0 flex-1">
        <h2 className="truncate font-semibold">{nameOf(conversation)}</h2>
        <p className="truncate text-sm text-soft">
          {conversation?.wa_user_id ? phoneNumber(conversation.wa_user_id) : "\u00a0"}
        </p>
      </div>
      <div className="flex flex-wrap gap-1.5 max-sm:basis-full max-sm:pl-12 sm:justify-end">
        {conversation ? <ModePills conversation={conversation} /> : null}
      </div>
    </div>
  );
}
