import {
  MultiSelect,
  NumberInput,
  SegmentedControl,
  Select,
  Stack,
  Switch,
  TextInput,
  Title,
} from "@mantine/core";

import type { StepEntry } from "@/features/graph/document";
import { setKey } from "./edit";
import { useBuilder } from "./store";

type Entry = Record<string, unknown>;

/** Retry, time limits, limits, for-each and what follows a failure. */
export function Advanced({
  step,
  set,
}: {
  step: StepEntry;
  set: (change: (step: StepEntry) => StepEntry, kind?: string) => void;
}) {
  const document = useBuilder((state) => state.document);
  const others = document.steps.map((each) => each.name).filter((each) => each !== step.name);
  const object = (key: string) =>
    typeof step[key] === "object" && step[key] !== null ? (step[key] as Entry) : null;
  const put = (key: string, value: unknown) => set((old) => setKey(old, key, value), key);
  const part = (key: string, name: string, value: unknown) => {
    const next = { ...object(key), [name]: value };

    if (value === "" || value === undefined) delete next[name];
    put(key, next);
  };
  const number = (key: string, name: string, label: string, description?: string) => (
    <NumberInput
      label={label}
      description={description}
      min={0}
      value={(object(key)?.[name] as number | undefined) ?? ""}
      onChange={(value) => part(key, name, value === "" ? undefined : Number(value))}
    />
  );
  const retry = object("task_retry");
  const concurrency = object("task_concurrency");
  const rate = object("task_rate");
  const each = object("task_for_each");
  const onError = step.task_on_error;
  const onErrorKind = Array.isArray(onError) ? "steps" : onError === "continue" ? "continue" : "fail";
  const operator = step.operator === "condition" || step.operator === "transform";
  return (
    <Stack gap="md">
      <section>
        <Title order={3} mb="xs">
          When it fails
        </Title>
        <SegmentedControl
          aria-label="When it fails"
          value={onErrorKind}
          onChange={(value) =>
            put("task_on_error", value === "fail" ? undefined : value === "continue" ? "continue" : [])
          }
          data={[
            { value: "fail", label: "stop what follows" },
            { value: "continue", label: "go on" },
            { value: "steps", label: "run others" },
          ]}
        />
        {onErrorKind === "steps" ? (
          <MultiSelect
            mt="xs"
            label="Steps that run then"
            searchable
            data={others}
            value={Array.isArray(onError) ? onError : []}
            onChange={(value) => put("task_on_error", value)}
          />
        ) : null}
      </section>
      {operator ? null : (
        <>
          <section>
            <Switch
              label="Retry"
              checked={retry !== null}
              onChange={(event) =>
                put("task_retry", event.currentTarget.checked ? { max_attempts: 3 } : undefined)
              }
            />
            {retry ? (
              <Stack gap="xs" mt="xs" pl="md">
                {number("task_retry", "max_attempts", "Attempts", "the first among them")}
                {number("task_retry", "initial_delay", "First delay", "seconds; 1 where nothing is said")}
                {number("task_retry", "backoff", "Back-off", "the factor of each further delay; 2")}
                {number("task_retry", "max_delay", "Longest delay", "seconds; 300")}
                {number("task_retry", "max_duration", "Altogether", "seconds; no limit")}
                <MultiSelect
                  label="On"
                  data={["retryable", "any", "http-status", "timeout"]}
                  value={Array.isArray(retry.on) ? retry.on.map(String) : []}
                  placeholder="retryable"
                  onChange={(value) => part("task_retry", "on", value.length > 0 ? value : undefined)}
                />
              </Stack>
            ) : null}
          </section>
          <section>
            <Title order={3} mb="xs">
              Time limits, in seconds
            </Title>
            <NumberInput
              label="Counts as late after"
              min={0}
              value={(step.task_soft_time_limit as number | undefined) ?? ""}
              onChange={(value) => put("task_soft_time_limit", value === "" ? undefined : Number(value))}
            />
            <NumberInput
              mt="xs"
              label="Is stopped after"
              min={0}
              value={(step.task_time_limit as number | undefined) ?? ""}
              onChange={(value) => put("task_time_limit", value === "" ? undefined : Number(value))}
            />
          </section>
          <section>
            <Switch
              label="Limit of how many execute at a time"
              checked={concurrency !== null}
              onChange={(event) =>
                put("task_concurrency", event.currentTarget.checked ? { key: "", limit: 1 } : undefined)
              }
            />
            {concurrency ? (
              <Stack gap="xs" mt="xs" pl="md">
                <TextInput
                  label="Key"
                  value={String(concurrency.key ?? "")}
                  onChange={(event) => part("task_concurrency", "key", event.currentTarget.value)}
                />
                {number("task_concurrency", "limit", "At most")}
              </Stack>
            ) : null}
          </section>
          <section>
            <Switch
              label="Limit of how often it starts"
              checked={rate !== null}
              onChange={(event) =>
                put("task_rate", event.currentTarget.checked ? { key: "", limit: 60, per: 60 } : undefined)
              }
            />
            {rate ? (
              <Stack gap="xs" mt="xs" pl="md">
                <TextInput
                  label="Key"
                  value={String(rate.key ?? "")}
                  onChange={(event) => part("task_rate", "key", event.currentTarget.value)}
                />
                {number("task_rate", "limit", "At most")}
                {number("task_rate", "per", "In so many seconds")}
                {number("task_rate", "burst", "At once after a pause")}
              </Stack>
            ) : null}
          </section>
          <section>
            <Title order={3} mb="xs">
              For each
            </Title>
            <TextInput
              label="List"
              description="The step is executed once for each of its elements."
              placeholder="${Get devices.items}"
              value={
                each ? (typeof each.items === "string" ? each.items : JSON.stringify(each.items ?? "")) : ""
              }
              onChange={(event) =>
                event.currentTarget.value === ""
                  ? put("task_for_each", undefined)
                  : part("task_for_each", "items", event.currentTarget.value)
              }
            />
            {each ? (
              <Stack gap="xs" mt="xs" pl="md">
                {number("task_for_each", "parallel", "At a time")}
                <Select
                  label="When an element fails"
                  clearable
                  placeholder="fail"
                  data={["fail", "ignore"]}
                  value={typeof each.on_failure === "string" ? each.on_failure : null}
                  onChange={(value) => part("task_for_each", "on_failure", value ?? undefined)}
                />
              </Stack>
            ) : null}
          </section>
          <Select
            label="When its worker is lost"
            clearable
            placeholder="as the service says"
            data={["retry", "fail"]}
            value={typeof step.on_worker_lost === "string" ? step.on_worker_lost : null}
            onChange={(value) => put("on_worker_lost", value ?? undefined)}
          />
        </>
      )}
    </Stack>
  );
}
