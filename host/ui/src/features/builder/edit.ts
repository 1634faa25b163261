// Changes to an application's document. Pure: each answers a new document.
import {
  edgesOf,
  type ApplicationDoc,
  type GraphEdge,
  type Position,
  type StepEntry,
} from "@/features/graph/document";
import { directionOf, positionsOf } from "@/features/graph/layout";

const texts = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((each): each is string => typeof each === "string") : [];
const without = (value: unknown, name: string): string[] => texts(value).filter((each) => each !== name);

/** How one step is led to from another. */
export type Way =
  { kind: "data" } | { kind: "error" } | { kind: "branch"; branch: number } | { kind: "new branch" };

/** A name that no step has yet. */
export function uniqueName(document: ApplicationDoc, wanted: string): string {
  const names = new Set(document.steps.map((step) => step.name));
  if (!names.has(wanted)) return wanted;
  for (let number = 2; ; number++) if (!names.has(`${wanted} ${number}`)) return `${wanted} ${number}`;
}

/** Changes one entry. */
export function setStep(
  document: ApplicationDoc,
  name: string,
  change: (step: StepEntry) => StepEntry,
): ApplicationDoc {
  return { ...document, steps: document.steps.map((step) => (step.name === name ? change(step) : step)) };
}

/** Sets or, for `undefined`, takes away a key of an entry. */
export function setKey(step: StepEntry, key: string, value: unknown): StepEntry {
  const next = { ...step, [key]: value };

  if (value === undefined) delete next[key];
  return next;
}

/** Leads from one step to another. */
export function connect(document: ApplicationDoc, from: string, to: string, way: Way): ApplicationDoc {
  switch (way.kind) {
    case "data":
      if (edgesOf(document).some((edge) => edge.from === from && edge.to === to && edge.kind === "data"))
        return document;
      return setStep(document, to, (step) => ({ ...step, data_from: [...texts(step.data_from), from] }));
    case "error":
      return setStep(document, from, (step) => ({
        ...step,
        task_on_error: [...without(step.task_on_error, to), to],
      }));
    case "branch":
      return setStep(document, from, (step) => ({
        ...step,
        branches: (step.branches ?? []).map((branch, index) =>
          index === way.branch ? { ...branch, steps: [...without(branch.steps, to), to] } : branch,
        ),
      }));
    case "new branch":
      return setStep(document, from, (step) => {
        const branches = step.branches ?? [];
        // The else stands last.
        const at = branches.findIndex((branch) => branch.when === undefined);
        const made = { label: `branch ${branches.length + 1}`, when: { equal: ["", ""] }, steps: [to] };
        return { ...step, branches: at < 0 ? [...branches, made] : branches.toSpliced(at, 0, made) };
      });
  }
}

/** Takes an edge away, however it is written. */
export function disconnect(document: ApplicationDoc, edge: GraphEdge): ApplicationDoc {
  const cut = (step: StepEntry, key: "output_to" | "data_from", name: string) =>
    texts(step[key]).includes(name)
      ? setKey(step, key, without(step[key], name).length > 0 ? without(step[key], name) : undefined)
      : step;
  if (edge.kind === "data") {
    const once = setStep(document, edge.from, (step) => cut(step, "output_to", edge.to));
    return setStep(once, edge.to, (step) => cut(step, "data_from", edge.from));
  }
  if (edge.kind === "error") {
    return setStep(document, edge.from, (step) => {
      const left = without(step.task_on_error, edge.to);
      return setKey(step, "task_on_error", left.length > 0 ? left : undefined);
    });
  }
  return setStep(document, edge.from, (step) => ({
    ...step,
    branches: (step.branches ?? []).map((branch, index) =>
      index === edge.branch ? { ...branch, steps: without(branch.steps, edge.to) } : branch,
    ),
  }));
}

/** Adds a step; behind `after` where that is given. */
export function addStep(
  document: ApplicationDoc,
  entry: StepEntry,
  after: string | null,
  position?: Position,
): { document: ApplicationDoc; name: string } {
  const name = uniqueName(document, entry.name);
  const direction = directionOf(document);
  const positions = positionsOf(document);
  const before = after ? positions[after] : undefined;
  const far = direction === "LR" ? { x: 300, y: 0 } : { x: 0, y: 128 };
  let at = position ?? (before ? { x: before.x + far.x, y: before.y + far.y } : { x: 40, y: 40 });
  // Not upon another.
  const taken = () =>
    Object.values(positions).some((other) => Math.abs(other.x - at.x) < 120 && Math.abs(other.y - at.y) < 60);
  while (taken()) at = direction === "LR" ? { x: at.x, y: at.y + 92 } : { x: at.x + 256, y: at.y };
  let next: ApplicationDoc = {
    ...document,
    steps: [...document.steps, { ...entry, name }],
    layout: { ...document.layout, direction, positions: { ...positions, [name]: at } },
  };
  const first = after ? document.steps.find((step) => step.name === after) : undefined;
  if (first?.operator === "condition") {
    const free = (first.branches ?? []).findIndex((branch) => texts(branch.steps).length === 0);
    next = connect(
      next,
      first.name,
      name,
      free >= 0 ? { kind: "branch", branch: free } : { kind: "new branch" },
    );
  } else if (first) next = connect(next, first.name, name, { kind: "data" });
  return { document: next, name };
}

/** Puts a step between the two of an edge. */
export function insertStep(
  document: ApplicationDoc,
  entry: StepEntry,
  edge: GraphEdge,
): { document: ApplicationDoc; name: string } {
  const positions = positionsOf(document);
  const [from, to] = [positions[edge.from], positions[edge.to]];
  const middle =
    from && to ? { x: Math.round((from.x + to.x) / 2), y: Math.round((from.y + to.y) / 2) } : undefined;
  const added = addStep(document, entry, null, middle);
  let next = disconnect(added.document, edge);
  next = connect(
    next,
    edge.from,
    added.name,
    edge.kind === "branch" ? { kind: "branch", branch: edge.branch ?? 0 } : { kind: edge.kind },
  );
  next = connect(
    next,
    added.name,
    edge.to,
    entry.operator === "condition" ? { kind: "branch", branch: 0 } : { kind: "data" },
  );
  return { document: next, name: added.name };
}

/** Takes steps away, with every edge from and to them. */
export function removeSteps(document: ApplicationDoc, names: string[]): ApplicationDoc {
  const gone = new Set(names);
  const drop = (step: StepEntry, key: "output_to" | "data_from" | "task_on_error"): StepEntry => {
    const value = step[key];
    if (!Array.isArray(value) || !texts(value).some((name) => gone.has(name))) return step;
    const left = texts(value).filter((name) => !gone.has(name));
    return setKey(step, key, left.length > 0 ? left : undefined);
  };
  const positions = Object.fromEntries(
    Object.entries(document.layout?.positions ?? {}).filter(([name]) => !gone.has(name)),
  );
  return {
    ...document,
    ...(document.layout ? { layout: { ...document.layout, positions } } : {}),
    steps: document.steps
      .filter((step) => !gone.has(step.name))
      .map((step) => {
        const cut = drop(drop(drop(step, "output_to"), "data_from"), "task_on_error");
        return cut.branches
          ? {
              ...cut,
              branches: cut.branches.map((branch) => ({
                ...branch,
                steps: texts(branch.steps).filter((name) => !gone.has(name)),
              })),
            }
          : cut;
      }),
  };
}

/** Renames a step; edges and references to its data follow. */
export function renameStep(document: ApplicationDoc, old: string, name: string): ApplicationDoc {
  if (old === name || !name.trim()) return document;
  const escaped = old.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const reference = new RegExp(`\\$\\{${escaped}(?=[.}\\[])`, "g");
  const lookup = new RegExp(`steps\\[(["'])${escaped}\\1\\]`, "g");
  const follow = (value: unknown): unknown => {
    if (typeof value === "string")
      return value
        .replace(reference, () => `\${${name}`)
        .replace(lookup, (_, quote: string) => `steps[${quote}${name}${quote}]`);
    if (Array.isArray(value)) return value.map(follow);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, follow(inner)]));
  };
  const swap = (value: unknown) => texts(value).map((each) => (each === old ? name : each));
  const positions = Object.fromEntries(
    Object.entries(document.layout?.positions ?? {}).map(([key, at]) => [key === old ? name : key, at]),
  );
  return {
    ...document,
    ...(document.layout ? { layout: { ...document.layout, positions } } : {}),
    steps: document.steps.map((step) => {
      const next = follow(step) as StepEntry;
      if (step.name === old) next.name = name;
      if (Array.isArray(step.output_to)) next.output_to = swap(step.output_to);
      if (Array.isArray(step.data_from)) next.data_from = swap(step.data_from);
      if (Array.isArray(step.task_on_error)) next.task_on_error = swap(step.task_on_error);
      if (Array.isArray(step.branches))
        next.branches = (next.branches ?? []).map((branch) =>
          branch.steps ? { ...branch, steps: swap(branch.steps) } : branch,
        );
      return next;
    }),
  };
}

/** Steps as they are copied: their entries, with only the edges among them. */
export function copied(document: ApplicationDoc, names: string[]): string {
  const others = document.steps.map((step) => step.name).filter((name) => !names.includes(name));
  return JSON.stringify({ steps: removeSteps(document, others).steps }, null, 2);
}

/** Adds copied steps under names that are free; throws where the text holds none. */
export function pasted(
  document: ApplicationDoc,
  text: string,
): { document: ApplicationDoc; names: string[] } {
  const value = JSON.parse(text) as { steps?: unknown } | unknown[];
  const steps = Array.isArray(value) ? value : value.steps;
  if (
    !Array.isArray(steps) ||
    !steps.every(
      (step): step is StepEntry =>
        typeof step === "object" && step !== null && typeof (step as StepEntry).name === "string",
    )
  ) {
    throw new Error("The clipboard holds no steps.");
  }
  let block: ApplicationDoc = { steps };
  for (const step of steps) {
    let name = uniqueName(document, step.name);
    while (name !== step.name && block.steps.some((each) => each.name === name)) name = `${name} copy`;
    block = renameStep(block, step.name, name);
  }
  return {
    document: { ...document, steps: [...document.steps, ...block.steps] },
    names: block.steps.map((step) => step.name),
  };
}

/** The steps in an order in which each comes after those before it. */
export function ordered(document: ApplicationDoc): StepEntry[] {
  const left = new Map(document.steps.map((step) => [step.name, 0]));
  const edges = edgesOf(document);
  for (const edge of edges) left.set(edge.to, (left.get(edge.to) ?? 0) + 1);
  const byName = new Map(document.steps.map((step) => [step.name, step]));
  const open = document.steps.filter((step) => left.get(step.name) === 0).map((step) => step.name);
  const found: StepEntry[] = [];
  for (let name = open.shift(); name !== undefined; name = open.shift()) {
    const step = byName.get(name);
    if (step) found.push(step);
    for (const edge of edges.filter((each) => each.from === name)) {
      const count = (left.get(edge.to) ?? 0) - 1;
      left.set(edge.to, count);
      if (count === 0) open.push(edge.to);
    }
  }
  return [...found, ...document.steps.filter((step) => !found.includes(step))];
}
