import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// While developing, the pages come from Vite and the API from a running binary. The Origin is rewritten because the
// API takes changes only from its own pages.
const backend = process.env.GOVCONNECT_URL ?? "http://127.0.0.1:3000";

export default defineConfig({
  plugins: [react(), tailwindcss()],
  build: {
    target: "es2022",
    // Inlined files would need `data:` in the content security policy.
    assetsInlineLimit: 0,
    // The polyfill for `modulepreload` is not needed by the browsers above.
    modulePreload: { polyfill: false },
  },
  server: {
    proxy: { "/api": { target: backend, changeOrigin: true, headers: { origin: backend } } },
  },
});
