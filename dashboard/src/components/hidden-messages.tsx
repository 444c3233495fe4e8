// The quiet row in place of messages that are folded away. It stays above them when they are shown, so that focus and
// the place on the screen stay where they are, and folds them again.

import { ChevronDown, ChevronUp } from "lucide-react";
import { type ReactNode, useId } from "react";
import { useTranslation } from "react-i18next";

export function HiddenMessages(props: {
  count: number;
  open: boolean;
  toggle: () => void;
  /** The messages, as items of a list; only looked at when open. */
  children: ReactNode;
}) {
  const { t } = useTranslation();
  const listId = useId();
  const Icon = props.open ? ChevronUp : ChevronDown;
  return (
    <li className="grid gap-2">
      <button
        type="button"
        aria-expanded={props.open}
        aria-controls={props.open ? listId : undefined}
        onClick={props.toggle}
        className="min-h-11 justify-self-center rounded-full px-4 py-2 text-sm text-soft hover:bg-sunken"
      >
        {t(props.open ? "chat.unfolded" : "chat.folded", { count: props.count })}
        {" · "}
        <span className="whitespace-nowrap font-medium text-accent">
          {t(props.open ? "chat.fold" : "chat.unfold")}
          <Icon className="ml-1 inline size-4" aria-hidden="true" />
        </span>
      </button>
      {props.open ? (
        // The transcript is a live region; what the reader asks for is not read out as if it had just arrived.
        <ol id={listId} aria-live="off" className="grid gap-2">
          {props.children}
        </ol>
      ) : null}
    </li>
  );
}
