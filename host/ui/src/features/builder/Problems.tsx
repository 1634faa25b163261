import { ActionIcon, Group, Text, Title } from "@mantine/core";
import { CircleX, TriangleAlert, X } from "lucide-react";

import type { Fault } from "@/api/problem";
import type { ApplicationDoc } from "@/features/graph/document";
import classes from "./builder.module.css";
import { useBuilder } from "./store";

/** The step that a fault's pointer leads to. */
export function stepOf(document: ApplicationDoc, fault: Fault): string | null {
  const index = /^\/steps\/(\d+)/.exec(fault.at)?.[1];
  return index === undefined ? null : (document.steps[Number(index)]?.name ?? null);
}

/** Everything that keeps the application from running; each entry leads to its place. */
export function Problems() {
  const document = useBuilder((state) => state.document);
  const { faults, warnings, select, show } = useBuilder((state) => state);
  const entry = (fault: Fault, warning: boolean) => {
    const name = stepOf(document, fault);
    return (
      <button
        type="button"
        key={fault.code + fault.at + fault.message}
        className={classes.fault}
        onClick={() => (name ? select(name) : show("meta"))}
      >
        <Group gap={6} wrap="nowrap" align="flex-start">
          {warning ? (
            <TriangleAlert size={14} color="var(--state-warning)" role="img" aria-label="warning" />
          ) : (
            <CircleX size={14} color="var(--state-failed)" role="img" aria-label="fault" />
          )}
          <span style={{ minWidth: 0 }}>
            <Text fz="sm" span style={{ overflowWrap: "anywhere" }}>
              {fault.message}
            </Text>
            <Text fz="xs" c="dimmed">
              {name ?? "application"} · {fault.at || "/"} · {fault.code}
            </Text>
          </span>
        </Group>
      </button>
    );
  };
  return (
    <aside className={classes.panel} aria-label="Problems">
      <Group justify="space-between" mb="xs">
        <Title order={2}>Problems</Title>
        <ActionIcon aria-label="Close" onClick={() => show(null)}>
          <X size={15} />
        </ActionIcon>
      </Group>
      {faults.length + warnings.length === 0 ? <Text fz="sm">There are none: it can run.</Text> : null}
      {faults.map((fault) => entry(fault, false))}
      {warnings.map((fault) => entry(fault, true))}
    </aside>
  );
}
