import { Button, Group, Modal, Stack, Text, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { request, type Schema } from "@/api/client";
import { exact, useZone } from "@/lib/time";
import { ProblemAlert } from "@/ui/states";
import { tell } from "@/ui/tell";

const local = (at: Date) =>
  new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);

/** Starts the occurrences of a range of the past; shows first which. */
export function Backfill({ name, close }: { name: string; close: () => void }) {
  const client = useQueryClient();
  const utc = useZone((zone) => zone.utc);
  const [from, setFrom] = useState(() => local(new Date(Date.now() - 86_400_000)));
  const [until, setUntil] = useState(() => local(new Date()));
  const [plan, setPlan] = useState<Schema<"Backfill"> | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const ask = async (preview: boolean) => {
    setBusy(true);
    setError(null);
    try {
      const body = {
        from: new Date(from).toISOString(),
        until: new Date(Math.min(new Date(until).getTime(), Date.now())).toISOString(),
        preview,
      };
      const answer = await request<Schema<"Backfill">>(
        "POST",
        `/api/v1/schedules/${encodeURIComponent(name)}/backfill`,
        body,
      );
      if (preview) setPlan(answer);
      else {
        tell("Backfill begun", `${answer.run.length} runs`);
        await client.invalidateQueries({ queryKey: ["schedules"] });
        close();
      }
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Modal opened onClose={close} title={`Backfill “${name}”`}>
      <Stack gap="md">
        <Group grow gap="md">
          <TextInput
            type="datetime-local"
            label="From"
            value={from}
            onChange={(event) => {
              setFrom(event.currentTarget.value);
              setPlan(null);
            }}
          />
          <TextInput
            type="datetime-local"
            label="Until"
            value={until}
            onChange={(event) => {
              setUntil(event.currentTarget.value);
              setPlan(null);
            }}
          />
        </Group>
        {error ? <ProblemAlert error={error} /> : null}
        {plan ? (
          <div role="status">
            <Text fz="sm">
              {plan.run.length === 0
                ? "Nothing is to be run in that range."
                : `${plan.run.length} runs would be started:`}
            </Text>
            <Text fz="xs" c="dimmed" mah={160} style={{ overflow: "auto" }}>
              {plan.run
                .slice(0, 100)
                .map((at) => exact(at, utc))
                .join(", ")}
              {plan.run.length > 100 ? " …" : ""}
            </Text>
            {plan.left.length > 0 ? <Text fz="xs">{plan.left.length} have a run already.</Text> : null}
            {plan.paused ? <Text fz="xs">The schedule is paused: they wait until it is resumed.</Text> : null}
          </div>
        ) : null}
        <Group justify="flex-end" gap="sm">
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
          <Button variant={plan ? "default" : "filled"} loading={busy} onClick={() => void ask(true)}>
            Show what would run
          </Button>
          {plan && plan.run.length > 0 ? (
            <Button loading={busy} onClick={() => void ask(false)}>
              Start {plan.run.length}
            </Button>
          ) : null}
        </Group>
      </Stack>
    </Modal>
  );
}
