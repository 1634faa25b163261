import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

/** Where the service is while the pages are developed. */
const service = process.env.POWERFLOW_URL ?? "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [react()],
  resolve: { alias: { "@": new URL("./src", import.meta.url).pathname } },
  build: {
    target: "es2022",
    sourcemap: false,
    chunkSizeWarningLimit: 700,
    // Fonts and images stay files: the content policy and the cache serve them better.
    assetsInlineLimit: 0,
  },
  server: {
    host: "127.0.0.1",
    proxy: Object.fromEntries(
      ["/api", "/docs/errors", "/docs/api", "/openapi.json", "/healthz"].map((path) => [path, service]),
    ),
  },
  test: { environment: "node", include: ["src/**/*.test.ts", "src/**/*.test.tsx"] },
});
