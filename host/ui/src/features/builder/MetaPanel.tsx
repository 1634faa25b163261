import {
  ActionIcon,
  Button,
  Group,
  Select,
  Stack,
  Switch,
  Text,
  Textarea,
  TextInput,
  Title,
} from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Plus, Trash2, X } from "lucide-react";

import { api, data } from "@/api/client";
import { readField, shownField } from "@/features/application/ValueField";
import type { Variable } from "@/features/graph/document";
import classes from "./builder.module.css";
import { useBuilder } from "./store";

/** What an application is called, is aligned with, and its variables. */
export function MetaPanel() {
  const document = useBuilder((state) => state.document);
  const { change, show } = useBuilder((state) => state);
  const configurations = useQuery({
    queryKey: ["configurations", "names"],
    queryFn: () => data(api.GET("/api/v1/configurations", { params: { query: { limit: 200 } } })),
  });
  const put = (key: string, value: unknown) => change({ ...document, [key]: value }, `meta ${key}`);
  const variables = document.app_variables ?? [];
  const vary = (index: number, part: Partial<Variable>) =>
    change(
      {
        ...document,
        app_variables: variables.map((each, at) => (at === index ? { ...each, ...part } : each)),
      },
      `variable ${index} ${Object.keys(part).join()}`,
    );
  const text = (key: "friendly_name" | "author" | "version", label: string) => (
    <TextInput
      label={label}
      value={document[key] ?? ""}
      onChange={(event) => put(key, event.currentTarget.value)}
    />
  );
  return (
    <aside className={classes.panel} aria-label="Application">
      <Group justify="space-between" mb="xs">
        <Title order={2}>Application</Title>
        <ActionIcon aria-label="Close" onClick={() => show(null)}>
          <X size={15} />
        </ActionIcon>
      </Group>
      <Stack gap="sm">
        {text("friendly_name", "Name")}
        <Textarea
          label="Description"
          autosize
          minRows={2}
          value={document.description ?? ""}
          onChange={(event) => put("description", event.currentTarget.value)}
        />
        <Group grow>
          {text("author", "Author")}
          {text("version", "Version")}
        </Group>
        <Group grow>
          <Select
            label="Configuration object"
            clearable
            searchable
            placeholder="none"
            data={(configurations.data?.items ?? []).map((each) => each.name)}
            value={document.configuration || null}
            onChange={(value) => put("configuration", value)}
          />
          <TextInput
            label="Queue"
            placeholder="default"
            value={document.queue ?? ""}
            onChange={(event) => put("queue", event.currentTarget.value || null)}
          />
        </Group>
        <Title order={3} mt="sm">
          Variables
        </Title>
        {variables.length === 0 ? (
          <Text fz="sm" c="dimmed">
            None. A step refers to one as {"${appvar.name}"}.
          </Text>
        ) : null}
        {variables.map((variable, index) => (
          <section key={index} className={classes.branch} aria-label={`Variable ${variable.name}`}>
            <Stack gap="xs">
              <Group wrap="nowrap" align="flex-end" gap="xs">
                <TextInput
                  label="Variable"
                  style={{ flex: 1 }}
                  value={variable.name}
                  onChange={(event) => vary(index, { name: event.currentTarget.value })}
                />
                <ActionIcon
                  aria-label={`Remove ${variable.name}`}
                  mb={3}
                  onClick={() => change({ ...document, app_variables: variables.toSpliced(index, 1) })}
                >
                  <Trash2 size={14} />
                </ActionIcon>
              </Group>
              <TextInput
                label="Value"
                value={shownField(variable.value)}
                onChange={(event) =>
                  vary(index, {
                    value:
                      event.currentTarget.value === ""
                        ? undefined
                        : readField(event.currentTarget.value, "any"),
                  })
                }
              />
              <TextInput
                label="Meaning"
                value={variable.description ?? ""}
                onChange={(event) => vary(index, { description: event.currentTarget.value })}
              />
              <Switch
                label="Each run has to have a value"
                checked={variable.required === true}
                onChange={(event) => vary(index, { required: event.currentTarget.checked })}
              />
            </Stack>
          </section>
        ))}
        <div>
          <Button
            variant="default"
            leftSection={<Plus size={13} aria-hidden />}
            onClick={() =>
              change({
                ...document,
                app_variables: [...variables, { name: `variable_${variables.length + 1}` }],
              })
            }
          >
            Add a variable
          </Button>
        </div>
      </Stack>
    </aside>
  );
}
