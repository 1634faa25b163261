import { Button, Drawer, Group, Menu, MultiSelect, SegmentedControl, Stack, Text } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Ban, ChevronDown, PencilRuler, RotateCcw, StepForward, Undo2 } from "lucide-react";
import { useState } from "react";

import { request, type Schema } from "@/api/client";
import { useMay } from "@/api/session";
import { watchRun } from "@/features/notifications/store";
import { CodeEditor } from "@/ui/CodeEditor";
import { confirm } from "@/ui/confirm";
import { MayButton } from "@/ui/MayButton";
import { ProblemAlert } from "@/ui/states";
import { tellProblem } from "@/ui/tell";
import { useData, type Run } from "./api";

type Which = "original" | "newest";

/** Starts another run from a past one, and goes to it. */
export function useRetry(run: Run) {
  const navigate = useNavigate();
  const go = (started: Schema<"Accepted">) => {
    watchRun(started.task_id, run.application);
    return navigate({
      to: "/applications/$name",
      params: { name: run.application },
      search: { runid: started.task_id } as never,
    });
  };
  const ask = async (body: { from: string[]; revision: Which; params?: unknown }) =>
    go(await request<Schema<"Accepted">>("POST", `/api/v1/tasks/${run.task_id}/retry`, body));
  const replay = async () =>
    go(await request<Schema<"Accepted">>("POST", `/api/v1/tasks/${run.task_id}/replay`));
  return {
    ask,
    start: (from: string[], revision: Which) =>
      void ask({ from, revision }).catch((error: unknown) => tellProblem("The run was not retried", error)),
    replay: () => void replay().catch((error: unknown) => tellProblem("The run was not replayed", error)),
  };
}

/** What can be done with a run: always in sight. */
export function RunActions({ run, selected }: { run: Run; selected: string | null }) {
  const retry = useRetry(run);
  const client = useQueryClient();
  const { may, why } = useMay("execute");
  const [editing, setEditing] = useState(false);
  const reason = why ?? (run.ended ? null : "The run has not ended.");
  const all = run.steps.map((step) => step.name);
  const cancel = () =>
    confirm({
      title: "Cancel this run?",
      text: "Steps that wait end as cancelled at once, and those that are executed are stopped. What they did outside stays done.",
      action: "Cancel the run",
      danger: true,
      run: async () => {
        await request("DELETE", `/api/v1/tasks/${run.task_id}`);
        await client.invalidateQueries({ queryKey: ["run", run.task_id] });
      },
    });
  return (
    <>
      <Menu width={270}>
        <Menu.Target>
          <Button
            variant="default"
            leftSection={<Undo2 size={14} aria-hidden />}
            rightSection={<ChevronDown size={12} aria-hidden />}
          >
            Retry
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {reason ? <Menu.Label aria-hidden>{reason}</Menu.Label> : null}
          {(["original", "newest"] as const).map((which) => (
            <div
              key={which}
              role="group"
              aria-label={which === "original" ? `Revision ${run.application_revision}` : "Newest revision"}
            >
              <Menu.Label aria-hidden>
                {which === "original"
                  ? `On revision ${run.application_revision}, as it ran`
                  : "On the newest revision"}
              </Menu.Label>
              <Menu.Item
                disabled={Boolean(reason)}
                leftSection={<StepForward size={14} aria-hidden />}
                onClick={() => retry.start([], which)}
              >
                From what did not succeed
              </Menu.Item>
              <Menu.Item
                disabled={Boolean(reason) || !selected}
                leftSection={<StepForward size={14} aria-hidden />}
                onClick={() => retry.start(selected ? [selected] : [], which)}
              >
                {selected ? `From “${selected}”` : "From a step (choose one)"}
              </Menu.Item>
              <Menu.Item
                disabled={Boolean(reason)}
                leftSection={<RotateCcw size={14} aria-hidden />}
                onClick={() => retry.start(all, which)}
              >
                From the start
              </Menu.Item>
            </div>
          ))}
          <Menu.Divider />
          <Menu.Item
            disabled={Boolean(reason)}
            leftSection={<PencilRuler size={14} aria-hidden />}
            onClick={() => setEditing(true)}
          >
            With edited inputs…
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <MayButton
        needs="execute"
        variant="default"
        leftSection={<RotateCcw size={14} aria-hidden />}
        onClick={retry.replay}
      >
        Replay
      </MayButton>
      <MayButton
        needs="execute"
        variant="default"
        leftSection={<Ban size={14} aria-hidden />}
        because={run.ended ? "The run has ended." : null}
        onClick={cancel}
      >
        Cancel
      </MayButton>
      {editing && may ? <EditedRetry run={run} selected={selected} close={() => setEditing(false)} /> : null}
    </>
  );
}

/** A retry with other parameters. */
function EditedRetry({ run, selected, close }: { run: Run; selected: string | null; close: () => void }) {
  const retry = useRetry(run);
  const data = useData(run.task_id, run.ended);
  const [from, setFrom] = useState<string[]>(selected ? [selected] : []);
  const [which, setWhich] = useState<Which>("original");
  const [text, setText] = useState<string | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const shown = text ?? JSON.stringify(data.data?.input ?? {}, null, 2);
  const submit = async () => {
    setBusy(true);
    setError(null);
    try {
      // What was not touched keeps its value, masked secrets too.
      const edited = JSON.parse(shown) as Record<string, unknown>;
      const before = (data.data?.input ?? {}) as Record<string, unknown>;
      const params = Object.fromEntries(
        Object.entries(edited).filter(
          ([key, value]) => JSON.stringify(before[key]) !== JSON.stringify(value),
        ),
      );
      await retry.ask({ from, revision: which, params });
      close();
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Drawer opened onClose={close} title="Retry with edited inputs" size="lg">
      <Stack gap="md">
        <MultiSelect
          label="Begin with"
          description="None: with what did not succeed."
          data={run.steps.map((step) => step.name)}
          value={from}
          onChange={setFrom}
          searchable
          clearable
        />
        <div>
          <Text fz="xs" fw={500} mb={4}>
            Revision
          </Text>
          <SegmentedControl
            aria-label="Revision"
            data={[
              { value: "original", label: `As it ran (${run.application_revision})` },
              { value: "newest", label: "Newest" },
            ]}
            value={which}
            onChange={(value) => setWhich(value)}
          />
        </div>
        <div>
          <Text fz="xs" fw={500} mb={4}>
            Parameters
          </Text>
          <CodeEditor language="json" label="Parameters" value={shown} onChange={setText} minHeight="160px" />
          <Text fz="xs" c="dimmed" mt={4}>
            Only what you change is sent; secrets that are masked here keep their values.
          </Text>
        </div>
        {error ? <ProblemAlert title="The run was not retried" error={error} /> : null}
        <Group justify="flex-end" gap="sm">
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
          <Button loading={busy} onClick={() => void submit()}>
            Retry
          </Button>
        </Group>
      </Stack>
    </Drawer>
  );
}
