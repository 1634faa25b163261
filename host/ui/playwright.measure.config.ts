import { defineConfig } from "@playwright/test";

import config from "./playwright.config";

/** Figures, for a quiet machine: nothing here fails because something is slow. */
export default defineConfig(config, {
  testDir: "tests/measure",
  testIgnore: [],
  timeout: 300_000,
  workers: 1,
  reporter: [["line"]],
  use: { trace: "off" },
});
