import { Button, Group, Modal, Select, Stack, Textarea, TextInput } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";

import { api, data } from "@/api/client";
import { useSession } from "@/api/session";
import { idOf } from "@/features/application/api";
import { ProblemAlert } from "@/ui/states";
import { nameFault, saveNew } from "./save";

const NEW = "+ a new one of the same name";

/** Makes an application without steps, and opens the builder on it. */
export function CreateDialog({ close }: { close: () => void }) {
  const navigate = useNavigate();
  const client = useQueryClient();
  const session = useSession();
  const configurations = useQuery({
    queryKey: ["configurations", "names"],
    queryFn: () => data(api.GET("/api/v1/configurations", { params: { query: { limit: 200 } } })),
  });
  const [friendly, setFriendly] = useState("");
  const [id, setId] = useState<string | null>(null);
  const [description, setDescription] = useState("");
  const [author, setAuthor] = useState(session?.user ?? "");
  const [version, setVersion] = useState("1.0.0");
  const [configuration, setConfiguration] = useState<string | null>(null);
  const [tried, setTried] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const name = id ?? idOf(friendly);
  const fault = nameFault(name, friendly);
  const submit = async () => {
    setTried(true);
    if (fault || !author.trim()) return;
    setBusy(true);
    setError(null);
    try {
      if (configuration === NEW) {
        await api.PUT("/api/v1/configurations/{name}", {
          params: { path: { name } },
          headers: { "If-None-Match": "*" },
          body: { name, friendly_name: friendly.trim(), configuration_data: [] } as never,
        });
      }
      const aligned = configuration === NEW ? name : configuration;
      await saveNew(name, {
        name,
        friendly_name: friendly.trim(),
        description,
        author: author.trim(),
        version,
        ...(aligned ? { configuration: aligned } : {}),
        app_variables: [],
        steps: [],
      });
      await client.invalidateQueries({ queryKey: ["applications"] });
      close();
      await navigate({ to: `/applications/${encodeURIComponent(name)}/edit` as "/" });
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Modal opened onClose={close} title="New application" size="md">
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <Stack gap="md">
          <TextInput
            label="Name"
            data-autofocus
            required
            value={friendly}
            maxLength={200}
            error={tried || friendly.length > 66 ? fault : null}
            description={`${friendly.length} of 66 characters`}
            onChange={(event) => setFriendly(event.currentTarget.value)}
          />
          <TextInput
            label="Id"
            description="What addresses and other applications call it."
            value={name}
            onChange={(event) => setId(event.currentTarget.value)}
          />
          <Textarea
            label="Description"
            autosize
            minRows={2}
            value={description}
            onChange={(event) => setDescription(event.currentTarget.value)}
          />
          <Group grow gap="md" align="flex-start">
            <TextInput
              label="Author"
              required
              value={author}
              error={tried && !author.trim() ? "It needs an author." : null}
              onChange={(event) => setAuthor(event.currentTarget.value)}
            />
            <TextInput
              label="Version"
              value={version}
              onChange={(event) => setVersion(event.currentTarget.value)}
            />
          </Group>
          <Select
            label="Configuration object"
            placeholder="none"
            clearable
            searchable
            data={[NEW, ...(configurations.data?.items ?? []).map((each) => each.name)]}
            value={configuration}
            onChange={setConfiguration}
          />
          {error ? <ProblemAlert title="Not made" error={error} /> : null}
          <Group justify="flex-end" gap="sm">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Button type="submit" loading={busy}>
              Create and open the builder
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
