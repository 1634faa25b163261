import { ActionIcon, ScrollArea, Text } from "@mantine/core";
import { EllipsisVertical, TriangleAlert } from "lucide-react";
import { useMemo } from "react";

import { edgesOf, kindOf } from "@/features/graph/document";
import classes from "./builder.module.css";
import { ordered } from "./edit";
import { useBuilder } from "./store";

/** The steps as a list in the order in which they run: all that the canvas shows, to read and to use by keyboard. */
export function Outline({
  menu,
  faultsOf,
}: {
  menu: (name: string, at: { x: number; y: number }) => void;
  faultsOf: Record<string, number>;
}) {
  const document = useBuilder((state) => state.document);
  const selected = useBuilder((state) => state.selected);
  const select = useBuilder((state) => state.select);
  const steps = useMemo(() => ordered(document), [document]);
  const edges = useMemo(() => edgesOf(document), [document]);
  if (steps.length === 0)
    return (
      <Text fz="sm" c="dimmed">
        There are no steps yet.
      </Text>
    );
  return (
    <ScrollArea
      style={{ flex: 1 }}
      type="auto"
      viewportProps={{ tabIndex: 0, "aria-label": "Outline of steps" }}
    >
      <ul className={classes.list} aria-label="Steps in their order">
        {steps.map((step) => {
          const next = edges
            .filter((edge) => edge.from === step.name)
            .map((edge) => (edge.label ? `${edge.label}: ${edge.to}` : edge.to));
          return (
            <li key={step.name} className={classes.item} data-selected={selected === step.name || undefined}>
              <button
                type="button"
                className={classes.add}
                style={{ flexDirection: "column", alignItems: "stretch", gap: 0 }}
                aria-pressed={selected === step.name}
                onClick={() => select(step.name)}
              >
                <span style={{ fontWeight: 550 }}>
                  {step.name}
                  {faultsOf[step.name] ? (
                    <TriangleAlert
                      size={12}
                      role="img"
                      aria-label="has faults"
                      color="var(--state-failed)"
                      style={{ marginLeft: 4 }}
                    />
                  ) : null}
                </span>
                <span style={{ fontSize: 11.5, color: "var(--text-soft)" }}>
                  {kindOf(step)}
                  {next.length > 0 ? ` → ${next.join(", ")}` : ""}
                </span>
              </button>
              <ActionIcon
                size={24}
                aria-label={`Menu of ${step.name}`}
                onClick={(event) => {
                  const box = event.currentTarget.getBoundingClientRect();
                  menu(step.name, { x: box.left, y: box.bottom });
                }}
              >
                <EllipsisVertical size={13} />
              </ActionIcon>
            </li>
          );
        })}
      </ul>
    </ScrollArea>
  );
}
