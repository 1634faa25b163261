import { describe, expect, it } from "vitest";

import { edgesOf, type ApplicationDoc } from "@/features/graph/document";
import {
  addStep,
  connect,
  copied,
  disconnect,
  insertStep,
  ordered,
  pasted,
  removeSteps,
  renameStep,
} from "./edit";

const base: ApplicationDoc = {
  name: "x",
  other: { kept: true },
  steps: [
    { name: "a", file: "A", output_to: ["c"] },
    {
      name: "c",
      operator: "condition",
      branches: [
        { label: "yes", when: { equal: ["${a.x}", 1] }, steps: ["b"] },
        { label: "else", steps: [] },
      ],
    },
    { name: "b", file: "B", data_from: ["a"], text: "${a.x} ${ab.x} ${a}", template: '{{ steps["a"].x }}' },
  ],
};
const ways = (document: ApplicationDoc) =>
  edgesOf(document)
    .map((edge) => `${edge.from}-${edge.kind}-${edge.to}`)
    .sort();

describe("renameStep", () => {
  const renamed = renameStep(base, "a", "new $& name");
  it("takes edges and references along, and nothing that only begins like it", () => {
    expect(renamed.steps[2]).toMatchObject({
      data_from: ["new $& name"],
      text: "${new $& name.x} ${ab.x} ${new $& name}",
      template: '{{ steps["new $& name"].x }}',
    });
    expect(renamed.steps[1]?.branches?.[0]?.when).toEqual({ equal: ["${new $& name.x}", 1] });
    expect(ways(renamed)).toHaveLength(ways(base).length);
    expect(renamed.other).toEqual({ kept: true });
  });
  it("is taken back by renaming again", () => expect(renameStep(renamed, "new $& name", "a")).toEqual(base));
});

it("removes a step with all that leads to it", () => {
  const left = removeSteps(base, ["b", "a"]);
  expect(ways(left)).toEqual([]);
  expect(left.steps).toEqual([
    {
      name: "c",
      operator: "condition",
      branches: [
        { label: "yes", when: { equal: ["${a.x}", 1] }, steps: [] },
        { label: "else", steps: [] },
      ],
    },
  ]);
});

it("cuts an edge however it is written", () => {
  for (const edge of edgesOf(base))
    expect(ways(disconnect(base, edge))).not.toContain(`${edge.from}-${edge.kind}-${edge.to}`);
  expect(disconnect(base, edgesOf(base)[0]!).steps[0]).toEqual({ name: "a", file: "A" });
});

it("connects in each way, once", () => {
  const twice = connect(connect(base, "a", "c", { kind: "data" }), "b", "c", { kind: "error" });
  expect(ways(twice)).toEqual([...ways(base), "b-error-c"].sort());
  const branch = connect(base, "c", "a", { kind: "new branch" }).steps[1]?.branches;
  expect(branch?.map((each) => each.label)).toEqual(["yes", "branch 3", "else"]);
});

it("adds behind a condition on a free branch, and into an edge", () => {
  const { document, name } = addStep(base, { name: "b", file: "B" }, "c");
  expect(name).toBe("b 2");
  expect(document.steps[1]?.branches?.[1]?.steps).toEqual(["b 2"]);
  const edge = edgesOf(base).find((each) => each.kind === "branch")!;
  const inserted = insertStep(base, { name: "m", operator: "transform" }, edge).document;
  expect(ways(inserted)).toContain("c-branch-m");
  expect(ways(inserted)).toContain("m-data-b");
  expect(ways(inserted)).not.toContain("c-branch-b");
});

it("copies steps with the edges among them, and pastes them under free names", () => {
  const { document, names } = pasted(base, copied(base, ["a", "c"]));
  expect(names).toEqual(["a 2", "c 2"]);
  expect(ways(document)).toEqual([...ways(base), "a 2-data-c 2"].sort());
  expect(document.steps[4]?.branches?.[0]?.when).toEqual({ equal: ["${a 2.x}", 1] });
  expect(() => pasted(base, "[1]")).toThrow("no steps");
});

it("orders by what follows what", () =>
  expect(ordered(base).map((step) => step.name)).toEqual(["a", "c", "b"]));
