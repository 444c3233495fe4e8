import { defineConfig } from "vitest/config";

// One real browser, and one running binary for all but `folding`: files and tests take turns.
export default defineConfig({
  test: {
    include: ["tests/**/*.test.ts"],
    environment: "node",
    fileParallelism: false,
    sequence: { concurrent: false },
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
