import { expect, test } from "vitest";
import type { Message } from "../api/client";
import { fold, type Row } from "./folding";

/** Numbered messages from a sketch, a letter each: `c` a citizen's words, others below. */
function transcript(sketch: string, from = 1): Message[] {
  return [...sketch].map((letter, index) => {
    const kinds: Record<string, string> = { p: "image", l: "location", r: "reaction", x: "something_new" };
    const outbound = letter === "b";
    return {
      message_id: String(from + index),
      direction: outbound ? "out" : "in",
      kind: kinds[letter] ?? "text",
      origin: outbound ? "bot" : null,
      status: outbound ? "sent" : letter === "f" ? "failed" : null,
      text: "halo",
      timestamp: "2026-11-23T10:00:00Z",
      wamid: null,
    };
  });
}

/** Shown messages by number, hidden ones as how many. */
function drawn(rows: Row[]): string {
  return rows
    .map((row) => ("hidden" in row ? `(${row.hidden.length})` : row.message.message_id))
    .join(" ")
    .replaceAll(/(\d+)(?: \d+)* (\d+)(?= |$)/g, (numbers, first: string, last: string) =>
      Number(last) - Number(first) === numbers.split(" ").length - 1 ? `${first}-${last}` : numbers,
    );
}

const none: ReadonlySet<string> = new Set();
const numbers = (from: number, to: number) =>
  new Set(Array.from({ length: to - from + 1 }, (_, index) => String(from + index)));
const c = (count: number) => "c".repeat(count);

test.each([
  { what: "nothing", sketch: "", shown: "" },
  { what: "a run of twelve", sketch: c(12), shown: "1-12" },
  { what: "a run of thirteen", sketch: c(13), shown: "1-3 (4) 8-13" },
  { what: "a flood", sketch: c(500), shown: "1-3 (491) 495-500" },
  { what: "an answer between two short runs", sketch: `${c(12)}b${c(12)}`, shown: "1-25" },
  {
    what: "an answer between two long runs",
    sketch: `${c(20)}b${c(20)}`,
    shown: "1-3 (11) 15-24 (11) 36-41",
  },
  { what: "many answers in a row", sketch: "b".repeat(40), shown: "1-40" },
  { what: "a photo in a flood", sketch: `${c(20)}p${c(20)}`, shown: "1-3 (11) 15-24 (11) 36-41" },
  { what: "a location in a flood", sketch: `${c(20)}l${c(20)}`, shown: "1-3 (11) 15-24 (11) 36-41" },
  { what: "a failure in a flood", sketch: `${c(20)}f${c(20)}`, shown: "1-3 (11) 15-24 (11) 36-41" },
  { what: "a kind that is not known", sketch: `${c(10)}x${c(10)}`, shown: "1-21" },
  { what: "many photos", sketch: "p".repeat(40), shown: "1-40" },
  { what: "reactions among words", sketch: "cr".repeat(10), shown: "1-3 (11) 15-20" },
])("of a whole transcript with $what", ({ sketch, shown }) => {
  expect(drawn(fold(transcript(sketch), { complete: true, seen: none }))).toBe(shown);
});

test.each([
  { what: "a run that goes on before what is loaded", sketch: c(50), shown: "(44) 45-50" },
  { what: "a short one", sketch: c(12), shown: "1-12" },
  { what: "one that begins after an answer", sketch: `b${c(49)}`, shown: "1-4 (40) 45-50" },
])("with older messages to load: $what", ({ sketch, shown }) => {
  expect(drawn(fold(transcript(sketch), { complete: false, seen: none }))).toBe(shown);
});

test.each([
  { what: "a run that grew while it was read", count: 30, seen: numbers(1, 30), shown: "1-30" },
  {
    what: "one more at the end",
    count: 21,
    seen: new Set([...numbers(1, 3), ...numbers(15, 20)]),
    shown: "1-3 (11) 15-21",
  },
  {
    what: "a few more at once",
    count: 29,
    seen: new Set([...numbers(1, 3), ...numbers(15, 20)]),
    shown: "1-3 (11) 15-29",
  },
  {
    what: "a flood at once",
    count: 90,
    seen: new Set([...numbers(1, 3), ...numbers(15, 20)]),
    shown: "1-3 (11) 15-20 (64) 85-90",
  },
])("what was on the screen stays: $what", ({ count, seen, shown }) => {
  expect(drawn(fold(transcript(c(count)), { complete: true, seen }))).toBe(shown);
});

test("loading older messages lengthens what is hidden, up to the first ones", () => {
  const seen = numbers(95, 100);
  expect(drawn(fold(transcript(c(50), 51), { complete: false, seen }))).toBe("(44) 95-100");
  expect(drawn(fold(transcript(c(100)), { complete: true, seen }))).toBe("1-3 (91) 95-100");
});

test("whatever arrives, in whichever portions, nothing shown is hidden and nothing is lost", () => {
  const all = transcript(`${c(40)}b${c(30)}p${c(70)}`);
  for (const portion of [1, 2, 7, 11, 50]) {
    const seen = new Set<string>();
    for (let count = portion; count <= all.length; count += portion) {
      // Of a page of fifty, as the browser has it: the oldest fall off as new ones come.
      const loaded = all.slice(Math.max(0, count - 50), count);
      const known = { complete: count <= 50, seen };
      const rows = fold(loaded, known);
      const told = rows.flatMap((row) => ("hidden" in row ? row.hidden : [row.message]));
      expect(told).toEqual(loaded);
      const hidden = rows.flatMap((row) => ("hidden" in row ? row.hidden : []));
      expect(hidden.filter((message) => seen.has(message.message_id))).toEqual([]);
      for (const row of rows) if ("message" in row) seen.add(row.message.message_id);
      // Having been shown changes nothing by itself.
      expect(fold(loaded, known)).toEqual(rows);
    }
  }
});
