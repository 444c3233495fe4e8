// A real binary with its simulator, as the tests use it. The environment says where: GOVCONNECT_URL,
// GOVCONNECT_PASSWORD (the generated first one), SIMULATOR_URL.

import type { Page } from "playwright-core";

export const OWN_PASSWORD = "sawah hijau di kaki gunung";

function required(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; the browser tests need a running GovConnect`);
  return value.replace(/\/$/, "");
}

export const url = required("GOVCONNECT_URL");
export const firstPassword = required("GOVCONNECT_PASSWORD");
export const simulator = required("SIMULATOR_URL");

/** Signs in and waits for the page that comes next. */
export async function signIn(page: Page, password: string): Promise<void> {
  await page.goto(`${url}/login`);
  await page.getByLabel("Nama pengguna").fill("admin");
  await page.getByLabel("Kata sandi", { exact: true }).fill(password);
  await page.getByRole("button", { name: "Masuk" }).click();
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
