import { useQuery } from "@tanstack/react-query";

import { api, data, request, type Schema } from "@/api/client";
import type { StepEntry } from "@/features/graph/document";

export type StepSummary = Schema<"StepSummary">;

/** A parameter of a step, as its SyncPack describes it. */
export interface Parameter {
  name: string;
  type?: string;
  required?: boolean;
  default?: unknown;
  sample?: unknown;
  description?: string;
  choices?: unknown[];
  secret?: boolean;
}

/** The operators: steps that need no SyncPack. */
export const OPERATORS: { label: string; about: string; entry: StepEntry }[] = [
  {
    label: "Condition",
    about: "Chooses which steps go on.",
    entry: {
      name: "Condition",
      operator: "condition",
      branches: [
        { label: "yes", when: { equal: ["", ""] }, steps: [] },
        { label: "else", steps: [] },
      ],
    },
  },
  {
    label: "Transform",
    about: "Makes data from data with a Jinja template.",
    entry: { name: "Transform", operator: "transform", template: "{{ input | tojson }}" },
  },
  {
    label: "Delay",
    about: "Lets time pass, and holds no worker.",
    entry: { name: "Delay", operator: "delay", seconds: 60 },
  },
  {
    label: "Approval",
    about: "Asks a person.",
    entry: { name: "Approval", operator: "approval", question: "Go on?" },
  },
  {
    label: "Wait for webhook",
    about: "Waits for a message from outside.",
    entry: { name: "Wait for message", operator: "wait_for_webhook", key: "${appvar.key}" },
  },
];

/** All steps that active SyncPacks offer. */
export function useSteps() {
  return useQuery({ queryKey: ["steps"], queryFn: () => data(api.GET("/api/v1/steps")), staleTime: 60_000 });
}

/** A step with its parameters. */
export function useStepType(file: string | undefined, syncpack: string | undefined) {
  const steps = useSteps();
  // What no active SyncPack has is not asked for.
  const known = steps.data?.items.some(
    (step) => step.name === file && (!syncpack || step.syncpack === syncpack),
  );
  const detail = useQuery({
    queryKey: ["step type", file, syncpack],
    enabled: known === true,
    staleTime: 60_000,
    queryFn: () =>
      request<Schema<"StepDetail">>(
        "GET",
        `/api/v1/steps/${encodeURIComponent(file ?? "")}${syncpack ? `?syncpack=${encodeURIComponent(syncpack)}` : ""}`,
      ),
  });
  return { ...detail, unknown: known === false };
}

/** The parameters in a step's descriptor. */
export function parametersOf(detail: Schema<"StepDetail"> | undefined): Parameter[] {
  const { parameters } = (detail?.descriptor ?? {}) as { parameters?: unknown };
  return Array.isArray(parameters) ? (parameters as Parameter[]) : [];
}

/** The entry that a step of a SyncPack begins with. */
export const entryOf = (step: StepSummary): StepEntry => ({
  name: step.friendly_name || step.name,
  file: step.name,
  syncpack: step.syncpack,
});
