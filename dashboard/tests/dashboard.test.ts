// An officer's first day: one story, told in order, against a running GovConnect with its simulator.

import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { citizen, firstPassword, OWN_PASSWORD, says, signIn, url } from "./browser";
import { launch, overflow, seriousFindings, settled } from "./chromium";

/** A reply takes the citizen's quiet time and a turn; then the list asks again within seconds. */
const ARRIVAL = 45_000;

let browser: Browser;
let office: BrowserContext;
let page: Page;
const refusals: string[] = [];

beforeAll(async () => {
  browser = await launch();
  office = await browser.newContext({ locale: "id-ID", timezoneId: "America/New_York" });
  page = await office.newPage();
  page.on("console", (message) => {
    if (message.type() === "error" && message.text().includes("Content Security Policy"))
      refusals.push(message.text());
  });
  page.on("pageerror", (error) => refusals.push(error.message));
});

afterAll(async () => {
  await browser?.close();
});

test("whoever is not signed in is asked to, and comes back to where they wanted to go", async () => {
  await page.goto(`${url}/complaints?status=baru`);
  await page.waitForURL(/\/login\?next=/);
  expect(await page.getByRole("heading", { level: 1 }).textContent()).toBe("Masuk");
  expect(await seriousFindings(page)).toEqual([]);
});

test("a wrong password is refused in plain words", async () => {
  await signIn(page, "a wrong password");
  await page.getByRole("alert").getByText("Nama pengguna atau kata sandi salah.").waitFor();
});

test("the first password must be changed before anything else can be seen", async () => {
  await signIn(page, firstPassword);
  await page.waitForURL(`${url}/password`);
  await page.goto(`${url}/complaints`);
  await page.waitForURL(`${url}/password`);
  expect(await seriousFindings(page)).toEqual([]);

  const choose = async (current: string, chosen: string, repeated: string) => {
    await page.getByLabel("Kata sandi sekarang").fill(current);
    await page.getByLabel("Kata sandi baru", { exact: true }).fill(chosen);
    await page.getByLabel("Ulangi kata sandi baru").fill(repeated);
    await page.getByRole("button", { name: "Simpan kata sandi" }).click();
  };
  await choose(firstPassword, "pendek", "pendek");
  await page.getByRole("alert").getByText("Paling sedikit 12 karakter.").waitFor();
  await choose(firstPassword, OWN_PASSWORD, `${OWN_PASSWORD}!`);
  await page.getByText("Kedua kata sandi baru tidak sama.").waitFor();
  await choose(firstPassword, OWN_PASSWORD, OWN_PASSWORD);
  await page.waitForURL(`${url}/dashboard`);
});

test("a citizen's complaint appears without reloading, and its conversation can be read", async () => {
  const place = `Jl. Melati No. ${Math.floor(Math.random() * 9000) + 1000}`;
  await page.getByRole("link", { name: "Laporan", exact: true }).first().click();
  await page.waitForURL(`${url}/complaints`);
  await settled(page);
  await page.evaluate(() => Object.assign(window, { notReloaded: true }));

  const words = `Saya mau lapor jalan rusak di ${place}, banyak lubang`;
  await says(await citizen("Uji Peramban"), words);

  const row = page.getByRole("row").filter({ hasText: place });
  await row.waitFor({ timeout: ARRIVAL });
  expect(await page.evaluate(() => "notReloaded" in window)).toBe(true);
  const number = (await row.getByRole("link").textContent()) ?? "";
  expect(number).toMatch(/^LAP-\d{8}-\d{3,}$/);

  await row.getByRole("link").click();
  await page.waitForURL(`${url}/complaints/${number}`);
  await page.getByRole("heading", { name: "Jalan rusak" }).waitFor();
  await page.getByText(place).first().waitFor();

  await page.getByRole("link", { name: "Percakapan", exact: true }).first().click();
  await page
    .getByRole("link", { name: /Uji Peramban/ })
    .first()
    .click();
  await page.getByRole("log").getByText(words).waitFor();
});

test("filters live in the address and survive going back", async () => {
  await page.goto(`${url}/complaints`);
  await settled(page);
  await page.getByLabel("Status").selectOption("selesai");
  await page.waitForURL(/status=selesai/);
  await page.getByLabel("Cari laporan").fill("tidak ada yang seperti ini");
  await page.waitForURL(/q=tidak/);
  await page.getByText("Tidak ada yang cocok").waitFor();
  await page.getByRole("button", { name: "Hapus saringan" }).click();
  await page.waitForURL(`${url}/complaints`);
  expect(await page.getByLabel("Cari laporan").inputValue()).toBe("");
});

test("an outage is shown as one, with older data kept", async () => {
  await page.goto(`${url}/complaints`);
  await settled(page);
  const rows = await page.getByRole("row").count();
  const away = { type: "urn:govconnect:problem:service-unavailable", status: 503, service: "case" };
  await page.route("**/api/complaints*", (route) =>
    route.fulfill({ status: 503, contentType: "application/problem+json", body: JSON.stringify(away) }),
  );
  await page.getByText("Tampilan ini tertinggal").waitFor({ timeout: ARRIVAL });
  expect(await page.getByRole("row").count()).toBe(rows);
  await page.goto(`${url}/complaints?status=baru`);
  await page.getByText("Data tidak dapat dimuat").waitFor({ timeout: ARRIVAL });
  await page.unroute("**/api/complaints*");
  await page.getByRole("button", { name: "Coba lagi" }).click();
  await page.getByText("Data tidak dapat dimuat").waitFor({ state: "detached" });
});

test("the whole menu works by keyboard", async () => {
  await page.goto(`${url}/dashboard`);
  await settled(page);
  await page.keyboard.press("Tab");
  expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("Lewati ke isi");
  await page.keyboard.press("Enter");
  expect(await page.evaluate(() => document.activeElement?.id)).toBe("content");
});

test("the chosen theme and language are kept", async () => {
  await page.goto(`${url}/settings`);
  await settled(page);
  await page.getByText("Gelap", { exact: true }).click();
  await page.getByText("English", { exact: true }).click();
  await page.getByRole("heading", { name: "Settings", level: 1 }).waitFor();
  await page.reload();
  await page.getByRole("heading", { name: "Settings", level: 1 }).waitFor();
  const look = () =>
    page.evaluate(() => [
      document.documentElement.dataset.theme,
      document.documentElement.lang,
      getComputedStyle(document.documentElement).backgroundColor,
    ]);
  expect(await look()).toEqual(["dark", "en", "rgb(18, 20, 18)"]);
  await page.getByText("Bahasa Indonesia", { exact: true }).click();
  await page.getByText("Otomatis", { exact: true }).click();
});

const PAGES = [
  "/dashboard",
  "/complaints",
  "/complaints/LAP-20200101-001",
  "/live-chat",
  "/settings",
  "/nowhere",
];

test.each([
  { look: "light", width: 1366, height: 800 },
  { look: "dark", width: 1366, height: 800 },
  { look: "light", width: 360, height: 740 },
] as const)(
  "pages are accessible and never wider than the screen: $look, $width px",
  async ({ look, ...viewport }) => {
    await page.setViewportSize(viewport);
    await page.emulateMedia({ colorScheme: look });
    const openConversation = await page.evaluate(async () => {
      const list = await (await fetch("/api/conversations?limit=1")).json();
      return `/live-chat?c=${list.items[0]?.conversation_id}`;
    });
    for (const path of [...PAGES, openConversation]) {
      await page.goto(url + path);
      await settled(page);
      expect(await seriousFindings(page), path).toEqual([]);
      expect(await overflow(page), path).toBe(0);
    }
    await page.setViewportSize({ width: 1366, height: 800 });
    await page.emulateMedia({ colorScheme: "light" });
  },
);

test("a session ended elsewhere ends here, and the way back is kept", async () => {
  const other = await browser.newContext({ locale: "id-ID" });
  const elsewhere = await other.newPage();
  await signIn(elsewhere, OWN_PASSWORD);
  await elsewhere.waitForURL(`${url}/dashboard`);
  await page.goto(`${url}/settings`);
  await settled(page);
  await page
    .getByRole("button", { name: /Akhiri sesi/ })
    .first()
    .click();
  await page.getByText("telah diakhiri").waitFor();
  await elsewhere.waitForURL(/\/login\?.*ended=true/, { timeout: ARRIVAL });
  await other.close();
});

test("signing out leaves nothing to go back to", async () => {
  await page.getByRole("button", { name: "Keluar" }).first().click();
  await page.waitForURL(`${url}/login`);
  await page.goto(`${url}/complaints`);
  await page.waitForURL(/\/login/);
});

test("nothing was refused by the content security policy, and no page failed", () => {
  expect(refusals).toEqual([]);
});
