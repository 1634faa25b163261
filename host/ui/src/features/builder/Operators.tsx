import {
  ActionIcon,
  Button,
  Group,
  Input,
  MultiSelect,
  NumberInput,
  SegmentedControl,
  Select,
  Stack,
  TagsInput,
  Text,
  TextInput,
  Textarea,
} from "@mantine/core";
import { ArrowDown, ArrowUp, Plus, Trash2 } from "lucide-react";

import type { Branch, StepEntry } from "@/features/graph/document";
import { CodeEditor } from "@/ui/CodeEditor";
import classes from "./builder.module.css";
import { completion, references } from "./complete";
import { setKey } from "./edit";
import { useConfigNames, useOutputs } from "./lastRun";
import { Preview } from "./Preview";
import { useBuilder } from "./store";
import { WhenEditor } from "./When";

interface Props {
  step: StepEntry;
  set: (change: (step: StepEntry) => StepEntry, kind?: string) => void;
}

/** What references can name here. */
function useKnown(step: StepEntry) {
  const document = useBuilder((state) => state.document);
  const name = useBuilder((state) => state.name);
  const { outputs } = useOutputs(name, null);
  const config = useConfigNames(document.configuration);
  return {
    known: references(document, step.name, config, outputs),
    outputs,
    others: document.steps.map((each) => each.name).filter((each) => each !== step.name),
  };
}

/** The wizard of a condition: if, else-if, else, each with where it leads. */
export function ConditionForm({ step, set }: Props) {
  const { known, others } = useKnown(step);
  const branches = Array.isArray(step.branches) ? step.branches : [];
  const put = (next: Branch[], kind?: string) => set((old) => ({ ...old, branches: next }), kind);
  const edit = (index: number, part: Partial<Branch>, kind: string) =>
    put(
      branches.map((branch, at) => (at === index ? { ...branch, ...part } : branch)),
      `${kind} ${index}`,
    );
  const elseAt = branches.findIndex((branch) => branch.when === undefined);
  const move = (index: number, by: number) => {
    const next = [...branches];
    const [taken] = next.splice(index, 1);
    if (taken) next.splice(index + by, 0, taken);
    put(next);
  };
  return (
    <Stack gap="sm">
      <Text fz="xs" c="dimmed">
        The first that holds is taken. A text such as {"${Step.path}"} is a reference and keeps its type.
      </Text>
      {branches.map((branch, index) => {
        const isElse = branch.when === undefined;
        const word = isElse ? "Else" : index === 0 ? "If" : "Else if";
        return (
          <section key={index} className={classes.branch} aria-label={`${word} ${branch.label ?? ""}`}>
            <Group justify="space-between" mb={6} wrap="nowrap">
              <Text fz="sm" fw={600}>
                {word}
              </Text>
              <Group gap={2} wrap="nowrap">
                {isElse ? null : (
                  <>
                    <ActionIcon
                      aria-label={`Move branch ${index + 1} up`}
                      disabled={index === 0}
                      onClick={() => move(index, -1)}
                    >
                      <ArrowUp size={14} />
                    </ActionIcon>
                    <ActionIcon
                      aria-label={`Move branch ${index + 1} down`}
                      disabled={index >= branches.length - (elseAt >= 0 ? 2 : 1)}
                      onClick={() => move(index, 1)}
                    >
                      <ArrowDown size={14} />
                    </ActionIcon>
                  </>
                )}
                <ActionIcon
                  aria-label={`Remove branch ${index + 1}`}
                  onClick={() => put(branches.toSpliced(index, 1))}
                >
                  <Trash2 size={14} />
                </ActionIcon>
              </Group>
            </Group>
            <Stack gap="xs">
              {isElse ? null : (
                <WhenEditor
                  value={branch.when}
                  known={known}
                  label={`Branch ${index + 1}`}
                  change={(when) => edit(index, { when }, "when")}
                />
              )}
              <TextInput
                label="Label"
                value={branch.label ?? ""}
                onChange={(event) => edit(index, { label: event.currentTarget.value }, "label")}
              />
              <MultiSelect
                label="Leads to"
                searchable
                placeholder={(branch.steps ?? []).length > 0 ? "" : "no step"}
                data={others}
                value={branch.steps ?? []}
                onChange={(steps) => edit(index, { steps }, "steps")}
              />
            </Stack>
          </section>
        );
      })}
      <Group gap="xs">
        <Button
          variant="default"
          leftSection={<Plus size={13} aria-hidden />}
          onClick={() =>
            put(
              elseAt < 0
                ? [
                    ...branches,
                    { label: `branch ${branches.length + 1}`, when: { equal: ["", ""] }, steps: [] },
                  ]
                : branches.toSpliced(elseAt, 0, {
                    label: `branch ${branches.length + 1}`,
                    when: { equal: ["", ""] },
                    steps: [],
                  }),
            )
          }
        >
          Else if
        </Button>
        {elseAt < 0 ? (
          <Button
            variant="default"
            leftSection={<Plus size={13} aria-hidden />}
            onClick={() => put([...branches, { label: "else", steps: [] }])}
          >
            Else
          </Button>
        ) : null}
      </Group>
      <Preview step={step} />
    </Stack>
  );
}

/** The wizard of a transform: the template, and what it makes of real data. */
export function TransformForm({ step, set }: Props) {
  const { known, outputs } = useKnown(step);
  return (
    <Stack gap="sm">
      <Input.Wrapper
        label="Template"
        description="Jinja over the data of the connected steps: by name, or as input."
      >
        <CodeEditor
          language="jinja"
          label="Template"
          value={typeof step.template === "string" ? step.template : ""}
          onChange={(template) => set((old) => ({ ...old, template }), "template")}
          complete={completion(known, outputs, true)}
          minHeight="120px"
          maxHeight="320px"
        />
      </Input.Wrapper>
      <div>
        <Text fz="xs" fw={500} mb={4}>
          Its data is
        </Text>
        <SegmentedControl
          aria-label="Its data is"
          data={[
            { value: "", label: "JSON if it reads so" },
            { value: "json", label: "JSON" },
            { value: "text", label: "text" },
          ]}
          value={typeof step.output === "string" ? step.output : ""}
          onChange={(value) => set((old) => setKey(old, "output", value || undefined))}
        />
      </div>
      <Preview step={step} />
    </Stack>
  );
}

/** The forms of the operators that wait. */
export function WaitForm({ step, set }: Props) {
  const text = (key: string, value: string) =>
    set((old) => setKey(old, key, value === "" ? undefined : value), key);
  const shown = (key: string) =>
    step[key] === undefined || step[key] === null
      ? ""
      : typeof step[key] === "object"
        ? JSON.stringify(step[key])
        : String(step[key]);
  const within = (
    <NumberInput
      label="Within"
      description="Seconds; without it there is no end."
      min={1}
      value={typeof step.within === "number" ? step.within : ""}
      onChange={(value) =>
        set((old) => setKey(old, "within", value === "" ? undefined : Number(value)), "within")
      }
    />
  );
  if (step.operator === "delay") {
    return (
      <TextInput
        label="Seconds"
        description="A number up to a year, or a reference to one."
        value={shown("seconds")}
        onChange={(event) => {
          const value = event.currentTarget.value;
          set(
            (old) => ({
              ...old,
              seconds: value.trim() !== "" && Number.isFinite(Number(value)) ? Number(value) : value,
            }),
            "seconds",
          );
        }}
      />
    );
  }
  if (step.operator === "approval") {
    return (
      <Stack gap="sm">
        <Textarea
          label="Question"
          autosize
          minRows={2}
          value={shown("question")}
          onChange={(event) => text("question", event.currentTarget.value)}
        />
        <TagsInput
          label="Who may decide"
          description="Users; whoever may execute applications where there is none."
          value={Array.isArray(step.approvers) ? step.approvers.map(String) : []}
          onChange={(value) => set((old) => setKey(old, "approvers", value.length > 0 ? value : undefined))}
        />
        {within}
        <Select
          label="When the time is over"
          clearable
          placeholder="fail"
          data={["fail", "approve", "reject"]}
          value={shown("on_timeout") || null}
          onChange={(value) => text("on_timeout", value ?? "")}
        />
      </Stack>
    );
  }
  return (
    <Stack gap="sm">
      <TextInput
        label="Key"
        description="Messages are sent under it."
        value={shown("key")}
        onChange={(event) => text("key", event.currentTarget.value)}
      />
      {within}
      <Select
        label="When the time is over"
        clearable
        placeholder="fail"
        data={["fail", "continue"]}
        value={shown("on_timeout") || null}
        onChange={(value) => text("on_timeout", value ?? "")}
      />
    </Stack>
  );
}
