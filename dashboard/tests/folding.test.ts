// A flooded conversation as an officer reads it: the pages as Vite serves them, in a real Chromium. The API's answers are
// made up here, because nothing else lets a test say when which message comes; so this needs no running GovConnect.

import type { Browser, Page } from "playwright-core";
import { createServer, type ViteDevServer } from "vite";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import type { Conversation, Message, Session } from "../src/api/client";
import { launch, overflow, seriousFindings } from "./chromium";

/** The transcript asks again every three seconds. */
const ARRIVAL = 10_000;
const PAGE = 50;

const session: Session = {
  admin: {
    admin_id: "01990000-0000-7000-8000-000000000001",
    display_name: "Ibu Ani",
    role: "petugas",
    unit: null,
    username: "ani",
  },
  expires_at: "2099-01-01T00:00:00Z",
  must_change_password: false,
  office: null,
  permissions: [],
};
const conversation: Conversation = {
  conversation_id: "01990000-0000-7000-8000-000000000002",
  display_name: "Mesin Lain",
  draft: null,
  holder: null,
  last_message_at: "2026-11-23T03:00:00Z",
  last_text: "halo",
  mode: "bot",
  parked: null,
  person_id: "01990000-0000-7000-8000-000000000003",
  unprocessed: 3,
  waiting_since: null,
  wa_user_id: "6281234567890",
};

/** The citizen's words number so and so, a minute after those before. */
function words(number: number): Message {
  return {
    message_id: `message-${number}`,
    direction: "in",
    kind: "text",
    origin: null,
    status: null,
    text: `kata ${number}.`,
    timestamp: new Date(Date.UTC(2026, 10, 23, 0, number)).toISOString(),
    wamid: null,
  };
}

let server: ViteDevServer;
let browser: Browser;
let page: Page;
let transcript: Message[];
/** How often the transcript was asked for, from its end. */
let asked: number;

beforeAll(async () => {
  server = await createServer({ server: { host: "127.0.0.1", port: 0, hmr: false }, logLevel: "error" });
  await server.listen();
  browser = await launch();
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

beforeEach(async () => {
  asked = 0;
  const context = await browser.newContext({ locale: "id-ID", viewport: { width: 1366, height: 800 } });
  page = await context.newPage();
  page.setDefaultTimeout(ARRIVAL);
  const origin = server.resolvedUrls?.local[0] ?? "";
  await page.route(`${origin}api/**`, (route) => {
    const { pathname, searchParams } = new URL(route.request().url());
    if (pathname === "/api/session") return route.fulfill({ json: session });
    if (pathname === "/api/conversations")
      return route.fulfill({ json: { items: [conversation], next_cursor: null } });
    if (!pathname.endsWith("/messages")) return route.fulfill({ status: 404, json: {} });
    const cursor = searchParams.get("cursor");
    if (cursor === null) asked += 1;
    const end = cursor === null ? transcript.length : Number(cursor);
    const start = Math.max(0, end - PAGE);
    const items = transcript.slice(start, end).reverse();
    return route.fulfill({ json: { items, next_cursor: start > 0 ? String(start) : null } });
  });
});

afterEach(async () => {
  await page.context().close();
});

async function open(messages: number): Promise<void> {
  transcript = Array.from({ length: messages }, (_, index) => words(index + 1));
  const origin = server.resolvedUrls?.local[0] ?? "";
  await page.goto(`${origin}live-chat?c=${conversation.conversation_id}`);
  await said(messages).waitFor();
}

/** More from the citizen, on the screen when this returns. */
async function arrive(more: number): Promise<void> {
  const before = transcript.length;
  for (let number = before + 1; number <= before + more; number += 1) transcript.push(words(number));
  await said(transcript.length).waitFor();
}

const log = () => page.getByRole("log");
const said = (number: number) => log().getByText(`kata ${number}.`, { exact: true });
const hidden = (count: number) =>
  log().getByRole("button", { name: `${count} pesan disembunyikan · Tampilkan` });

/** The numbers of the messages that are shown. */
async function shown(): Promise<number[]> {
  const texts = await log()
    .getByText(/^kata \d+\.$/)
    .allTextContents();
  return texts.map((text) => Number(/\d+/.exec(text)?.[0]));
}

function numbers(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

const fromTheEnd = () => log().evaluate((box) => box.scrollHeight - box.scrollTop - box.clientHeight);
const heightOf = async (number: number) => (await said(number).boundingBox())?.y;

test("of a flood the first and the last messages are shown, the others at a key", async () => {
  await open(40);
  expect(await shown()).toEqual([...numbers(1, 3), ...numbers(35, 40)]);
  const button = hidden(31);
  expect(await button.getAttribute("aria-expanded")).toBe("false");

  await log().focus();
  await page.keyboard.press("Tab");
  expect(await button.evaluate((element) => element === document.activeElement)).toBe(true);
  const place = (await button.boundingBox())?.y;
  await page.keyboard.press("Enter");
  const fold = log().getByRole("button", { name: "31 pesan berturut-turut · Sembunyikan" });
  await fold.waitFor();
  expect(await shown()).toEqual(numbers(1, 40));
  expect(await fold.getAttribute("aria-expanded")).toBe("true");
  expect(await fold.evaluate((element) => element === document.activeElement)).toBe(true);
  expect((await fold.boundingBox())?.y).toBe(place);

  await page.keyboard.press("Enter");
  await button.waitFor();
  expect(await button.evaluate((element) => element === document.activeElement)).toBe(true);
  expect(await shown()).toEqual([...numbers(1, 3), ...numbers(35, 40)]);
});

test("who reads what came out is not taken away from it, and it stays", async () => {
  await open(40);
  await hidden(31).click();
  await said(20).scrollIntoViewIfNeeded();
  const place = await heightOf(20);
  await arrive(2);
  expect(await heightOf(20)).toBe(place);
  expect(await shown()).toEqual(numbers(1, 42));
});

test("unfolding without scrolling is reading too", async () => {
  await open(40);
  expect(await fromTheEnd()).toBeLessThan(2);
  await hidden(31).click();
  const place = await heightOf(4);
  await arrive(1);
  expect(await heightOf(4)).toBe(place);
});

test("what was on the screen stays when more arrives, and who reads along goes on doing so", async () => {
  await open(40);
  await arrive(3);
  expect(await shown()).toEqual([...numbers(1, 3), ...numbers(35, 43)]);
  expect(await fromTheEnd()).toBeLessThan(2);
  await arrive(20);
  // Of a page of fifty: the oldest fall off it, and those that follow stay hidden.
  expect(await shown()).toEqual([...numbers(35, 43), ...numbers(58, 63)]);
  await hidden(21).waitFor();
  await hidden(14).waitFor();
});

test("older pages lengthen what is hidden, opened or not, and focus stays", async () => {
  await open(120);
  expect(await shown()).toEqual(numbers(115, 120));
  const older = log().getByRole("button", { name: "Muat yang lebih lama" });
  await older.click();
  await hidden(94).waitFor();
  await hidden(94).press("Enter");
  expect(await shown()).toEqual(numbers(21, 120));
  const fold = log().getByRole("button", { name: /Sembunyikan$/ });
  const before = asked;
  // Unlike a person's click this one leaves the focus where it is.
  await older.evaluate((element) => (element as HTMLElement).click());
  await said(1).waitFor();
  expect(await fold.textContent()).toContain("111 pesan");
  expect(await fold.evaluate((element) => element === document.activeElement)).toBe(true);
  expect(await shown()).toEqual(numbers(1, 120));
  await expect.poll(() => asked, { timeout: ARRIVAL }).toBeGreaterThan(before);
  expect(await shown()).toEqual(numbers(1, 120));
});

test.each([
  { look: "light", width: 1366, height: 800 },
  { look: "dark", width: 1366, height: 800 },
  { look: "light", width: 360, height: 740 },
] as const)("accessible and never wider than the screen: $look, $width px", async ({ look, ...viewport }) => {
  await page.setViewportSize(viewport);
  await page.emulateMedia({ colorScheme: look });
  await open(40);
  expect(await seriousFindings(page)).toEqual([]);
  expect(await overflow(page)).toBe(0);
  await hidden(31).click();
  await said(20).waitFor();
  expect(await seriousFindings(page)).toEqual([]);
  expect(await overflow(page)).toBe(0);
});
