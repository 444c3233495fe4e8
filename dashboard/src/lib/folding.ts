// Which messages of a transcript are folded away: the middle of a long run that a citizen wrote without an answer in
// between (the bot is silent after its turns, two machines talk, somebody leans on the keys). Nothing that was once on
// the screen is folded: what a reader looks at does not vanish because more arrives.

import type { Message } from "../api/client";

/** A run up to this long is shown whole. */
const WHOLE = 12;
/** Of a longer one, how it began and where it stands now. */
const FIRST = 3;
const LAST = 6;
/** As many as the shortest folded run hides; fewer are not worth a row in their place. */
const WORTH_HIDING = WHOLE + 1 - FIRST - LAST;

/** Kinds that are words and nothing else. Any other, also one that is not known yet, may be what matters. */
const WORDS = new Set(["text", "interactive", "button", "reaction"]);

export type Row = { message: Message } | { hidden: readonly [Message, ...Message[]] };

export interface Known {
  /** Nothing older is left to load. */
  complete: boolean;
  /** Messages that were on the screen since the conversation was opened. */
  seen: ReadonlySet<string>;
}

export function fold(messages: readonly Message[], { complete, seen }: Known): Row[] {
  const rows: Row[] = [];
  let run: Message[] = [];
  const endRun = () => {
    // Before the oldest message that is loaded the run may go on: those are not its first, and stay folded until they
    // are known to be. Otherwise three more would be shown with every page, and with every message that pushes the
    // oldest off the page.
    rows.push(...foldRun(run, rows.length > 0 || complete ? FIRST : 0, seen));
    run = [];
  };
  for (const message of messages) {
    if (message.direction === "in" && WORDS.has(message.kind) && message.status !== "failed") {
      run.push(message);
    } else {
      endRun();
      rows.push({ message });
    }
  }
  endRun();
  return rows;
}

function foldRun(run: readonly Message[], first: number, seen: ReadonlySet<string>): Row[] {
  if (run.length <= WHOLE) return run.map((message) => ({ message }));
  const rows: Row[] = [];
  let stretch: Message[] = [];
  const endStretch = () => {
    const [oldest, ...others] = stretch;
    if (oldest && stretch.length >= WORTH_HIDING) rows.push({ hidden: [oldest, ...others] });
    else rows.push(...stretch.map((message) => ({ message })));
    stretch = [];
  };
  for (const [index, message] of run.entries()) {
    if (index < first || index >= run.length - LAST || seen.has(message.message_id)) {
      endStretch();
      rows.push({ message });
    } else {
      stretch.push(message);
    }
  }
  endStretch();
  return rows;
}
