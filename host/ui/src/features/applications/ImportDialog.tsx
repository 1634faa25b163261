import { Badge, Button, Checkbox, Group, List, Modal, Stack, Table, Text } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";

import { api, data, request, tagged, type Schema } from "@/api/client";
import { asProblem, type Fault } from "@/api/problem";
import { idOf } from "@/features/application/api";
import { Loading, ProblemAlert } from "@/ui/states";

/** What importing a file would do. */
interface Plan {
  file: string;
  name: string;
  document: Record<string, unknown> | null;
  kind: "create" | "change" | "unchanged" | "refused";
  /** Names the revision that is replaced. */
  etag: string | null;
  faults: Fault[];
  warnings: Fault[];
  why: string | null;
}

/** Calls back with files that are dropped anywhere on the page; answers whether some hover. */
export function useDrop(drop: (files: File[]) => void): boolean {
  const [over, setOver] = useState(false);
  useEffect(() => {
    const holds = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
    const enter = (event: DragEvent) => {
      if (!holds(event)) return;
      event.preventDefault();
      setOver(true);
    };
    const leave = (event: DragEvent) => {
      if (event.relatedTarget === null) setOver(false);
    };
    const dropped = (event: DragEvent) => {
      if (!holds(event)) return;
      event.preventDefault();
      setOver(false);
      drop([...(event.dataTransfer?.files ?? [])]);
    };
    window.addEventListener("dragover", enter);
    window.addEventListener("dragleave", leave);
    window.addEventListener("drop", dropped);
    return () => {
      window.removeEventListener("dragover", enter);
      window.removeEventListener("dragleave", leave);
      window.removeEventListener("drop", dropped);
    };
  }, [drop]);
  return over;
}

async function planOf(file: File): Promise<Plan> {
  const plan: Plan = {
    file: file.name,
    name: "",
    document: null,
    kind: "refused",
    etag: null,
    faults: [],
    warnings: [],
    why: null,
  };
  try {
    if (file.size > 2 * 1024 * 1024) throw new Error("it is larger than 2 MiB");
    const document: unknown = JSON.parse(await file.text());
    if (
      typeof document !== "object" ||
      document === null ||
      !Array.isArray((document as { steps?: unknown }).steps)
    )
      throw new Error("it is no application: `steps` is missing");
    plan.document = document as Record<string, unknown>;
  } catch (error) {
    return { ...plan, why: `This file cannot be read: ${(error as Error).message}` };
  }
  const { document } = plan;
  const own = document.name;
  plan.name =
    typeof own === "string" && own
      ? own
      : file.name.replace(/\.json$/i, "") ||
        idOf(typeof document.friendly_name === "string" ? document.friendly_name : "");
  try {
    const validation = await request<Schema<"Validation">>("POST", "/api/v1/applications/validate", {
      ...document,
      name: plan.name,
    });
    [plan.faults, plan.warnings] = [validation.faults, validation.warnings];
    // Asked as a list: that there is none is no error.
    const list = await data(
      api.GET("/api/v1/applications", { params: { query: { search: plan.name, limit: 200 } } }),
    );
    if (!list.items.some((each) => each.name === plan.name)) return { ...plan, kind: "create" };
    const { body: old, etag } = await tagged(
      api.GET("/api/v1/applications/{name}", { params: { path: { name: plan.name } } }),
    );
    const equal = JSON.stringify(sorted(old)) === JSON.stringify(sorted({ ...document, name: plan.name }));
    return { ...plan, kind: equal ? "unchanged" : "change", etag };
  } catch (error) {
    return { ...plan, why: asProblem(error).message };
  }
}

/** Keys in one order, so that equal documents are equal texts. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  );
}

const WORDS = { create: "new", change: "changes", unchanged: "unchanged", refused: "cannot be imported" };

/** Shows what files would do before anything is done, and does what is chosen. */
export function ImportDialog({ files, close }: { files: File[]; close: () => void }) {
  const client = useQueryClient();
  const plans = useQuery({
    queryKey: ["import", files.map((file) => `${file.name} ${file.size} ${file.lastModified}`)],
    queryFn: () => Promise.all(files.map(planOf)),
    staleTime: 0,
    gcTime: 0,
    refetchOnWindowFocus: false,
  });
  const [left, setLeft] = useState<ReadonlySet<string>>(new Set());
  const [results, setResults] = useState<Record<string, string>>({});
  const [busy, setBusy] = useState(false);
  const all = plans.data ?? [];
  const names = all.map((plan) => plan.name);
  const twice = (plan: Plan) =>
    plan.kind !== "refused" && names.filter((name) => name === plan.name).length > 1;
  const chosen = all.filter(
    (plan) => (plan.kind === "create" || plan.kind === "change") && !left.has(plan.file) && !twice(plan),
  );
  const done = Object.keys(results).length > 0;
  const apply = async () => {
    setBusy(true);
    for (const plan of chosen) {
      try {
        const response = (await data(
          api.PUT("/api/v1/applications/{name}", {
            params: { path: { name: plan.name } },
            // What was shown is what is replaced.
            headers: plan.etag ? { "If-Match": plan.etag } : { "If-None-Match": "*" },
            body: { ...plan.document, name: plan.name } as never,
          } as never),
        )) as Schema<"SavedDocument">;
        setResults((old) => ({
          ...old,
          [plan.file]: response.created ? "imported" : `saved as revision ${response.revision}`,
        }));
      } catch (error) {
        setResults((old) => ({ ...old, [plan.file]: `refused: ${asProblem(error).message}` }));
      }
    }
    await client.invalidateQueries({ queryKey: ["applications"] });
    setBusy(false);
  };
  return (
    <Modal opened onClose={close} size="xl" title="Import applications">
      <Stack gap="md">
        {plans.error ? <ProblemAlert error={plans.error} /> : null}
        {plans.isPending ? (
          <Loading rows={3} />
        ) : (
          <Table aria-label="What would be imported">
            <Table.Thead>
              <Table.Tr>
                <Table.Th w={32} />
                <Table.Th>File</Table.Th>
                <Table.Th>Application</Table.Th>
                <Table.Th>Effect</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {all.map((plan) => (
                <Table.Tr key={plan.file} style={{ verticalAlign: "top" }}>
                  <Table.Td>
                    <Checkbox
                      aria-label={`Import ${plan.file}`}
                      disabled={done || plan.kind === "refused" || plan.kind === "unchanged" || twice(plan)}
                      checked={chosen.includes(plan)}
                      onChange={() => {
                        const next = new Set(left);
                        if (!next.delete(plan.file)) next.add(plan.file);
                        setLeft(next);
                      }}
                    />
                  </Table.Td>
                  <Table.Td>{plan.file}</Table.Td>
                  <Table.Td>{plan.name || "–"}</Table.Td>
                  <Table.Td>
                    <Badge variant="default" tt="none">
                      {results[plan.file] ?? (twice(plan) ? "two files have this name" : WORDS[plan.kind])}
                    </Badge>
                    {plan.why ? <Text fz="xs">{plan.why}</Text> : null}
                    {plan.faults.length > 0 ? (
                      <>
                        <Text fz="xs" mt={4}>
                          It can be imported and does not run until this is right:
                        </Text>
                        <Faults faults={plan.faults} />
                      </>
                    ) : null}
                    {plan.warnings.length > 0 ? <Faults faults={plan.warnings} /> : null}
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        )}
        <Group justify="flex-end" gap="sm">
          <Button variant="default" onClick={close}>
            {done ? "Close" : "Cancel"}
          </Button>
          {done ? null : (
            <Button loading={busy} disabled={chosen.length === 0} onClick={() => void apply()}>
              Import {chosen.length}
            </Button>
          )}
        </Group>
      </Stack>
    </Modal>
  );
}

function Faults({ faults }: { faults: Fault[] }) {
  return (
    <List size="xs">
      {faults.map((fault) => (
        <List.Item key={fault.at + fault.message} style={{ overflowWrap: "anywhere" }}>
          <code>{fault.at}</code> {fault.message}
        </List.Item>
      ))}
    </List>
  );
}
