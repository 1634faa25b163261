import { ActionIcon, Button, Group, Select, Stack, TextInput } from "@mantine/core";
import { Trash2 } from "lucide-react";

import { readField, shownField } from "@/features/application/ValueField";
import classes from "./builder.module.css";

const PAIRS: Record<string, string> = {
  equal: "is equal to",
  not_equal: "is not equal to",
  above: "is above",
  below: "is below",
  at_least: "is at least",
  at_most: "is at most",
  contains: "contains",
};
const KINDS = [
  ...Object.entries(PAIRS).map(([value, label]) => ({ value, label })),
  { value: "exists", label: "is there" },
  { value: "template", label: "template is true" },
  { value: "and", label: "all of" },
  { value: "or", label: "any of" },
  { value: "not", label: "not" },
];

type When = Record<string, unknown>;

const EMPTY: When = { equal: ["", ""] };

/** The condition as one of another kind, with what both have. */
function turned(when: When, from: string, to: string): When {
  const value = when[from];
  if (to in PAIRS)
    return { [to]: Array.isArray(value) && from in PAIRS ? value : [from === "exists" ? value : "", ""] };
  if (to === "exists") return { exists: Array.isArray(value) && from in PAIRS ? value[0] : "" };
  if (to === "template") return { template: "" };
  if (to === "not") return { not: from === "and" || from === "or" || from === "not" ? EMPTY : when };
  return { [to]: from === "and" || from === "or" ? value : from === "not" ? [value] : [when, EMPTY] };
}

/** A condition of any depth. Operands are values or references such as `${Get Event.severity}`. */
export function WhenEditor({
  value,
  change,
  label,
  known,
  remove,
}: {
  value: unknown;
  change: (next: When) => void;
  label: string;
  known: string[];
  remove?: (() => void) | undefined;
}) {
  const when = (typeof value === "object" && value !== null && !Array.isArray(value) ? value : EMPTY) as When;
  const kind = Object.keys(when)[0] ?? "equal";
  const inner = when[kind];
  const list: unknown[] = Array.isArray(inner) ? (inner as unknown[]) : [];
  const operand = (at: number, text: string) =>
    change({ [kind]: [0, 1].map((index) => (index === at ? readField(text, "any") : (list[index] ?? ""))) });
  const side = (at: number, name: string) => (
    <TextInput
      aria-label={`${label}, ${name}`}
      placeholder={at === 0 ? "${Step.path}" : "value"}
      list={`known-${label}`}
      ff="monospace"
      style={{ flex: 1, minWidth: 90 }}
      value={shownField(list[at])}
      onChange={(event) => operand(at, event.currentTarget.value)}
    />
  );
  return (
    <Stack gap={6}>
      <datalist id={`known-${label}`}>
        {known.map((each) => (
          <option key={each} value={`\${${each}}`} />
        ))}
      </datalist>
      <Group gap={6} wrap="wrap" align="center">
        {kind in PAIRS ? side(0, "left") : null}
        {kind === "exists" ? (
          <TextInput
            aria-label={`${label}, what`}
            style={{ flex: 1 }}
            placeholder="${Step.path}"
            list={`known-${label}`}
            value={shownField(inner)}
            onChange={(event) => change({ exists: event.currentTarget.value })}
          />
        ) : null}
        <Select
          aria-label={`${label}, kind`}
          allowDeselect={false}
          w={140}
          data={KINDS}
          value={kind}
          onChange={(next) => next && change(turned(when, kind, next))}
        />
        {kind in PAIRS ? side(1, "right") : null}
        {kind === "template" ? (
          <TextInput
            aria-label={`${label}, template`}
            style={{ flex: 1 }}
            placeholder="input.count > 3"
            value={shownField(inner)}
            onChange={(event) => change({ template: event.currentTarget.value })}
          />
        ) : null}
        {remove ? (
          <ActionIcon aria-label={`Remove ${label}`} onClick={remove}>
            <Trash2 size={14} />
          </ActionIcon>
        ) : null}
      </Group>
      {kind === "and" || kind === "or" ? (
        <Stack gap={8} className={classes.nested}>
          {list.map((each, index) => (
            <WhenEditor
              key={index}
              value={each}
              known={known}
              label={`${label} ${index + 1}`}
              change={(next) => change({ [kind]: list.with(index, next) })}
              remove={list.length > 1 ? () => change({ [kind]: list.toSpliced(index, 1) }) : undefined}
            />
          ))}
          <div>
            <Button size="compact-xs" variant="default" onClick={() => change({ [kind]: [...list, EMPTY] })}>
              Add a condition
            </Button>
          </div>
        </Stack>
      ) : null}
      {kind === "not" ? (
        <div className={classes.nested}>
          <WhenEditor
            value={inner}
            known={known}
            label={`${label} not`}
            change={(next) => change({ not: next })}
          />
        </div>
      ) : null}
    </Stack>
  );
}
