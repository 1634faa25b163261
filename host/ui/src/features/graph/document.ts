// What an application's document says, as a graph. Pure: nothing here knows the page.

/** A branch of a condition. */
export interface Branch {
  label?: string;
  when?: unknown;
  steps?: string[];
}

/** An entry of `steps`. Keys that are not listed are the step's parameters. */
export interface StepEntry {
  name: string;
  file?: string;
  syncpack?: string;
  operator?: string;
  output_to?: string[];
  data_from?: string[];
  branches?: Branch[];
  task_on_error?: string | string[] | null;
  [key: string]: unknown;
}

/** An application variable. */
export interface Variable {
  name: string;
  description?: string;
  value?: unknown;
  default_value?: unknown;
  sample_value?: unknown;
  required?: boolean;
  param_type?: string;
  [key: string]: unknown;
}

export interface Position {
  x: number;
  y: number;
}

/** From left to right, or from top to bottom. */
export type Direction = "LR" | "TB";

/** Where the builder put the steps; the service keeps it and knows nothing of it. */
export interface Layout {
  direction?: Direction;
  positions?: Record<string, Position>;
}

/** An application. Keys that are not listed are kept. */
export interface ApplicationDoc {
  name?: string;
  friendly_name?: string;
  description?: string;
  author?: string;
  version?: string;
  configuration?: string | null;
  queue?: string | null;
  steps: StepEntry[];
  app_variables?: Variable[];
  layout?: Layout;
  [key: string]: unknown;
}

/** `data`: the second runs after the first and may read it; `branch`: if a branch is chosen; `error`: if it fails. */
export type EdgeKind = "data" | "branch" | "error";

export interface GraphEdge {
  id: string;
  from: string;
  to: string;
  kind: EdgeKind;
  /** The branch's label. */
  label?: string;
  /** Which branch of the condition it is of. */
  branch?: number;
}

const list = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((each): each is string => typeof each === "string") : [];

/** A document as the builder and the views read it, whatever was stored. */
export function readDocument(value: unknown): ApplicationDoc {
  const document = (value ?? {}) as Record<string, unknown>;
  const steps = Array.isArray(document.steps) ? document.steps : [];
  return {
    ...document,
    steps: steps
      .filter((step): step is Record<string, unknown> => typeof step === "object" && step !== null)
      .map((step, index) => ({
        ...step,
        name: typeof step.name === "string" ? step.name : `step ${index + 1}`,
      })),
  };
}

/**
 * The edges between steps that there are. `output_to` of one and `data_from` of the other are the
 * same edge. Names that lead nowhere make none: the validation tells of them.
 */
export function edgesOf(document: ApplicationDoc): GraphEdge[] {
  const names = new Set(document.steps.map((step) => step.name));
  const edges = new Map<string, GraphEdge>();
  const add = (from: string, to: string, kind: EdgeKind, label?: string, branch?: number) => {
    if (!names.has(from) || !names.has(to)) return;
    const id = JSON.stringify(branch === undefined ? [from, to, kind] : [from, to, kind, branch]);
    if (!edges.has(id)) {
      edges.set(id, {
        id,
        from,
        to,
        kind,
        ...(label === undefined ? {} : { label }),
        ...(branch === undefined ? {} : { branch }),
      });
    }
  };
  for (const step of document.steps) {
    for (const to of list(step.output_to)) add(step.name, to, "data");
    for (const from of list(step.data_from)) add(from, step.name, "data");
    (Array.isArray(step.branches) ? step.branches : []).forEach((branch, index) => {
      for (const to of list(branch.steps))
        add(
          step.name,
          to,
          "branch",
          branch.label ?? (branch.when === undefined ? "else" : `branch ${index + 1}`),
          index,
        );
    });
    for (const to of list(step.task_on_error)) add(step.name, to, "error", "on error");
  }
  // A condition's data is read besides by what its branches lead to: one line is enough.
  const stronger = new Set(
    [...edges.values()]
      .filter((edge) => edge.kind !== "data")
      .map((edge) => JSON.stringify([edge.from, edge.to])),
  );
  return [...edges.values()].filter(
    (edge) => edge.kind !== "data" || !stronger.has(JSON.stringify([edge.from, edge.to])),
  );
}

/** The steps that would close a circle if `from` led to `to`. */
export function closesCircle(document: ApplicationDoc, from: string, to: string): boolean {
  if (from === to) return true;
  const next = new Map<string, string[]>();
  for (const edge of edgesOf(document)) next.set(edge.from, [...(next.get(edge.from) ?? []), edge.to]);
  const seen = new Set<string>();
  const open = [to];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (name === from) return true;
    if (seen.has(name)) continue;
    seen.add(name);
    open.push(...(next.get(name) ?? []));
  }
  return false;
}

/** What a step is, in a word or two. */
export function kindOf(step: StepEntry): string {
  const names: Record<string, string> = {
    condition: "Condition",
    transform: "Transform",
    delay: "Delay",
    approval: "Approval",
    webhook: "Wait for webhook",
    wait_for_webhook: "Wait for webhook",
  };
  if (step.operator) return names[step.operator] ?? step.operator;
  if (step.file === "TriggerApplication") return "Trigger application";
  return step.file ?? "Step";
}
