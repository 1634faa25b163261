import { NavLink, Stack, Text, Title } from "@mantine/core";

import { useParams } from "@/lib/search";
import { JsonView } from "@/ui/JsonView";
import { Loading, ProblemAlert } from "@/ui/states";
import { useData, type Run } from "./api";

/** What a run was given, and what each step made of it. */
export function DataTab({ run, selected }: { run: Run; selected: string | null }) {
  const [, setParams] = useParams();
  const { data, error, refetch } = useData(run.task_id, run.ended);
  if (error && !data)
    return (
      <Stack p="lg">
        <ProblemAlert error={error} retry={() => void refetch()} />
      </Stack>
    );
  if (!data)
    return (
      <Stack p="lg">
        <Loading />
      </Stack>
    );
  const outputs = data.outputs as Record<string, unknown>;
  const value = selected ? outputs[selected] : data.input;
  return (
    <div style={{ display: "flex", flexWrap: "wrap", minHeight: "100%" }}>
      <nav aria-label="Data of" style={{ width: 220, borderRight: "1px solid var(--line)", padding: 8 }}>
        <NavLink
          component="button"
          type="button"
          label="Input"
          description="parameters of the run"
          active={!selected}
          aria-current={!selected || undefined}
          onClick={() => setParams({ step: undefined })}
        />
        {run.steps.map((step) => (
          <NavLink
            key={step.name}
            component="button"
            type="button"
            label={step.name}
            description={
              outputs[step.name] === null || outputs[step.name] === undefined ? "no data" : undefined
            }
            active={selected === step.name}
            aria-current={selected === step.name || undefined}
            onClick={() => setParams({ step: step.name })}
          />
        ))}
      </nav>
      <Stack p="md" gap="sm" style={{ flex: 1, minWidth: 300 }}>
        <Title order={2}>{selected ?? "Input"}</Title>
        {value === undefined || value === null ? (
          <Text c="dimmed" fz="sm">
            {run.ended ? "There is no data." : "There is no data yet."}
          </Text>
        ) : (
          <JsonView
            key={selected ?? ""}
            value={value}
            label={selected ? `the data of ${selected}` : "the input"}
          />
        )}
      </Stack>
    </div>
  );
}
