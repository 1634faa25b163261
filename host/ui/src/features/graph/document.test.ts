import { describe, expect, it } from "vitest";

import { closesCircle, edgesOf, readDocument } from "./document";
import { arrange, positionsOf } from "./layout";

const triage = readDocument({
  steps: [
    { name: "Event", operator: "transform", output_to: ["How bad?", "nowhere"] },
    {
      name: "How bad?",
      operator: "condition",
      data_from: ["Event"],
      branches: [
        { label: "critical", when: { equal: [1, 1] }, steps: ["Incident"] },
        { when: { equal: [1, 2] }, steps: ["Report"] },
        { steps: ["Report"] },
      ],
    },
    { name: "Incident", operator: "transform", data_from: ["How bad?"], task_on_error: ["Report"] },
    { name: "Report", operator: "transform", data_from: ["Incident"] },
  ],
});

describe("edgesOf", () => {
  const edges = edgesOf(triage).map(({ from, to, kind, label }) => [from, to, kind, label]);
  it("joins both ways of writing an edge and forgets what leads nowhere", () => {
    expect(edges.filter(([from]) => from === "Event")).toEqual([["Event", "How bad?", "data", undefined]]);
  });
  it("keeps each branch apart, with its label", () => {
    expect(edges.filter(([, , kind]) => kind === "branch").map(([, to, , label]) => [to, label])).toEqual([
      ["Incident", "critical"],
      ["Report", "branch 2"],
      ["Report", "else"],
    ]);
  });
  it("shows a failure's way instead of the data's", () => {
    expect(edges.filter(([from]) => from === "Incident")).toEqual([
      ["Incident", "Report", "error", "on error"],
    ]);
  });
});

describe("readDocument", () => {
  it("takes anything and keeps unknown keys", () => {
    expect(readDocument(null).steps).toEqual([]);
    expect(readDocument({ steps: [1, null, { odd: true }], other: 1 })).toEqual({
      steps: [{ odd: true, name: "step 1" }],
      other: 1,
    });
  });
});

it("finds circles before they are closed", () => {
  expect(closesCircle(triage, "Report", "Event")).toBe(true);
  expect(closesCircle(triage, "Event", "Report")).toBe(false);
  expect(closesCircle(triage, "Event", "Event")).toBe(true);
});

describe("layout", () => {
  it("puts each step after those before it, in either direction", () => {
    for (const [direction, axis] of [
      ["LR", "x"],
      ["TB", "y"],
    ] as const) {
      const at = arrange(triage, direction);
      for (const edge of edgesOf(triage))
        expect(at[edge.to]?.[axis]).toBeGreaterThan(at[edge.from]?.[axis] ?? Infinity);
    }
  });
  it("keeps what a person placed and puts what is new beneath", () => {
    const layout = { positions: { Event: { x: 5, y: 7 } } };
    const positions = positionsOf({ ...triage, layout });
    expect(positions.Event).toEqual({ x: 5, y: 7 });
    expect(positions.Report?.y).toBeGreaterThan(7);
  });
  it("is computed once for all documents of one structure", () => {
    const told = { ...triage, steps: triage.steps.map((step) => ({ ...step, template: "other" })) };
    expect(arrange(told, "LR")).toBe(arrange(triage, "LR"));
    expect(positionsOf(told)).toBe(positionsOf(triage));
    expect(arrange({ ...triage, steps: triage.steps.slice(1) }, "LR")).not.toBe(arrange(triage, "LR"));
  });
});
