// Dates, numbers and phone numbers as people read them. Dates are always in the office's time zone, wherever the
// browser is.

export interface Zoned {
  locale: string;
  timeZone: string;
}

function dayOf(date: Date, timeZone: string): string {
  return new Intl.DateTimeFormat("en-CA", { timeZone, dateStyle: "short" }).format(date);
}

/** "23 November 2026 pukul 10.02". */
export function dateTime(iso: string, { locale, timeZone }: Zoned): string {
  return new Intl.DateTimeFormat(locale, { timeZone, dateStyle: "long", timeStyle: "short" }).format(
    new Date(iso),
  );
}

export function timeOfDay(iso: string, { locale, timeZone }: Zoned): string {
  return new Intl.DateTimeFormat(locale, { timeZone, timeStyle: "short" }).format(new Date(iso));
}

/** The time today, the day this year, else the date: what fits a list. */
export function shortMoment(iso: string, now: Date, zoned: Zoned): string {
  const { locale, timeZone } = zoned;
  const date = new Date(iso);
  const day = dayOf(date, timeZone);
  const today = dayOf(now, timeZone);
  if (day === today) return timeOfDay(iso, zoned);
  if (day.slice(0, 4) === today.slice(0, 4)) {
    return new Intl.DateTimeFormat(locale, { timeZone, day: "numeric", month: "short" }).format(date);
  }
  return new Intl.DateTimeFormat(locale, { timeZone, dateStyle: "medium" }).format(date);
}

/** The heading over a day's messages: today, yesterday or the date. */
export function dayHeading(
  iso: string,
  now: Date,
  { locale, timeZone }: Zoned,
  words: { today: string; yesterday: string },
): string {
  const date = new Date(iso);
  const day = dayOf(date, timeZone);
  if (day === dayOf(now, timeZone)) return words.today;
  if (day === dayOf(new Date(now.getTime() - 24 * 3_600_000), timeZone)) return words.yesterday;
  return new Intl.DateTimeFormat(locale, { timeZone, dateStyle: "full" }).format(date);
}

/** Whether two moments fall on the same day of the office. */
export function sameDay(one: string, other: string, timeZone: string): boolean {
  return dayOf(new Date(one), timeZone) === dayOf(new Date(other), timeZone);
}

/** "6281234567890" → "+62 812-3456-7890"; anything that is not a phone number stays as it is. */
export function phoneNumber(waUserId: string): string {
  if (!/^\d{8,15}$/.test(waUserId)) return waUserId;
  if (!waUserId.startsWith("62")) return `+${waUserId}`;
  const rest = waUserId.slice(2);
  const groups = [rest.slice(0, 3), rest.slice(3, 7), rest.slice(7)].filter((group) => group !== "");
  return `+62 ${groups.join("-")}`;
}

/** Two letters for a round picture; nothing for a name without letters, such as a phone number. */
export function initials(name: string): string {
  const words = name.split(/\s+/).filter((word) => /^\p{L}/u.test(word));
  const letters = words.length > 1 ? [words[0], words[words.length - 1]] : words;
  return letters
    .map((word) => [...(word ?? "")][0] ?? "")
    .join("")
    .toUpperCase();
}

/** "jalan_rusak" → "Jalan rusak". */
export function humanized(code: string): string {
  const words = code.replaceAll("_", " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}
