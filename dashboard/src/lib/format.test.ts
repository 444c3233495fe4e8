import { expect, test } from "vitest";
import { dayHeading, humanized, initials, phoneNumber, sameDay, shortMoment } from "./format";

const jakarta = { locale: "id", timeZone: "Asia/Jakarta" };
const words = { today: "Hari ini", yesterday: "Kemarin" };
// 03:00 in Jakarta on the 24th, still the 23rd in UTC.
const now = new Date("2026-11-23T20:00:00Z");

test("days are those of the office, not of the browser", () => {
  expect(dayHeading("2026-11-23T17:30:00Z", now, jakarta, words)).toBe("Hari ini");
  expect(dayHeading("2026-11-23T16:30:00Z", now, jakarta, words)).toBe("Kemarin");
  expect(dayHeading("2026-11-20T10:00:00Z", now, jakarta, words)).toContain("20 November 2026");
  expect(sameDay("2026-11-23T16:59:00Z", "2026-11-23T17:00:00Z", "Asia/Jakarta")).toBe(false);
});

test("lists show the time today, then the day, then the year", () => {
  expect(shortMoment("2026-11-23T19:05:00Z", now, jakarta)).toBe("02.05");
  expect(shortMoment("2026-11-20T10:00:00Z", now, jakarta)).toBe("20 Nov");
  expect(shortMoment("2025-11-20T10:00:00Z", now, jakarta)).toBe("20 Nov 2025");
});

test.each([
  ["6281234567890", "+62 812-3456-7890"],
  ["62812345678", "+62 812-3456-78"],
  ["15551234567", "+15551234567"],
  ["ID.a1b2c3", "ID.a1b2c3"],
])("phone numbers are grouped: %s", (given, shown) => {
  expect(phoneNumber(given)).toBe(shown);
});

test.each([
  ["Siti Nur Rahayu", "SR"],
  ["budi", "B"],
  ["🌺 Ayu", "A"],
  ["Pak Joko 05", "PJ"],
  ["+62 812-3456-7890", ""],
  ["", ""],
])("initials of %s", (name, letters) => {
  expect(initials(name)).toBe(letters);
});

test("codes become words", () => {
  expect(humanized("jalan_rusak")).toBe("Jalan rusak");
});
