// Applies the chosen theme before the first paint. Kept in step with src/lib/theme.ts.
(() => {
  let choice = null;
  try {
    choice = localStorage.getItem("govconnect.theme");
  } catch {
    // Storage may be forbidden; the system's choice holds then.
  }
  const dark =
    choice === "dark" || (choice !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
})();
