// A real Chromium and a real binary; what the tests share. The environment says where: GOVCONNECT_URL,
// GOVCONNECT_PASSWORD (the generated first one), SIMULATOR_URL; CHROMIUM where it is not /usr/bin/chromium.

import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";

export const OWN_PASSWORD = "sawah hijau di kaki gunung";

function required(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; the browser tests need a running GovConnect`);
  return value.replace(/\/$/, "");
}

export const url = required("GOVCONNECT_URL");
export const firstPassword = required("GOVCONNECT_PASSWORD");
export const simulator = required("SIMULATOR_URL");

function chromiumPath(): string {
  const named = process.env.CHROMIUM;
  if (named) return named;
  const folders = (process.env.PATH ?? "").split(delimiter);
  const candidates = folders.flatMap((folder) =>
    ["chromium", "chromium-browser", "google-chrome"].map((name) => join(folder, name)),
  );
  const found = candidates.find((path) => existsSync(path));
  if (!found) throw new Error("no Chromium found; install Debian's chromium or set CHROMIUM");
  return found;
}

export function launch(): Promise<Browser> {
  const quiet = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ];
  // Chromium's sandbox does not start for root.
  const asRoot = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  return chromium.launch({ executablePath: chromiumPath(), args: [...quiet, ...asRoot] });
}

/** Signs in and waits for the page that comes next. */
export async function signIn(page: Page, password: string): Promise<void> {
  await page.goto(`${url}/login`);
  await page.getByLabel("Nama pengguna").fill("admin");
  await page.getByLabel("Kata sandi", { exact: true }).fill(password);
  await page.getByRole("button", { name: "Masuk" }).click();
}

/** The page has its data: a heading, and no grey bars. */
export async function settled(page: Page): Promise<void> {
  await page.waitForFunction(
    () => document.querySelector("h1, h2") !== null && document.querySelector(".animate-pulse") === null,
  );
}

/** How many pixels the page is wider than the screen. */
export function overflow(page: Page): Promise<number> {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
}

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

interface Finding {
  id: string;
  impact: string | null;
  nodes: { html: string; failureSummary?: string }[];
}

/** What axe finds serious or critical, by WCAG 2.2 AA and best practice. */
export async function seriousFindings(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  const findings = await page.evaluate(async () => {
    const run = (window as unknown as { axe: { run: (on: Document) => Promise<{ violations: unknown[] }> } })
      .axe.run;
    return (await run(document)).violations;
  });
  return (findings as Finding[])
    .filter((finding) => finding.impact === "serious" || finding.impact === "critical")
    .map(
      (finding) =>
        `${finding.id}: ${finding.nodes.map((node) => `${node.html} ${node.failureSummary ?? ""}`).join("\n")}`,
    );
}

export interface Citizen {
  id: string;
}

async function post(path: string, body: unknown): Promise<unknown> {
  const response = await fetch(`${simulator}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`simulator ${path}: ${response.status} ${await response.text()}`);
  return response.json();
}

/** A new citizen with a phone in the simulator. */
export async function citizen(name: string): Promise<Citizen> {
  const phone = `62899${Math.floor(Math.random() * 1e8)
    .toString()
    .padStart(8, "0")}`;
  return (await post("/control/citizens", { name, phone })) as Citizen;
}

/** What the citizen types on the simulator's phone. */
export async function says(who: Citizen, body: string): Promise<void> {
  await post(`/control/citizens/${who.id}/messages`, { message: { text: { body } } });
}
