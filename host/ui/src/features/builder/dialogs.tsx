import {
  Button,
  Combobox,
  Group,
  Menu,
  Modal,
  Select,
  Stack,
  Text,
  TextInput,
  useCombobox,
} from "@mantine/core";
import { ClipboardCopy, GitBranchPlus, Plus, Trash2, Unlink } from "lucide-react";
import { useEffect, useState } from "react";

import { closesCircle, edgesOf, type StepEntry } from "@/features/graph/document";
import { ContextMenu } from "@/ui/ContextMenu";
import { connect, copied, disconnect, removeSteps, type Way } from "./edit";
import { entryOf, OPERATORS, useSteps } from "./registry";
import { useBuilder } from "./store";

/** Chooses a step to add, by a few letters of its name. */
export function AddDialog({
  title,
  add,
  close,
}: {
  title: string;
  add: (entry: StepEntry) => void;
  close: () => void;
}) {
  const steps = useSteps();
  const [search, setSearch] = useState("");
  const box = useCombobox({ opened: true });
  const all = [
    ...OPERATORS.map((each) => ({
      key: `o ${each.label}`,
      label: each.label,
      hint: "Flow control",
      entry: each.entry,
    })),
    ...(steps.data?.items ?? [])
      .filter((step) => step.syncpack !== "flow_control")
      .map((step) => ({
        key: `${step.syncpack} ${step.name}`,
        label: step.friendly_name || step.name,
        hint: step.syncpack,
        entry: entryOf(step),
      })),
  ];
  const shown = all.filter((each) =>
    `${each.label} ${each.hint} ${each.entry.file ?? ""}`.toLowerCase().includes(search.trim().toLowerCase()),
  );
  useEffect(() => {
    box.selectFirstOption();
  }, [search, shown.length, box]);
  return (
    <Modal opened onClose={close} title={title} size="sm">
      <Combobox
        store={box}
        onOptionSubmit={(key) => {
          const found = all.find((each) => each.key === key);
          if (found) {
            add(found.entry);
            close();
          }
        }}
      >
        <Combobox.EventsTarget>
          <TextInput
            data-autofocus
            aria-label="Step to add"
            placeholder="Step to add"
            value={search}
            onChange={(event) => setSearch(event.currentTarget.value)}
          />
        </Combobox.EventsTarget>
        <Combobox.Options mah={320} style={{ overflow: "auto" }} mt="xs">
          {shown.map((each) => (
            <Combobox.Option
              key={each.key}
              value={each.key}
              style={{ display: "flex", justifyContent: "space-between" }}
            >
              <span>{each.label}</span>
              <Text span fz="xs" c="dimmed">
                {each.hint}
              </Text>
            </Combobox.Option>
          ))}
          {shown.length === 0 ? <Combobox.Empty>No step is like that</Combobox.Empty> : null}
        </Combobox.Options>
      </Combobox>
    </Modal>
  );
}

/** Leads from a step to another: by data, by a branch, or if it fails. */
export function ConnectDialog({ from, to, close }: { from: string; to: string | null; close: () => void }) {
  const document = useBuilder((state) => state.document);
  const change = useBuilder((state) => state.change);
  const step = document.steps.find((each) => each.name === from);
  const branches = step?.operator === "condition" ? (step.branches ?? []) : null;
  const ways = [
    ...(branches ?? []).map((branch, index) => ({
      value: `b${index}`,
      label: `when “${branch.label ?? (branch.when === undefined ? "else" : `branch ${index + 1}`)}” is taken`,
    })),
    ...(branches ? [{ value: "new", label: "on a new branch" }] : []),
    { value: "data", label: branches ? "whatever is taken" : "when it has ended well" },
    { value: "error", label: "when it fails" },
  ];
  const [target, setTarget] = useState<string | null>(to);
  const [way, setWay] = useState(ways[0]?.value ?? "data");
  const possible = document.steps
    .map((each) => each.name)
    .filter((name) => name !== from && !closesCircle(document, from, name));
  const done = () => {
    if (!target) return;
    const chosen: Way =
      way === "new"
        ? { kind: "new branch" }
        : way === "data" || way === "error"
          ? { kind: way }
          : { kind: "branch", branch: Number(way.slice(1)) };
    change(connect(document, from, target, chosen));
    close();
  };
  return (
    <Modal opened onClose={close} title={`Connect “${from}” to`} size="sm">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          done();
        }}
      >
        <Stack gap="md">
          <Select
            data-autofocus={to === null || undefined}
            label="Step"
            searchable
            data={possible}
            value={target}
            onChange={setTarget}
            nothingFoundMessage="No step, or it would close a circle"
          />
          <Select
            label="It runs"
            allowDeselect={false}
            data={ways}
            value={way}
            onChange={(value) => value && setWay(value)}
          />
          <Group justify="flex-end" gap="sm">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Button type="submit" disabled={!target}>
              Connect
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

/** What can be done with a step. */
export function StepMenu({
  name,
  at,
  close,
  ask,
  join,
}: {
  name: string;
  at: { x: number; y: number };
  close: () => void;
  ask: (after: string) => void;
  join: (from: string) => void;
}) {
  const document = useBuilder((state) => state.document);
  const { change, select } = useBuilder((state) => state);
  const edges = edgesOf(document).filter((edge) => edge.from === name || edge.to === name);
  return (
    <ContextMenu at={at} close={close}>
      <Menu.Item leftSection={<Plus size={14} aria-hidden />} onClick={() => ask(name)}>
        Add a step after it…
      </Menu.Item>
      <Menu.Item leftSection={<GitBranchPlus size={14} aria-hidden />} onClick={() => join(name)}>
        Connect to…
      </Menu.Item>
      <Menu.Item
        leftSection={<ClipboardCopy size={14} aria-hidden />}
        onClick={() => void navigator.clipboard.writeText(copied(document, [name]))}
      >
        Copy as JSON
      </Menu.Item>
      {edges.length > 0 ? <Menu.Label aria-hidden>Edges</Menu.Label> : null}
      {edges.map((edge) => (
        <Menu.Item
          key={edge.id}
          leftSection={<Unlink size={14} aria-hidden />}
          onClick={() => change(disconnect(document, edge))}
        >
          Cut {edge.from} → {edge.to}
          {edge.label ? ` (${edge.label})` : ""}
        </Menu.Item>
      ))}
      <Menu.Divider />
      <Menu.Item
        c="var(--state-failed-text)"
        leftSection={<Trash2 size={14} aria-hidden />}
        onClick={() => {
          change(removeSteps(document, [name]));
          select(null);
        }}
      >
        Delete
      </Menu.Item>
    </ContextMenu>
  );
}
