import { expect, it } from "vitest";

import { readDocument } from "./document";
import { linesOf, nodesOf } from "./flow";
import { steady } from "./steady";

const document = readDocument({
  steps: Array.from({ length: 20 }, (_, index) => ({
    name: `s${index}`,
    operator: "transform",
    data_from: index ? [`s${index - 1}`] : [],
  })),
});
const changed = <T>(before: T[], after: T[]) => after.filter((each, index) => each !== before[index]).length;

it("makes no node or edge anew that says the same", () => {
  const nodes = steady<ReturnType<typeof nodesOf>[number]>();
  const edges = steady<ReturnType<typeof linesOf>[number]>();
  const overlay = () => Object.fromEntries(document.steps.map((step) => [step.name, state("success")]));
  const before = nodes(nodesOf(document, { overlay: overlay() }));
  const lines = edges(linesOf(document, { overlay: overlay() }));
  expect(nodes(nodesOf(structuredClone(document), { overlay: overlay() }))).toBe(before);
  expect(edges(linesOf(structuredClone(document), { overlay: overlay() }))).toBe(lines);
});

it("makes just those anew that changed", () => {
  const nodes = steady<ReturnType<typeof nodesOf>[number]>();
  const before = nodes(nodesOf(document, { selected: "s1" }));
  expect(changed(before, nodes(nodesOf(document, { selected: "s2" })))).toBe(2);
  const faults = nodes(nodesOf(document, { selected: "s2" }));
  expect(changed(faults, nodes(nodesOf(document, { selected: "s2", faults: { s7: 1 } })))).toBe(1);
});

it("follows what comes and goes", () => {
  const keep = steady<{ id: string; at: number }>();
  keep([
    { id: "a", at: 1 },
    { id: "b", at: 2 },
  ]);
  expect(keep([{ id: "b", at: 2 }])).toEqual([{ id: "b", at: 2 }]);
  expect(
    keep([
      { id: "c", at: 3 },
      { id: "b", at: 5 },
    ]),
  ).toEqual([
    { id: "c", at: 3 },
    { id: "b", at: 5 },
  ]);
});

function state(name: string) {
  return { state: name, took: 1, attempts: 1, waits: null, reused: false };
}
