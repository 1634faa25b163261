import { Button, Group, Modal, Stack, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";

import { api, data } from "@/api/client";
import { idOf } from "@/features/application/api";
import { ProblemAlert } from "@/ui/states";
import { tell } from "@/ui/tell";
import { nameFault, saveNew } from "./save";

/** Saves an application once more under another name. */
export function CopyDialog({
  name,
  document,
  close,
}: {
  name: string;
  document?: Record<string, unknown>;
  close: () => void;
}) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const [friendly, setFriendly] = useState(
    `${typeof document?.friendly_name === "string" ? document.friendly_name : name} copy`.slice(0, 66),
  );
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const id = idOf(friendly);
  const fault = nameFault(id, friendly);
  const submit = async () => {
    if (fault) return;
    setBusy(true);
    setError(null);
    try {
      const source =
        document ?? (await data(api.GET("/api/v1/applications/{name}", { params: { path: { name } } })));
      await saveNew(id, { ...source, name: id, friendly_name: friendly.trim() });
      await client.invalidateQueries({ queryKey: ["applications"] });
      tell("Saved", id);
      close();
      await navigate({ to: `/applications/${encodeURIComponent(id)}${document ? "/edit" : ""}` as "/" });
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Modal opened onClose={close} title={document ? "Save as" : `Copy ${name}`}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <Stack gap="md">
          <TextInput
            label="Name"
            data-autofocus
            value={friendly}
            error={fault}
            description={`Its id: ${id || "–"}`}
            onChange={(event) => setFriendly(event.currentTarget.value)}
          />
          {error ? <ProblemAlert title="Not saved" error={error} /> : null}
          <Group justify="flex-end" gap="sm">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Button type="submit" loading={busy} disabled={Boolean(fault)}>
              Save
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
