import { ActionIcon, Anchor, Button, Group, Stack, Text, Textarea, Title } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { X } from "lucide-react";
import { useState } from "react";

import { request } from "@/api/client";
import { useParams } from "@/lib/search";
import { CopyId, CopyText } from "@/ui/CopyId";
import { JsonView } from "@/ui/JsonView";
import { MayButton } from "@/ui/MayButton";
import { StateBadge } from "@/ui/StateBadge";
import { Loading, ProblemAlert } from "@/ui/states";
import { tell } from "@/ui/tell";
import { Time, Took } from "@/ui/Time";
import { isReused, runHref, useStep, type Run, type RunStep } from "./api";
import { useRetry } from "./Actions";
import classes from "./run.module.css";

interface StepError {
  kind?: string;
  code?: string;
  message?: string;
  detail?: unknown;
}

/** Why an attempt failed, whole and to copy. */
export function ErrorText({ error }: { error: StepError }) {
  const text = error.message ?? "";
  return (
    <Stack gap={4}>
      <Group gap={4} justify="space-between">
        <Text fz="xs" c="dimmed">
          {[error.kind, error.code].filter(Boolean).join(" · ")}
        </Text>
        <CopyText text={text} what="the message" />
      </Group>
      {/* A long message scrolls, so it is reached by keyboard. */}
      {}
      <pre className={classes.message} tabIndex={0}>
        {text}
      </pre>
      {error.detail === undefined || error.detail === null ? null : (
        <JsonView value={error.detail} label="the error's detail" maxHeight="200px" />
      )}
    </Stack>
  );
}

/** All about one step of a run. */
export function StepPanel({ run, step, close }: { run: Run; step: RunStep; close: () => void }) {
  const [, setParams] = useParams();
  const detail = useStep(step, !run.ended);
  const retry = useRetry(run);
  const error = step.error as StepError | null | undefined;
  return (
    <aside className={classes.panel} aria-label={`Step ${step.name}`}>
      <Group justify="space-between" wrap="nowrap" mb="xs">
        <Title order={2} style={{ overflowWrap: "anywhere" }}>
          {step.name}
        </Title>
        <ActionIcon aria-label="Close the step" onClick={close}>
          <X size={15} />
        </ActionIcon>
      </Group>
      <Stack gap="md">
        <Group gap="sm">
          <StateBadge state={step.state} />
          {isReused(step) ? (
            <Text fz="xs" c="dimmed">
              the result of the run that was retried
            </Text>
          ) : null}
        </Group>
        {step.waits_for ? <Waits step={step} /> : null}
        {step.waits_for?.kind === "approval" ? <Decide run={run} step={step} /> : null}
        {error ? <ErrorText error={error} /> : null}
        <Group gap="xs">
          <Button variant="default" onClick={() => setParams({ tab: "logs" }, true)}>
            Log
          </Button>
          <Button variant="default" onClick={() => setParams({ tab: "data" }, true)}>
            Data
          </Button>
          <MayButton
            needs="execute"
            variant="default"
            because={run.ended ? null : "The run has not ended."}
            onClick={() => retry.start([step.name], "original")}
          >
            Retry from here
          </MayButton>
        </Group>
        <dl className={classes.pairs}>
          <dt>Step</dt>
          <dd>
            {step.file}
            {step.syncpack ? (
              <Text span c="dimmed" inherit>
                {" "}
                of {step.syncpack}
              </Text>
            ) : null}
          </dd>
          <dt>Id</dt>
          <dd>
            <CopyId id={step.task_id} what="step id" />
          </dd>
          <dt>Ready</dt>
          <dd>
            <Time at={step.ready_at ?? null} exactly />
          </dd>
          <dt>Started</dt>
          <dd>
            <Time at={step.started_at ?? null} exactly />
          </dd>
          <dt>Ended</dt>
          <dd>
            <Time at={step.finished_at ?? null} exactly />
          </dd>
          <dt>In the queue</dt>
          <dd>
            <Took from={step.ready_at ?? null} to={step.started_at ?? step.finished_at ?? null} />
          </dd>
          <dt>Executed</dt>
          <dd>
            <Took from={step.started_at ?? null} to={step.finished_at ?? null} />
          </dd>
          <dt>Attempt</dt>
          <dd>{step.attempts}</dd>
          <dt>Worker</dt>
          <dd>{step.worker ?? "–"}</dd>
          <dt>Time limit</dt>
          <dd>{step.task_time_limit} s</dd>
        </dl>
        {detail.error ? <ProblemAlert error={detail.error} /> : null}
        {detail.isPending ? <Loading rows={2} /> : null}
        {detail.data && detail.data.past_attempts.length > 0 ? (
          <section>
            <Title order={3} mb="xs">
              Attempts before
            </Title>
            <Stack gap="sm">
              {detail.data.past_attempts.map((attempt) => (
                <div key={attempt.attempt}>
                  <Group gap="sm">
                    <Text fz="sm" fw={500}>
                      Attempt {attempt.attempt}
                    </Text>
                    <StateBadge state={attempt.state} plain />
                    <Time at={attempt.finished_at} exactly />
                  </Group>
                  {attempt.error ? <ErrorText error={attempt.error as StepError} /> : null}
                </div>
              ))}
            </Stack>
          </section>
        ) : null}
        {detail.data?.children ? (
          <section>
            <Title order={3} mb="xs">
              Runs that it started ({detail.data.children.ended} of {detail.data.children.total} ended)
            </Title>
            <Stack gap={2}>
              {detail.data.children.runs.map((child) => (
                <Group key={child.task_id} gap="sm">
                  <StateBadge state={child.state} plain />
                  <Anchor
                    component={Link}
                    to={runHref(child.application, child.task_id) as "/"}
                    fz="sm"
                    underline="always"
                  >
                    {child.application}
                  </Anchor>
                  <CopyId id={child.task_id} what="run id" />
                </Group>
              ))}
            </Stack>
          </section>
        ) : null}
      </Stack>
    </aside>
  );
}

/** Why a step waits, until when, and who holds the limit. */
function Waits({ step }: { step: RunStep }) {
  const waits = step.waits_for;
  if (!waits) return null;
  return (
    <Stack gap={4} p="sm" style={{ background: "var(--state-waiting-soft)", borderRadius: 4 }}>
      <Text fz="sm">{waits.message}</Text>
      <Text fz="xs" c="dimmed">
        since <Time at={waits.since} />
        {waits.until ? (
          <>
            , until <Time at={waits.until} exactly />
          </>
        ) : null}
      </Text>
      {waits.limit ? (
        <Text fz="xs">
          Limit <code>{waits.limit.key}</code>: {waits.limit.held} of {waits.limit.limit} held,{" "}
          {waits.limit.before} before it.
          {waits.limit.holders.length > 0 ? (
            <>
              {" "}
              Held by{" "}
              {waits.limit.holders.map((holder) => (
                <Anchor
                  key={holder}
                  component={Link}
                  to={`/runs?id=${holder}` as "/"}
                  inherit
                  underline="always"
                  mr={4}
                >
                  …{holder.slice(-8)}
                </Anchor>
              ))}
            </>
          ) : null}
        </Text>
      ) : null}
    </Stack>
  );
}

/** Approve or reject, right where it waits. */
export function Decide({ run, step }: { run: { task_id: string }; step: { task_id: string; name: string } }) {
  const client = useQueryClient();
  const [note, setNote] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const decide = (decision: "approve" | "reject") => {
    setBusy(true);
    setError(null);
    request("POST", `/api/v1/tasks/${step.task_id}/decision`, { decision, note })
      .then(async () => {
        tell(decision === "approve" ? "Approved" : "Rejected", step.name);
        await Promise.all([
          client.invalidateQueries({ queryKey: ["run", run.task_id] }),
          client.invalidateQueries({ queryKey: ["approvals"] }),
        ]);
      })
      .catch((problem: unknown) => setError(problem))
      .finally(() => setBusy(false));
  };
  return (
    <Stack gap="sm">
      <Textarea
        label="Note"
        description="It stands in the step's data and log."
        autosize
        minRows={2}
        value={note}
        onChange={(event) => setNote(event.currentTarget.value)}
      />
      {error ? <ProblemAlert error={error} /> : null}
      <Group gap="sm">
        <MayButton needs="execute" loading={busy} onClick={() => decide("approve")}>
          Approve
        </MayButton>
        <MayButton needs="execute" loading={busy} variant="default" onClick={() => decide("reject")}>
          Reject
        </MayButton>
      </Group>
    </Stack>
  );
}
