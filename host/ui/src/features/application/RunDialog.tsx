import { Button, Drawer, Group, SegmentedControl, Select, Stack, Text, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";

import { api, data, request, type Schema } from "@/api/client";
import { asProblem } from "@/api/problem";
import { watchRun } from "@/features/notifications/store";
import { runHref } from "@/features/run/api";
import { ProblemAlert } from "@/ui/states";
import { tellProblem } from "@/ui/tell";
import { readField, shownField, ValueField, type FieldType } from "./ValueField";

/** Starts an application; answers the run's id. */
export async function start(name: string, params: Record<string, unknown>): Promise<string> {
  const started = await request<Schema<"Accepted">>("POST", "/api/v1/applications/run", { name, params });
  watchRun(started.task_id, name);
  return started.task_id;
}

/**
 * Starts an application and shows its run. Where parameters are missing, `ask` is called with what
 * the service said.
 */
export function useStart(): (
  name: string,
  params: Record<string, unknown>,
  ask: (problem: unknown) => void,
) => void {
  const navigate = useNavigate();
  return (name, params, ask) => {
    start(name, params)
      .then((id) => navigate({ to: runHref(name, id) as "/" }))
      .catch((error: unknown) => {
        if (asProblem(error).status === 422) ask(error);
        else tellProblem("The application was not started", error);
      });
  };
}

/** What a run can be given: level, configuration object, queue, and a value for each variable. */
export function RunDialog({
  name,
  problem,
  level,
  close,
}: {
  name: string;
  problem?: unknown;
  level?: number;
  close: () => void;
}) {
  const navigate = useNavigate();
  const settings = useQuery({
    queryKey: ["settings", name],
    queryFn: () => data(api.GET("/api/v1/applications/{name}/settings", { params: { path: { name } } })),
  });
  const configurations = useQuery({
    queryKey: ["configurations", "names"],
    queryFn: () => data(api.GET("/api/v1/configurations", { params: { query: { limit: 200 } } })),
  });
  const [loglevel, setLoglevel] = useState(String(level ?? 30));
  const [configuration, setConfiguration] = useState<string | null>(null);
  const [queue, setQueue] = useState("");
  const [values, setValues] = useState<Record<string, string>>({});
  const [extra, setExtra] = useState<{ name: string; text: string }[]>([]);
  const [error, setError] = useState<unknown>(problem ?? null);
  const [busy, setBusy] = useState(false);
  const variables = settings.data?.variables ?? [];
  // Parameters that the service asks for and that no variable stands for.
  const missing = asProblem(error ?? "")
    .faults.map((fault) => fault.at.replace(/^\/?(params\/)?/, ""))
    .filter((at) => /^[\w.-]+$/.test(at) && !variables.some((variable) => variable.name === at));
  const asked = [...new Set(missing)];
  const submit = async () => {
    setBusy(true);
    try {
      const params: Record<string, unknown> = { loglevel: Number(loglevel) };
      if (configuration) params.configuration = configuration;
      if (queue.trim()) params.queue = queue.trim();
      for (const [key, text] of Object.entries(values))
        if (text !== "") params[key] = readField(text, typeOf(variables.find((each) => each.name === key)));
      for (const each of extra) if (each.name.trim()) params[each.name.trim()] = readField(each.text, "any");
      const id = await start(name, params);
      close();
      await navigate({ to: runHref(name, id) as "/" });
    } catch (refused) {
      setError(refused);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Drawer opened onClose={close} title={`Run ${name}`} size="lg">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <Stack gap="md">
          {error ? <ProblemAlert title="Not started yet" error={error} /> : null}
          {settings.error ? (
            <ProblemAlert error={settings.error} retry={() => void settings.refetch()} />
          ) : null}
          {variables.map((variable) => (
            <ValueField
              key={variable.name}
              name={variable.name}
              type={typeOf(variable)}
              secret={variable.secret}
              required={variable.required && variable.value === null && variable.default_value === null}
              description={variable.description ?? undefined}
              placeholder={
                variable.secret
                  ? ""
                  : shownField(variable.value ?? variable.default_value ?? variable.sample_value)
              }
              hint={
                variable.value !== null
                  ? "has a value"
                  : variable.default_value !== null
                    ? "has a default"
                    : variable.sample_value !== null
                      ? `for example ${shownField(variable.sample_value)}`
                      : undefined
              }
              sample={variable.sample_value}
              value={values[variable.name] ?? ""}
              change={(text) => setValues({ ...values, [variable.name]: text })}
            />
          ))}
          {asked.map((each) => (
            <ValueField
              key={each}
              name={each}
              type="any"
              required
              value={values[each] ?? ""}
              change={(text) => setValues({ ...values, [each]: text })}
            />
          ))}
          {extra.map((each, index) => (
            <Group key={index} gap="sm" align="flex-end" grow>
              <TextInput
                label="Parameter"
                value={each.name}
                onChange={(event) =>
                  setExtra(extra.with(index, { ...each, name: event.currentTarget.value }))
                }
              />
              <TextInput
                label="Value"
                description=""
                value={each.text}
                onChange={(event) =>
                  setExtra(extra.with(index, { ...each, text: event.currentTarget.value }))
                }
              />
            </Group>
          ))}
          <div>
            <Button variant="default" onClick={() => setExtra([...extra, { name: "", text: "" }])}>
              Add a parameter
            </Button>
          </div>
          <div>
            <Text fz="xs" fw={500} mb={4}>
              The log keeps
            </Text>
            <SegmentedControl
              aria-label="The log keeps"
              value={loglevel}
              onChange={setLoglevel}
              data={[
                { value: "10", label: "Debug" },
                { value: "20", label: "Info" },
                { value: "30", label: "Warnings" },
                { value: "40", label: "Errors" },
              ]}
            />
            <Text fz="xs" c="dimmed" mt={4}>
              Debug keeps also each parameter as it was resolved, secrets masked, and the data that is handed
              on.
            </Text>
          </div>
          <Select
            label="Configuration object"
            clearable
            searchable
            placeholder={settings.data?.configuration ?? "as aligned: none"}
            data={["none", ...(configurations.data?.items ?? []).map((each) => each.name)]}
            value={configuration}
            onChange={setConfiguration}
          />
          <TextInput
            label="Queue"
            placeholder={settings.data?.queue ?? "default"}
            value={queue}
            onChange={(event) => setQueue(event.currentTarget.value)}
          />
          <Group justify="flex-end" gap="sm">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Button type="submit" loading={busy}>
              Run
            </Button>
          </Group>
        </Stack>
      </form>
    </Drawer>
  );
}

function typeOf(variable: Schema<"VariableDocument"> | undefined): FieldType {
  const value: unknown = variable?.value ?? variable?.default_value ?? variable?.sample_value;
  if (typeof value === "number") return "number";
  if (typeof value === "boolean") return "boolean";
  if (typeof value === "object" && value !== null) return "json";
  return "any";
}
