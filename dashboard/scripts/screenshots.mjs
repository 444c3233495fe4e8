// Pictures of every page, light, dark and on a phone, from a running binary: GOVCONNECT_URL, GOVCONNECT_PASSWORD.
// `node scripts/screenshots.mjs FOLDER`
import { mkdir } from "node:fs/promises";
import { chromium } from "playwright-core";

const url = process.env.GOVCONNECT_URL ?? "http://127.0.0.1:3000";
const password = process.env.GOVCONNECT_PASSWORD ?? "";
const folder = process.argv[2] ?? "screenshots";
await mkdir(folder, { recursive: true });

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});
const first = await browser.newContext();
const page = await first.newPage();
await page.goto(`${url}/login`);
await page.screenshot({ path: `${folder}/login.png` });
await page.fill("#username", "admin");
await page.fill("#password", password);
await page.click("button[type=submit]");
await page.waitForURL(/\/(password|dashboard)$/);
if (page.url().endsWith("/password")) {
  await page.waitForSelector("#current");
  await page.screenshot({ path: `${folder}/password.png`, fullPage: true });
  const own = "sawah hijau di kaki gunung";
  await page.fill("#current", password);
  await page.fill("#new", own);
  await page.fill("#repeat", own);
  await page.click("button[type=submit]");
  await page.waitForURL(/\/dashboard$/);
}
const storageState = await first.storageState();

const complaints = await page.evaluate(async () => (await fetch("/api/complaints?limit=5")).json());
const conversations = await page.evaluate(async () => (await fetch("/api/conversations?limit=5")).json());
const pages = {
  dashboard: "/dashboard",
  complaints: "/complaints",
  "complaints-none": "/complaints?q=zzzz",
  complaint: `/complaints/${complaints.items[0]?.complaint_id}`,
  "live-chat": "/live-chat",
  "live-chat-open": `/live-chat?c=${conversations.items[1]?.conversation_id}`,
  settings: "/settings",
  "not-found": "/nowhere",
};
const looks = {
  light: { viewport: { width: 1366, height: 800 }, colorScheme: "light" },
  dark: { viewport: { width: 1366, height: 800 }, colorScheme: "dark" },
  phone: { viewport: { width: 360, height: 740 }, colorScheme: "light", isMobile: true },
};
for (const [look, options] of Object.entries(looks)) {
  const context = await browser.newContext({ ...options, storageState, locale: "id-ID" });
  for (const [name, path] of Object.entries(pages)) {
    const tab = await context.newPage();
    tab.on("console", (message) => message.type() === "error" && console.log(name, message.text()));
    await tab.goto(url + path);
    await tab.waitForFunction(
      () => document.querySelector("h1") && !document.querySelector(".animate-pulse"),
    );
    await tab.screenshot({ path: `${folder}/${name}-${look}.png` });
    await tab.close();
  }
  await context.close();
}
await browser.close();
