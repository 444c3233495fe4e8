// The phone page of the simulator: what a newcomer sees first.

import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { simulator } from "./browser";
import { launch, overflow, seriousFindings } from "./chromium";

const COMPLAINT = "Saya mau lapor jalan rusak di Jl. Kenanga No. 7, banyak lubang";

let browser: Browser;
let page: Page;

beforeAll(async () => {
  browser = await launch();
  page = await (await browser.newContext({ locale: "id-ID" })).newPage();
});

afterAll(async () => {
  await browser?.close();
});

test("a citizen types a complaint and gets its number within five seconds of the pause", async () => {
  await page.goto(simulator);
  const phone = page.locator(".phone").first();
  const box = phone.getByRole("textbox");
  await box.fill(COMPLAINT);
  await box.press("Enter");
  const reply = phone.getByText(/LAP-\d{8}-\d{3}/).first();
  // Three seconds of quiet, and five for the rest.
  await reply.waitFor({ timeout: 8_000 });
  expect(await reply.textContent()).toContain("Jl. Kenanga No. 7");
  await phone.getByRole("button", { name: "Batalkan" }).first().waitFor();
});

test.each([
  { look: "light", width: 1366, height: 800 },
  { look: "dark", width: 1366, height: 800 },
  { look: "light", width: 360, height: 740 },
] as const)(
  "the phones are accessible and fit the screen: $look, $width px",
  async ({ look, ...viewport }) => {
    await page.setViewportSize(viewport);
    await page.emulateMedia({ colorScheme: look });
    await page.reload();
    await page.getByText(COMPLAINT).first().waitFor();
    expect(await seriousFindings(page)).toEqual([]);
    expect(await overflow(page)).toBe(0);
  },
);
