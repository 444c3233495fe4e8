// A real Chromium, and what it is asked about any page. CHROMIUM says where it is when it is not on the path.

import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";

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
