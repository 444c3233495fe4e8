// What was said, oldest at the top. Stays at the bottom while new messages come, unless the reader has scrolled up.

import { useInfiniteQuery } from "@tanstack/react-query";
import { FileQuestion } from "lucide-react";
import { useLayoutEffect, useRef } from "react";
import { flushSync } from "react-dom";
import { useTranslation } from "react-i18next";
import { ApiError } from "../api/problem";
import { messagesQuery } from "../api/queries";
import { type Folding, useFolding } from "../lib/use-folding";
import { MessageList } from "./message-list";
import { Button, Empty, Failure, Skeleton, Stale } from "./ui";

/** How near the end, in pixels, still counts as reading along. */
const NEAR_THE_END = 80;

function isNearTheEnd({ scrollHeight, scrollTop, clientHeight }: HTMLElement): boolean {
  return scrollHeight - scrollTop - clientHeight < NEAR_THE_END;
}

export function Transcript({ conversationId, name }: { conversationId: string; name: string }) {
  const { t } = useTranslation();
  const transcript = useInfiniteQuery(messagesQuery(conversationId));
  const messages = transcript.data?.pages.flatMap((page) => page.items).reverse();
  const folding = useFolding(messages ?? [], !transcript.hasNextPage);

  const box = useRef<HTMLDivElement>(null);
  const readsAlong = useRef(true);
  const lastId = messages?.at(-1)?.message_id;
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new last message is what this waits for
  useLayoutEffect(() => {
    if (readsAlong.current) box.current?.scrollTo({ top: box.current.scrollHeight });
  }, [lastId]);
  // Unfolding moves the end without scrolling: whoever reads what came out is not to be taken away by the next message.
  const setFolded: Folding["setFolded"] = (these, folded) => {
    flushSync(() => folding.setFolded(these, folded));
    if (box.current) readsAlong.current = isNearTheEnd(box.current);
  };

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
        onScroll={({ currentTarget }) => {
          readsAlong.current = isNearTheEnd(currentTarget);
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
        <MessageList {...folding} setFolded={setFolded} />
      </div>
    </>
  );
}
