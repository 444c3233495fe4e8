// What a reader has seen and unfolded of one conversation, for as long as it is open.

import { useLayoutEffect, useState } from "react";
import type { Message } from "../api/client";
import { fold, type Row } from "./folding";

export interface Folding {
  rows: Row[];
  /** Messages that the reader unfolded. */
  unfolded: ReadonlySet<string>;
  setFolded: (messages: readonly Message[], folded: boolean) => void;
}

const NONE: ReadonlySet<string> = new Set();

export function useFolding(messages: readonly Message[], complete: boolean): Folding {
  const [seen, setSeen] = useState(NONE);
  // Messages and not rows: a row may grow at its front, or part in two when an answer comes late.
  const [unfolded, setUnfolded] = useState(NONE);
  const rows = fold(messages, { complete, seen });

  useLayoutEffect(() => {
    const shown = rows.flatMap((row) => ("message" in row ? [row.message.message_id] : []));
    const fresh = shown.filter((messageId) => !seen.has(messageId));
    if (fresh.length > 0) setSeen(new Set([...seen, ...fresh]));
  }, [rows, seen]);

  const setFolded = (these: readonly Message[], folded: boolean) => {
    const next = new Set(unfolded);
    for (const { message_id } of these) {
      if (folded) next.delete(message_id);
      else next.add(message_id);
    }
    setUnfolded(next);
  };
  return { rows, unfolded, setFolded };
}
