import { describe, expect, it } from "vitest";

import type { Run } from "./api";
import { merged } from "./live";

const step = (name: string, state: string) => ({ task_id: `istask-${name}`, name, state });
const run = (state: string, ...steps: ReturnType<typeof step>[]) => ({ state, steps }) as unknown as Run;

describe("events of a run", () => {
  it("replace the steps that they bring", () => {
    const old = run("running", step("a", "success"), step("b", "running"), step("c", "pending"));
    const event = run("failed", step("b", "failed"));
    expect(merged(old, event)).toEqual(
      run("failed", step("a", "success"), step("b", "failed"), step("c", "pending")),
    );
  });

  it("are the run where nothing was known, or where they bring all steps", () => {
    const whole = run("running", step("a", "success"), step("b", "running"));
    expect(merged(undefined, whole)).toBe(whole);
    expect(merged(run("queued", step("a", "pending"), step("b", "pending")), whole)).toBe(whole);
  });
});
