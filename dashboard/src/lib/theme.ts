// Light, dark, or what the system says; public/theme.js applies the same choice before the first paint.

export type ThemeChoice = "system" | "light" | "dark";

const KEY = "govconnect.theme";

export function themeChoice(): ThemeChoice {
  try {
    const stored = localStorage.getItem(KEY);
    return stored === "light" || stored === "dark" ? stored : "system";
  } catch {
    return "system";
  }
}

export function chooseTheme(choice: ThemeChoice): void {
  try {
    if (choice === "system") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, choice);
  } catch {
    // Without storage the choice holds until the page is left.
  }
  apply(choice);
}

/** Follows the system for as long as nothing else was chosen. */
export function followSystemTheme(): void {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => apply(themeChoice()));
}

function apply(choice: ThemeChoice): void {
  const systemIsDark = matchMedia("(prefers-color-scheme: dark)").matches;
  const dark = choice === "dark" || (choice === "system" && systemIsDark);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
}
