import { Button, Group, SegmentedControl, Select, Stack, Text, Title } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { api, data } from "@/api/client";
import { useMay } from "@/api/session";
import { edgesOf, type StepEntry } from "@/features/graph/document";
import { look } from "@/lib/states";
import { exact, useZone } from "@/lib/time";
import { CodeEditor } from "@/ui/CodeEditor";
import { JsonView } from "@/ui/JsonView";
import { ProblemAlert } from "@/ui/states";
import { useRecentRuns } from "./lastRun";
import { useBuilder } from "./store";

/** What an operator makes of a past run's data, or of what one types: as one types. */
export function Preview({ step }: { step: StepEntry }) {
  const name = useBuilder((state) => state.name);
  const document = useBuilder((state) => state.document);
  const { may, why } = useMay("developer");
  const utc = useZone((zone) => zone.utc);
  const recent = useRecentRuns(name);
  const [source, setSource] = useState<"run" | "typed">("run");
  const [run, setRun] = useState<string | null>(null);
  const leading = edgesOf(document)
    .filter((edge) => edge.to === step.name)
    .map((edge) => edge.from);
  // A reference hands over data as well.
  const own = JSON.stringify(step);
  const named = document.steps
    .map((each) => each.name)
    .filter(
      (each) =>
        each !== step.name &&
        [".", "}", "["].some((after) => own.includes(JSON.stringify(`\${${each}${after}`).slice(1, -1))),
    );
  const connected = [...new Set([...leading, ...named])];
  const [typed, setTyped] = useState<string | null>(null);
  const newest = run ?? recent.data?.items[0]?.task_id ?? null;
  const from = source === "run" && newest ? "run" : "typed";
  const text =
    typed ??
    JSON.stringify(
      Object.fromEntries((connected.length > 0 ? connected : ["input"]).map((each) => [each, {}])),
      null,
      2,
    );
  const [asked] = useDebouncedValue(JSON.stringify({ step, from, newest, text }), 300);
  const made = useQuery({
    queryKey: ["preview", asked],
    enabled: may,
    retry: false,
    placeholderData: keepPreviousData,
    queryFn: () => {
      const now = JSON.parse(asked) as { step: StepEntry; from: string; newest: string; text: string };
      // What leads to it is the document's affair where its own entry does not say so.
      const operator = { ...now.step, data_from: connected.length > 0 ? connected : now.step.data_from };
      const input =
        now.from === "run" ? { run: now.newest } : { data: JSON.parse(now.text) as Record<string, unknown> };
      return data(
        api.POST("/api/v1/operators/preview", {
          body: {
            operator,
            ...input,
            ...(document.configuration ? { configuration: document.configuration } : {}),
          } as never,
        }),
      );
    },
  });
  const condition = step.operator === "condition";
  return (
    <section aria-label="Preview">
      <Group justify="space-between" mb={4} mt="sm">
        <Title order={3}>Preview</Title>
        <SegmentedControl
          aria-label="Input data"
          value={from}
          onChange={(value) => setSource(value)}
          data={[
            { value: "run", label: "Past run", disabled: !newest },
            { value: "typed", label: "Typed" },
          ]}
        />
      </Group>
      {why ? (
        <Text fz="xs" c="dimmed">
          {why}
        </Text>
      ) : null}
      <Stack gap="sm">
        {from === "run" ? (
          <Select
            aria-label="Run"
            allowDeselect={false}
            data={(recent.data?.items ?? []).map((each) => ({
              value: each.task_id,
              label: `${exact(each.created_at, utc)} · ${look(each.state).label}`,
            }))}
            value={newest}
            onChange={setRun}
          />
        ) : (
          <CodeEditor
            language="json"
            label="Input data by step"
            value={text}
            onChange={setTyped}
            minHeight="60px"
            maxHeight="200px"
          />
        )}
        {made.error ? <ProblemAlert error={made.error} title="No preview" /> : null}
        {made.data?.error ? (
          <Text fz="sm" c="var(--state-failed-text)" role="status" style={{ overflowWrap: "anywhere" }}>
            {made.data.error.line ? `Line ${made.data.error.line}: ` : ""}
            {made.data.error.message}
          </Text>
        ) : null}
        {made.data && !made.data.error && condition ? (
          <Text fz="sm" role="status">
            Takes {String((made.data.data as { branch?: unknown } | null)?.branch ?? "no branch")}
            {(made.data.next ?? []).length > 0 ? `, leads to ${(made.data.next ?? []).join(", ")}` : ""}.
          </Text>
        ) : null}
        {made.data && !made.data.error && !condition ? (
          <div data-preview>
            <JsonView value={made.data.data} label="the output" maxHeight="240px" />
          </div>
        ) : null}
        {(made.data?.log ?? []).map((line) => (
          <Text key={line} fz="xs" c="dimmed" style={{ overflowWrap: "anywhere" }}>
            {line}
          </Text>
        ))}
        {made.isFetching && !made.data ? (
          <Text fz="xs" c="dimmed">
            Evaluating …
          </Text>
        ) : null}
        {made.error ? (
          <div>
            <Button variant="default" onClick={() => void made.refetch()}>
              Try again
            </Button>
          </div>
        ) : null}
      </Stack>
    </section>
  );
}
