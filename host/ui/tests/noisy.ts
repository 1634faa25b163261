import type { Page } from "@playwright/test";

import { expect } from "./harness";
import type { Service } from "./service";

/** Runs an application that writes 10,000 lines, and opens its log. */
export async function openLongLog(page: Page, service: Service): Promise<void> {
  await service.application({
    name: "noisy",
    steps: Array.from({ length: 5_000 }, (_, index) => ({
      name: `step ${index}`,
      operator: "transform",
      template: "1",
    })),
  });
  const run = await service.run("noisy");
  for (let left = 60; left > 0; left--) {
    const { body } = await service.api<{ ended: boolean }>("GET", `/tasks/${run.task_id}`);
    if (body.ended) break;
    await page.waitForTimeout(500);
  }
  await page.goto(`${service.url}/applications/noisy?runid=${run.task_id}&tab=logs`);
  await expect(page.getByText("10000 lines")).toBeVisible({ timeout: 30_000 });
}
