import {
  Autocomplete,
  Button,
  Drawer,
  Group,
  Input,
  List,
  NumberInput,
  SegmentedControl,
  Select,
  Stack,
  Switch,
  Text,
  TextInput,
} from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { api, data, request, tagged, type Schema } from "@/api/client";
import { asProblem } from "@/api/problem";
import { exact, useZone } from "@/lib/time";
import { CodeEditor } from "@/ui/CodeEditor";
import { MayButton } from "@/ui/MayButton";
import { Loading, ProblemAlert } from "@/ui/states";
import { tell } from "@/ui/tell";

type Document = Record<string, unknown>;

/** Makes or changes a schedule; says as one types when it will be due. */
export function ScheduleEditor({
  name,
  application,
  close,
}: {
  name: string | null;
  application?: string | undefined;
  close: () => void;
}) {
  const stored = useQuery({
    queryKey: ["schedule", name],
    enabled: name !== null,
    queryFn: () => tagged(api.GET("/api/v1/schedules/{name}", { params: { path: { name: name ?? "" } } })),
  });
  return (
    <Drawer opened onClose={close} size="lg" title={name ?? "New schedule"}>
      {name !== null && stored.error ? (
        <ProblemAlert error={stored.error} retry={() => void stored.refetch()} />
      ) : null}
      {name !== null && !stored.data && !stored.error ? <Loading /> : null}
      {name === null ? (
        <Form
          name={null}
          document={{ application_id: application ?? "", entry_id: "", cron: "0 * * * *" }}
          etag={null}
          fixed={application}
          close={close}
        />
      ) : null}
      {stored.data ? (
        <Form
          name={name}
          document={stored.data.body}
          etag={stored.data.etag}
          fixed={application}
          close={close}
        />
      ) : null}
    </Drawer>
  );
}

/** The cron expression of the predecessor's form. */
function cronOf(document: Document): string | null {
  if (typeof document.cron === "string") return document.cron;
  const old = document.schedule as
    { schedule_type?: string; schedule_info?: Record<string, unknown> } | undefined;
  if (old?.schedule_type !== "crontab") return null;
  return ["minute", "hour", "day_of_month", "month_of_year", "day_of_week"]
    .map((key) => String(old.schedule_info?.[key] ?? "*"))
    .join(" ");
}

function frequencyOf(document: Document): number | null {
  if (document.frequency !== undefined) return Number(document.frequency);
  const old = document.schedule as
    { schedule_type?: string; schedule_info?: { run_every?: unknown } } | undefined;
  return old?.schedule_type === "frequency" ? Number(old.schedule_info?.run_every) : null;
}

const PRESETS = [
  { cron: "*/5 * * * *", label: "every 5 minutes" },
  { cron: "0 * * * *", label: "each hour" },
  { cron: "0 6 * * *", label: "each day at 6" },
  { cron: "0 9 * * MON-FRI", label: "weekdays at 9" },
  { cron: "0 3 1 * *", label: "monthly" },
];

function Form({
  name,
  document,
  etag,
  fixed,
  close,
}: {
  name: string | null;
  document: Document;
  etag: string | null;
  fixed: string | undefined;
  close: () => void;
}) {
  const client = useQueryClient();
  const utc = useZone((zone) => zone.utc);
  const applications = useQuery({
    queryKey: ["applications", "names"],
    queryFn: () => data(api.GET("/api/v1/applications", { params: { query: { limit: 200 } } })),
  });
  const configurations = useQuery({
    queryKey: ["configurations", "names"],
    queryFn: () => data(api.GET("/api/v1/configurations", { params: { query: { limit: 200 } } })),
  });
  const before = (document.params ?? {}) as Record<string, unknown>;
  const [title, setTitle] = useState(String(document.entry_id ?? ""));
  const [application, setApplication] = useState(String(document.application_id ?? ""));
  const [kind, setKind] = useState(frequencyOf(document) === null ? "cron" : "frequency");
  const [cron, setCron] = useState(cronOf(document) ?? "0 * * * *");
  const [frequency, setFrequency] = useState<number | string>(frequencyOf(document) ?? 300);
  const [zone, setZone] = useState(typeof document.time_zone === "string" ? document.time_zone : "");
  const [overlap, setOverlap] = useState(typeof document.overlap === "string" ? document.overlap : "allow");
  const [catchUp, setCatchUp] = useState(typeof document.catch_up === "string" ? document.catch_up : "last");
  const [enabled, setEnabled] = useState(document.enabled !== false);
  const [configuration, setConfiguration] = useState<string | null>(
    typeof before.configuration === "string" ? before.configuration : null,
  );
  const [queue, setQueue] = useState(typeof before.queue === "string" ? before.queue : "");
  const [params, setParams] = useState(() =>
    JSON.stringify(
      Object.fromEntries(
        Object.entries(before).filter(([key]) => key !== "configuration" && key !== "queue"),
      ),
      null,
      2,
    ),
  );
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);

  let inner: Record<string, unknown> | null = null;
  try {
    inner = JSON.parse(params.trim() || "{}") as Record<string, unknown>;
  } catch {
    // Said beneath the field.
  }
  const made = (): Document => {
    const rest = Object.fromEntries(
      Object.entries(document).filter(
        ([key]) => !["cron", "frequency", "schedule", "time_zone"].includes(key),
      ),
    );
    return {
      ...rest,
      entry_id: title.trim(),
      application_id: application,
      ...(kind === "cron"
        ? { cron, ...(zone ? { time_zone: zone } : {}) }
        : { frequency: Number(frequency) }),
      overlap,
      catch_up: catchUp,
      enabled,
      params: {
        ...(inner ?? {}),
        ...(configuration ? { configuration } : {}),
        ...(queue.trim() ? { queue: queue.trim() } : {}),
      },
    };
  };
  const [asked] = useDebouncedValue(
    JSON.stringify({
      ...made(),
      entry_id: title.trim() || "preview",
      application_id: application || "preview",
      enabled: true,
    }),
    250,
  );
  const preview = useQuery({
    queryKey: ["schedule preview", asked],
    queryFn: () =>
      request<Schema<"SchedulePreview">>("POST", "/api/v1/schedules/preview?limit=5", JSON.parse(asked)),
    placeholderData: keepPreviousData,
    retry: false,
  });
  const submit = async () => {
    setBusy(true);
    setError(null);
    try {
      const body = made();
      await api.PUT("/api/v1/schedules/{name}", {
        params: { path: { name: title.trim() } },
        headers: name !== null && etag ? { "If-Match": etag } : { "If-None-Match": "*" },
        body: body as never,
      });
      tell("Saved", title.trim());
      await Promise.all([
        client.invalidateQueries({ queryKey: ["schedules"] }),
        client.invalidateQueries({ queryKey: ["schedule"] }),
      ]);
      close();
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
    }
  };
  const because = !title.trim()
    ? "It needs a name."
    : !application
      ? "It needs an application."
      : inner === null
        ? "Its parameters are no JSON object."
        : null;
  return (
    <Stack gap="md">
      <TextInput
        label="Name"
        required
        disabled={name !== null}
        value={title}
        onChange={(event) => setTitle(event.currentTarget.value)}
      />
      <Select
        label="Application"
        required
        searchable
        disabled={fixed !== undefined}
        data={[
          ...new Set([application, ...(applications.data?.items ?? []).map((each) => each.name)]),
        ].filter(Boolean)}
        value={application || null}
        onChange={(value) => setApplication(value ?? "")}
      />
      <SegmentedControl
        aria-label="Kind"
        value={kind}
        onChange={setKind}
        data={[
          { value: "cron", label: "At times (cron)" },
          { value: "frequency", label: "Every so many seconds" },
        ]}
      />
      {kind === "cron" ? (
        <>
          <TextInput
            label="Cron"
            description="minute hour day-of-month month day-of-week"
            ff="monospace"
            value={cron}
            onChange={(event) => setCron(event.currentTarget.value)}
          />
          <Group gap={4}>
            {PRESETS.map((each) => (
              <Button key={each.cron} size="compact-xs" variant="default" onClick={() => setCron(each.cron)}>
                {each.label}
              </Button>
            ))}
          </Group>
          <Autocomplete
            label="Time zone"
            placeholder="UTC"
            limit={12}
            data={["UTC", ...Intl.supportedValuesOf("timeZone")]}
            value={zone}
            onChange={setZone}
          />
        </>
      ) : (
        <NumberInput label="Seconds" min={1} value={frequency} onChange={setFrequency} />
      )}
      <div role="status" style={{ background: "var(--surface-sunk)", padding: "8px 12px", borderRadius: 4 }}>
        {preview.error ? (
          <Text fz="sm" c="var(--state-failed-text)">
            {asProblem(preview.error)
              .faults.map((fault) => fault.message)
              .join(" ") || asProblem(preview.error).message}
          </Text>
        ) : (
          <>
            <Text fz="sm" fw={500}>
              {preview.data?.description ?? "…"}
            </Text>
            <List size="xs" c="dimmed">
              {(preview.data?.next ?? []).map((at) => (
                <List.Item key={at}>{exact(at, utc)}</List.Item>
              ))}
            </List>
          </>
        )}
      </div>
      <Group grow gap="md">
        <Select
          label="When a run has not ended"
          allowDeselect={false}
          data={[
            { value: "allow", label: "start another" },
            { value: "skip", label: "leave it out" },
            { value: "queue", label: "start it after" },
            { value: "cancel", label: "cancel the old one" },
          ]}
          value={overlap}
          onChange={(value) => setOverlap(value ?? "allow")}
        />
        <Select
          label="What was missed"
          allowDeselect={false}
          data={[
            { value: "last", label: "run the newest" },
            { value: "all", label: "run each" },
            { value: "none", label: "leave out" },
          ]}
          value={catchUp}
          onChange={(value) => setCatchUp(value ?? "last")}
        />
      </Group>
      <Group grow gap="md">
        <Select
          label="Configuration object"
          placeholder="as aligned"
          clearable
          searchable
          data={(configurations.data?.items ?? []).map((each) => each.name)}
          value={configuration}
          onChange={setConfiguration}
        />
        <TextInput
          label="Queue"
          placeholder="as aligned"
          value={queue}
          onChange={(event) => setQueue(event.currentTarget.value)}
        />
      </Group>
      <Input.Wrapper label="Parameters" error={inner === null ? "This is no JSON object." : undefined}>
        <CodeEditor
          language="json"
          label="Parameters"
          value={params}
          onChange={setParams}
          minHeight="60px"
          maxHeight="220px"
        />
      </Input.Wrapper>
      <Switch
        label="It runs"
        checked={enabled}
        onChange={(event) => setEnabled(event.currentTarget.checked)}
      />
      {error ? <ProblemAlert title="Not saved" error={error} /> : null}
      <Group justify="flex-end" gap="sm">
        <Button variant="default" onClick={close}>
          Cancel
        </Button>
        <MayButton needs="developer" because={because} loading={busy} onClick={() => void submit()}>
          Save
        </MayButton>
      </Group>
    </Stack>
  );
}
