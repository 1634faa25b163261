import { Badge, Button, Group, Select, Stack, Table, Text, TextInput, Tooltip } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Lock } from "lucide-react";
import { useState } from "react";

import { api, data, tagged, type Schema } from "@/api/client";
import { MayButton } from "@/ui/MayButton";
import { Loading, ProblemAlert } from "@/ui/states";
import { tell } from "@/ui/tell";
import { readField, shownField } from "./ValueField";

type Settings = Schema<"SettingsDocument">;

/** The alignment and the variables of an application: apart from its definition, also of a protected one. */
export function Configure({ name }: { name: string }) {
  const settings = useQuery({
    queryKey: ["settings", name, "etag"],
    queryFn: () => tagged(api.GET("/api/v1/applications/{name}/settings", { params: { path: { name } } })),
  });
  if (settings.error) return <ProblemAlert error={settings.error} retry={() => void settings.refetch()} />;
  if (!settings.data) return <Loading />;
  return (
    <Form
      key={settings.data.body.revision}
      name={name}
      settings={settings.data.body}
      etag={settings.data.etag}
    />
  );
}

function Form({ name, settings, etag }: { name: string; settings: Settings; etag: string | null }) {
  const client = useQueryClient();
  const configurations = useQuery({
    queryKey: ["configurations", "names"],
    queryFn: () => data(api.GET("/api/v1/configurations", { params: { query: { limit: 200 } } })),
  });
  const [configuration, setConfiguration] = useState(settings.configuration ?? null);
  const [queue, setQueue] = useState(settings.queue ?? "");
  const [values, setValues] = useState<Record<string, string>>({});
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const changed =
    configuration !== (settings.configuration ?? null) ||
    queue !== (settings.queue ?? "") ||
    Object.keys(values).length > 0;
  const save = async () => {
    setBusy(true);
    setError(null);
    try {
      const body = {
        ...(configuration === (settings.configuration ?? null)
          ? {}
          : { configuration: configuration ?? "none" }),
        ...(queue === (settings.queue ?? "") ? {} : { queue: queue.trim() || "none" }),
        ...(Object.keys(values).length === 0
          ? {}
          : {
              variables: Object.fromEntries(
                Object.entries(values).map(([key, text]) => [
                  key,
                  text === "" ? null : readField(text, "any"),
                ]),
              ),
            }),
      };
      await api.PATCH("/api/v1/applications/{name}/settings", {
        params: { path: { name } },
        headers: etag ? { "If-Match": etag } : {},
        body: body as never,
      });
      tell("Saved", "Runs from now on use it.");
      await Promise.all([
        client.invalidateQueries({ queryKey: ["settings", name] }),
        client.invalidateQueries({ queryKey: ["application", name] }),
      ]);
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Stack gap="lg" maw={900}>
      <Group gap="md" align="flex-end">
        <Select
          label="Configuration object"
          placeholder="none"
          clearable
          searchable
          w={260}
          data={(configurations.data?.items ?? []).map((each) => each.name)}
          value={configuration}
          onChange={setConfiguration}
        />
        <TextInput
          label="Queue"
          placeholder="default"
          w={200}
          value={queue}
          onChange={(event) => setQueue(event.currentTarget.value)}
        />
      </Group>
      {settings.variables.length === 0 ? (
        <Text fz="sm" c="dimmed">
          It has no variables.
        </Text>
      ) : (
        <Table aria-label="Application variables">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Variable</Table.Th>
              <Table.Th>Value</Table.Th>
              <Table.Th>Default</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {settings.variables.map((variable) => (
              <Table.Tr key={variable.name}>
                <Table.Td>
                  <Group gap={6} wrap="nowrap">
                    <Text fz="sm" fw={500}>
                      {variable.name}
                    </Text>
                    {variable.required ? (
                      <Badge size="xs" variant="default" tt="none">
                        required
                      </Badge>
                    ) : null}
                    {variable.secret || variable.refers ? (
                      <Tooltip
                        label={
                          variable.secret
                            ? "Secret: its value is not shown."
                            : "Its value comes from the configuration object."
                        }
                      >
                        <Lock
                          size={13}
                          role="img"
                          aria-label={variable.secret ? "secret" : "from the configuration object"}
                        />
                      </Tooltip>
                    ) : null}
                  </Group>
                  {variable.description ? (
                    <Text fz="xs" c="dimmed">
                      {variable.description}
                    </Text>
                  ) : null}
                </Table.Td>
                <Table.Td>
                  <TextInput
                    aria-label={`Value of ${variable.name}`}
                    type={variable.secret && !variable.refers ? "password" : "text"}
                    autoComplete="off"
                    placeholder={
                      variable.secret && variable.value !== null
                        ? "••••••••"
                        : shownField(variable.sample_value)
                    }
                    value={
                      values[variable.name] ??
                      (variable.secret && !variable.refers
                        ? ""
                        : typeof variable.value === "object" && variable.value !== null
                          ? JSON.stringify(variable.value)
                          : shownField(variable.value))
                    }
                    onChange={(event) => setValues({ ...values, [variable.name]: event.currentTarget.value })}
                  />
                </Table.Td>
                <Table.Td>
                  <Text fz="xs" c="dimmed" lineClamp={2}>
                    {variable.secret ? "" : shownField(variable.default_value) || "–"}
                  </Text>
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
      {error ? <ProblemAlert title="Not saved" error={error} /> : null}
      <Group gap="sm">
        <MayButton
          needs="configuration"
          loading={busy}
          because={changed ? null : "Nothing was changed."}
          onClick={() => void save()}
        >
          Save
        </MayButton>
        {changed ? (
          <Button
            variant="default"
            onClick={() => {
              setConfiguration(settings.configuration ?? null);
              setQueue(settings.queue ?? "");
              setValues({});
            }}
          >
            Take back
          </Button>
        ) : null}
      </Group>
    </Stack>
  );
}
