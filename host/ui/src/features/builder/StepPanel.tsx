import { ActionIcon, Alert, Button, Group, MultiSelect, Stack, Tabs, Text, TextInput } from "@mantine/core";
import { FlaskConical, TriangleAlert, X } from "lucide-react";
import { useState } from "react";

import { request, type Schema } from "@/api/client";
import { edgesOf, kindOf, type StepEntry } from "@/features/graph/document";
import { CodeEditor } from "@/ui/CodeEditor";
import { JsonView } from "@/ui/JsonView";
import { MayButton } from "@/ui/MayButton";
import { StateBadge } from "@/ui/StateBadge";
import { ProblemAlert } from "@/ui/states";
import { Advanced } from "./Advanced";
import classes from "./builder.module.css";
import { connect, disconnect, renameStep, setStep } from "./edit";
import { ConditionForm, TransformForm, WaitForm } from "./Operators";
import { ParamForm } from "./ParamForm";
import { useBuilder } from "./store";

/** All about one step: its form, what leads to it, its policies, its JSON. */
export function StepPanel({ step, faults }: { step: StepEntry; faults: string[] }) {
  const document = useBuilder((state) => state.document);
  const { change, select } = useBuilder((state) => state);
  const set = (edit: (old: StepEntry) => StepEntry, kind = "") =>
    change(setStep(document, step.name, edit), kind && `${step.name} ${kind}`);
  const before = edgesOf(document)
    .filter((edge) => edge.to === step.name && edge.kind === "data")
    .map((edge) => edge.from);
  const others = document.steps.map((each) => each.name).filter((each) => each !== step.name);
  const follow = (names: string[]) => {
    let next = document;
    for (const edge of edgesOf(document))
      if (edge.to === step.name && edge.kind === "data" && !names.includes(edge.from))
        next = disconnect(next, edge);
    for (const name of names)
      if (!before.includes(name)) next = connect(next, name, step.name, { kind: "data" });
    change(next);
  };
  return (
    <aside className={classes.panel} aria-label={`Step ${step.name}`}>
      <Group justify="space-between" wrap="nowrap" mb="xs">
        <Text fz="xs" c="dimmed">
          {kindOf(step)}
          {step.syncpack ? ` of ${step.syncpack}` : ""}
        </Text>
        <ActionIcon aria-label="Close the step" onClick={() => select(null)}>
          <X size={15} />
        </ActionIcon>
      </Group>
      <Stack gap="sm">
        <Name
          key={step.name}
          step={step}
          rename={(name) => {
            change(renameStep(document, step.name, name));
            select(name);
          }}
          taken={others}
        />
        {faults.length > 0 ? (
          <Alert color="red" variant="light" icon={<TriangleAlert size={15} />} py={6}>
            {faults.map((fault) => (
              <Text key={fault} fz="xs" style={{ overflowWrap: "anywhere" }}>
                {fault}
              </Text>
            ))}
          </Alert>
        ) : null}
        <Tabs defaultValue="form">
          <Tabs.List mb="sm">
            <Tabs.Tab value="form">Settings</Tabs.Tab>
            <Tabs.Tab value="advanced">Advanced</Tabs.Tab>
            <Tabs.Tab value="json">JSON</Tabs.Tab>
            {step.file ? <Tabs.Tab value="test">Test</Tabs.Tab> : null}
          </Tabs.List>
          <Tabs.Panel value="form">
            <Stack gap="sm">
              <MultiSelect
                label="Runs after, and reads"
                searchable
                placeholder={before.length > 0 ? "" : "nothing: it begins"}
                data={others}
                value={before}
                onChange={follow}
              />
              {step.operator === "condition" ? (
                <ConditionForm step={step} set={set} />
              ) : step.operator === "transform" ? (
                <TransformForm step={step} set={set} />
              ) : step.operator ? (
                <WaitForm step={step} set={set} />
              ) : (
                <ParamForm step={step} set={set} />
              )}
            </Stack>
          </Tabs.Panel>
          <Tabs.Panel value="advanced">
            <Advanced step={step} set={set} />
          </Tabs.Panel>
          <Tabs.Panel value="json">
            <Json key={step.name} step={step} set={set} />
          </Tabs.Panel>
          <Tabs.Panel value="test">
            <Test step={step} />
          </Tabs.Panel>
        </Tabs>
      </Stack>
    </aside>
  );
}

function Name({ step, rename, taken }: { step: StepEntry; rename: (name: string) => void; taken: string[] }) {
  const [name, setName] = useState(step.name);
  const fault = !name.trim()
    ? "It needs a name."
    : taken.includes(name.trim())
      ? "Another step has this name."
      : null;
  const done = () => {
    if (!fault && name.trim() !== step.name) rename(name.trim());
  };
  return (
    <TextInput
      label="Name"
      value={name}
      error={fault}
      description={name.trim() !== step.name && !fault ? "References to its data follow." : undefined}
      onChange={(event) => setName(event.currentTarget.value)}
      onBlur={done}
      onKeyDown={(event) => {
        if (event.key === "Enter") done();
      }}
    />
  );
}

/** The entry as JSON; takes effect as soon as it reads as an object. */
function Json({
  step,
  set,
}: {
  step: StepEntry;
  set: (edit: (old: StepEntry) => StepEntry, kind?: string) => void;
}) {
  const [text, setText] = useState(() => JSON.stringify(step, null, 2));
  const [fault, setFault] = useState<string | null>(null);
  const edit = (next: string) => {
    setText(next);
    try {
      const entry = JSON.parse(next) as unknown;
      if (typeof entry !== "object" || entry === null || Array.isArray(entry))
        throw new Error("This is no object.");
      setFault(null);
      // The name is changed above, so that references follow.
      set(() => ({ ...(entry as StepEntry), name: step.name }), "json");
    } catch (error) {
      setFault((error as Error).message);
    }
  };
  return (
    <Stack gap="xs">
      <CodeEditor language="json" label="Entry of the step" value={text} onChange={edit} minHeight="240px" />
      {fault ? (
        <Text fz="xs" c="var(--state-failed-text)" role="status">
          {fault}
        </Text>
      ) : null}
    </Stack>
  );
}

/** Executes the one step on test data, in a run of its own. */
function Test({ step }: { step: StepEntry }) {
  const plain = Object.fromEntries(
    Object.entries(step).filter(
      ([key, value]) =>
        !["name", "file", "syncpack", "operator", "output_to", "data_from"].includes(key) &&
        !key.startsWith("task_") &&
        !JSON.stringify(value).includes("${"),
    ),
  );
  const [text, setText] = useState(() => JSON.stringify(plain, null, 2));
  const [result, setResult] = useState<Schema<"RunWithSteps"> | null>(null);
  const [output, setOutput] = useState<unknown>(null);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const run = async () => {
    setBusy(true);
    setError(null);
    setResult(null);
    try {
      const done = await request<Schema<"RunWithSteps">>("POST", "/api/v1/steps/run?wait=30", {
        name: step.file,
        syncpack: step.syncpack,
        params: JSON.parse(text) as unknown,
      });
      setResult(done);
      const made = await request<Schema<"TaskData">>("GET", done.data);
      setOutput(Object.values(made.outputs)[0]);
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
    }
  };
  const failed = result?.steps[0]?.error as { message?: string } | null | undefined;
  return (
    <Stack gap="sm">
      <Text fz="xs" c="dimmed">
        Executes this step alone, for real, with these parameters.
      </Text>
      <CodeEditor language="json" label="Test parameters" value={text} onChange={setText} minHeight="100px" />
      <div>
        <MayButton
          needs="execute"
          loading={busy}
          leftSection={<FlaskConical size={14} aria-hidden />}
          onClick={() => void run()}
        >
          Execute the step
        </MayButton>
      </div>
      {error ? <ProblemAlert error={error} title="Not executed" /> : null}
      {result ? (
        <Group role="status" gap="sm">
          <StateBadge state={result.state} />
          <Button
            component="a"
            variant="default"
            size="compact-xs"
            href={`/runs?id=${result.task_id}`}
            target="_blank"
          >
            The run
          </Button>
        </Group>
      ) : null}
      {failed?.message ? (
        <Text fz="xs" c="var(--state-failed-text)" style={{ overflowWrap: "anywhere" }}>
          {failed.message}
        </Text>
      ) : null}
      {output !== null && output !== undefined ? <JsonView value={output} label="what it made" /> : null}
    </Stack>
  );
}
