// A transcript's messages under the days on which they were written, with long runs folded.

import { useTranslation } from "react-i18next";
import type { Message } from "../api/client";
import { dayHeading, sameDay } from "../lib/format";
import { useNow, useZoned } from "../lib/hooks";
import type { Folding } from "../lib/use-folding";
import { Bubble } from "./bubble";
import { HiddenMessages } from "./hidden-messages";

export function MessageList({ rows, unfolded, setFolded }: Folding) {
  const now = useNow();
  // The message above on the screen: what is folded away has no day and no writer that one could go on from.
  let above: Message | undefined;
  let touches = false;
  const said = (message: Message) => {
    const item = (
      <Said key={message.message_id} message={message} above={above} touches={touches} now={now} />
    );
    above = message;
    touches = true;
    return item;
  };
  return (
    <ol className="mx-auto grid max-w-3xl gap-2">
      {rows.map((row) => {
        if ("message" in row) return said(row.message);
        const { hidden } = row;
        const open = hidden.some(({ message_id }) => unfolded.has(message_id));
        touches = false;
        return (
          // By its last message: at the front it grows as older ones are loaded, and focus is to stay on it.
          <HiddenMessages
            key={`before ${hidden.at(-1)?.message_id}`}
            count={hidden.length}
            open={open}
            toggle={() => setFolded(hidden, open)}
          >
            {open ? hidden.map(said) : null}
          </HiddenMessages>
        );
      })}
    </ol>
  );
}

/** A message, below the heading of its day when it is the first of it. */
function Said(props: { message: Message; above: Message | undefined; touches: boolean; now: Date }) {
  const { t } = useTranslation();
  const zoned = useZoned();
  const { message, above, touches, now } = props;
  const newDay = !above || !sameDay(above.timestamp, message.timestamp, zoned.timeZone);
  return (
    <>
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
          touches && !newDay && above.direction === message.direction && above.origin === message.origin
        }
      />
    </>
  );
}
