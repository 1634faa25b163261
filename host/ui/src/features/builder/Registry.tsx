import { ActionIcon, Drawer, Group, ScrollArea, Stack, Text, TextInput, Title, Tooltip } from "@mantine/core";
import {
  Clock,
  Code,
  Filter,
  Info,
  MessageCircle,
  Search,
  Split,
  UserCheck,
  Workflow,
  type LucideIcon,
} from "lucide-react";
import { useState } from "react";

import type { StepEntry } from "@/features/graph/document";
import { CodeEditor } from "@/ui/CodeEditor";
import { Loading, ProblemAlert } from "@/ui/states";
import classes from "./builder.module.css";
import { entryOf, OPERATORS, parametersOf, useSteps, useStepType, type StepSummary } from "./registry";

/** The kind of data that a dragged step is. */
export const DRAGGED = "application/x-powerflow-step";

const ICONS: Record<string, LucideIcon> = {
  condition: Split,
  transform: Filter,
  delay: Clock,
  approval: UserCheck,
  wait_for_webhook: MessageCircle,
};

/** All steps that can be added: by drag, by click, by Enter. */
export function Registry({ add }: { add: (entry: StepEntry) => void }) {
  const steps = useSteps();
  const [search, setSearch] = useState("");
  const [details, setDetails] = useState<StepSummary | null>(null);
  const needle = search.trim().toLowerCase();
  const holds = (...values: string[]) => values.some((value) => value.toLowerCase().includes(needle));
  const operators = OPERATORS.filter((each) => holds(each.label, each.about, "operator flow control"));
  // The operators stand for these.
  const offered = (steps.data?.items ?? []).filter(
    (step) =>
      step.syncpack !== "flow_control" &&
      holds(step.name, step.friendly_name, step.description, step.syncpack),
  );
  const packs = [...new Set(offered.map((step) => step.syncpack))];
  const item = (
    key: string,
    label: string,
    about: string,
    entry: StepEntry,
    Icon: LucideIcon,
    step?: StepSummary,
  ) => (
    <li key={key} className={classes.item}>
      <button
        type="button"
        className={classes.add}
        draggable
        title={about}
        onDragStart={(event) => {
          event.dataTransfer.setData(DRAGGED, JSON.stringify(entry));
          event.dataTransfer.effectAllowed = "copy";
        }}
        onClick={() => add(entry)}
      >
        <Icon size={15} aria-hidden />
        <span>{label}</span>
      </button>
      {step ? (
        <Tooltip label="Details">
          <ActionIcon size={24} aria-label={`Details of ${label}`} onClick={() => setDetails(step)}>
            <Info size={13} />
          </ActionIcon>
        </Tooltip>
      ) : null}
    </li>
  );
  return (
    <div className={classes.registry}>
      <TextInput
        aria-label="Search steps"
        placeholder="Search steps"
        value={search}
        onChange={(event) => setSearch(event.currentTarget.value)}
        leftSection={<Search size={13} aria-hidden />}
        mb="sm"
      />
      <ScrollArea
        style={{ flex: 1 }}
        type="auto"
        viewportProps={{ tabIndex: 0, "aria-label": "List of steps" }}
      >
        {operators.length > 0 ? (
          <section>
            <Title order={3} className={classes.group}>
              Flow control
            </Title>
            <ul className={classes.list}>
              {operators.map((each) =>
                item(
                  each.label,
                  each.label,
                  each.about,
                  each.entry,
                  ICONS[each.entry.operator ?? ""] ?? Code,
                ),
              )}
            </ul>
          </section>
        ) : null}
        {packs.map((pack) => (
          <section key={pack}>
            <Title order={3} className={classes.group}>
              {pack}
            </Title>
            <ul className={classes.list}>
              {offered
                .filter((step) => step.syncpack === pack)
                .map((step) =>
                  item(
                    `${pack} ${step.name}`,
                    step.friendly_name || step.name,
                    step.description,
                    entryOf(step),
                    step.kind === "trigger" ? Workflow : Code,
                    step,
                  ),
                )}
            </ul>
          </section>
        ))}
        {steps.error ? <ProblemAlert error={steps.error} retry={() => void steps.refetch()} /> : null}
        {steps.isPending ? <Loading rows={4} /> : null}
        {!steps.isPending && operators.length + offered.length === 0 ? (
          <Text fz="sm" c="dimmed">
            No step is like that.
          </Text>
        ) : null}
      </ScrollArea>
      {details ? <Details step={details} close={() => setDetails(null)} /> : null}
    </div>
  );
}

/** What a step does, takes, and how it is written. */
export function Details({ step, close }: { step: StepSummary; close: () => void }) {
  const detail = useStepType(step.name, step.syncpack);
  return (
    <Drawer opened onClose={close} size="lg" title={step.friendly_name || step.name}>
      <Stack gap="md">
        <Text fz="sm">{step.description}</Text>
        <Text fz="xs" c="dimmed">
          {step.name} {step.version} · {step.kind} · {step.syncpack} {step.syncpack_version} · by{" "}
          {step.author}
        </Text>
        {detail.error ? <ProblemAlert error={detail.error} /> : null}
        {detail.isPending ? <Loading /> : null}
        {parametersOf(detail.data).map((parameter) => (
          <div key={parameter.name}>
            <Group gap="sm">
              <Text fz="sm" fw={550}>
                {parameter.name}
              </Text>
              <Text fz="xs" c="dimmed">
                {parameter.type}
                {parameter.required ? ", required" : ""}
                {parameter.secret ? ", secret" : ""}
              </Text>
            </Group>
            <Text fz="xs">{parameter.description}</Text>
            {parameter.default !== undefined ? (
              <Text fz="xs" c="dimmed">
                default {JSON.stringify(parameter.default)}
              </Text>
            ) : null}
          </div>
        ))}
        {detail.data?.code ? (
          <section>
            <Title order={3} mb="xs">
              Code
            </Title>
            <CodeEditor
              language="text"
              label={`Code of ${step.name}`}
              value={detail.data.code}
              readOnly
              maxHeight="50vh"
            />
          </section>
        ) : null}
      </Stack>
    </Drawer>
  );
}
