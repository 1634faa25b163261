import {
  ActionIcon,
  Anchor,
  Button,
  Group,
  Modal,
  Select,
  Stack,
  Switch,
  Table,
  Tabs,
  Text,
  TextInput,
} from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useBlocker, useParams as useRoute } from "@tanstack/react-router";
import { Lock, Plus, Save, Trash2 } from "lucide-react";
import { lazy, Suspense, useState } from "react";

import { api, data, request, tagged, type Schema } from "@/api/client";
import { Problem } from "@/api/problem";
import { Revisions } from "@/features/application/Revisions";
import { readField, shownField } from "@/features/application/ValueField";
import type { ApplicationDoc } from "@/features/graph/document";
import { useParams } from "@/lib/search";
import { CodeEditor } from "@/ui/CodeEditor";
import { MayButton } from "@/ui/MayButton";
import { PageHead } from "@/ui/Page";
import { Loading, ProblemAlert } from "@/ui/states";
import { tell } from "@/ui/tell";

const Conflict = lazy(() => import("@/features/builder/Conflict"));

interface Entry {
  name: string;
  value?: unknown;
  encrypted?: boolean;
  [key: string]: unknown;
}
type Document = Record<string, unknown> & { configuration_data?: Entry[] };

export function Page() {
  const { name = "" } = useRoute({ strict: false });
  const stored = useQuery({
    queryKey: ["configuration", name],
    queryFn: () => tagged(api.GET("/api/v1/configurations/{name}", { params: { path: { name } } })),
    refetchOnWindowFocus: false,
  });
  if (stored.error)
    return (
      <>
        <PageHead title={name} />
        <ProblemAlert error={stored.error} retry={() => void stored.refetch()} />
      </>
    );
  if (!stored.data) return <Loading rows={8} />;
  return (
    <Editor
      key={`${name} ${stored.data.etag}`}
      name={name}
      document={stored.data.body}
      etag={stored.data.etag}
    />
  );
}

/** A configuration object as a form or as JSON. Encrypted values can be replaced, never read. */
function Editor({ name, document, etag }: { name: string; document: Document; etag: string | null }) {
  const [params, setParams] = useParams();
  const client = useQueryClient();
  const meta = useQuery({
    queryKey: ["configuration", name, "meta"],
    queryFn: () =>
      request<Schema<"DefinitionDetail">>(
        "GET",
        `/api/v1/configurations/${encodeURIComponent(name)}?meta=true`,
      ),
  });
  const [draft, setDraft] = useState<Document>(document);
  const [text, setText] = useState<string | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [theirs, setTheirs] = useState<{ document: Document; etag: string | null } | null>(null);
  const [comparing, setComparing] = useState(false);
  const [busy, setBusy] = useState(false);
  const view = params.view ?? "form";
  let parsed: Document | null = draft;
  if (text !== null) {
    try {
      parsed = JSON.parse(text) as Document;
    } catch {
      parsed = null;
    }
  }
  const dirty = JSON.stringify(parsed) !== JSON.stringify(document);
  const { proceed, reset, status } = useBlocker({
    shouldBlockFn: ({ current, next }) => dirty && current.pathname !== next.pathname,
    enableBeforeUnload: () => dirty,
    withResolver: true,
  });
  const entries = draft.configuration_data ?? [];
  const put = (next: Entry[]) => setDraft({ ...draft, configuration_data: next });
  const vary = (index: number, part: Partial<Entry>) =>
    put(entries.map((each, at) => (at === index ? { ...each, ...part } : each)));
  const save = async (over: string | null) => {
    if (!parsed) return;
    setBusy(true);
    setError(null);
    try {
      await api.PUT("/api/v1/configurations/{name}", {
        params: { path: { name } },
        headers: over ? { "If-Match": over } : {},
        body: parsed as never,
      });
      setTheirs(null);
      tell("Saved", "Runs from now on use it.");
      await client.invalidateQueries({ queryKey: ["configuration", name] });
      await client.invalidateQueries({ queryKey: ["configurations"] });
    } catch (problem) {
      if (problem instanceof Problem && problem.status === 412 && over === etag) {
        const { body, etag: newest } = await tagged(
          api.GET("/api/v1/configurations/{name}", { params: { path: { name } } }),
        );
        setTheirs({ document: body, etag: newest });
      } else setError(problem);
    } finally {
      setBusy(false);
    }
  };
  const turn = (to: string) => {
    if (to === "json") setText(JSON.stringify(draft, null, 2));
    else if (text !== null && parsed) {
      setDraft(parsed);
      setText(null);
    } else if (text !== null && to === "form") return;
    setParams({ view: to });
  };
  const locked = (entry: Entry, index: number) =>
    entry.encrypted &&
    JSON.stringify(document.configuration_data?.[index]?.value) === JSON.stringify(entry.value) &&
    entry.value !== undefined &&
    entry.value !== "";
  const aligned = meta.data?.aligned_applications ?? [];
  return (
    <>
      <PageHead title={typeof document.friendly_name === "string" ? document.friendly_name : name}>
        <Button variant="default" onClick={() => setComparing(true)}>
          Compare
        </Button>
        <MayButton
          needs="configuration"
          loading={busy}
          leftSection={<Save size={14} aria-hidden />}
          because={!parsed ? "The JSON is not right." : dirty ? null : "Nothing was changed."}
          onClick={() => void save(etag)}
        >
          Save
        </MayButton>
      </PageHead>
      <Text fz="xs" c="dimmed" mb="sm">
        <code>{name}</code>
        {meta.data ? ` · revision ${meta.data.revision}` : ""}
        {aligned.length > 0 ? " · aligned: " : " · no application is aligned with it"}
        {aligned.map((each) => (
          <Anchor
            key={each}
            component={Link}
            to={`/applications/${encodeURIComponent(each)}` as "/"}
            inherit
            underline="always"
            mr={6}
          >
            {each}
          </Anchor>
        ))}
      </Text>
      {error ? <ProblemAlert error={error} title="Not saved" /> : null}
      <Tabs value={view} onChange={(value) => turn(value ?? "form")}>
        <Tabs.List mb="md">
          <Tabs.Tab value="form">Form</Tabs.Tab>
          <Tabs.Tab value="json">JSON</Tabs.Tab>
          <Tabs.Tab value="revisions">Revisions</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="form">
          <Stack gap="md" maw={960}>
            <Group grow>
              {(["friendly_name", "author", "version"] as const).map((key) => (
                <TextInput
                  key={key}
                  label={{ friendly_name: "Name", author: "Author", version: "Version" }[key]}
                  value={typeof draft[key] === "string" ? draft[key] : ""}
                  onChange={(event) => setDraft({ ...draft, [key]: event.currentTarget.value })}
                />
              ))}
            </Group>
            <TextInput
              label="Description"
              value={typeof draft.description === "string" ? draft.description : ""}
              onChange={(event) => setDraft({ ...draft, description: event.currentTarget.value })}
            />
            <Table aria-label="Values">
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>Name</Table.Th>
                  <Table.Th>Value</Table.Th>
                  <Table.Th>Encrypted</Table.Th>
                  <Table.Th w={40}>
                    <span aria-hidden />
                  </Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {entries.map((entry, index) => (
                  <Table.Tr key={index}>
                    <Table.Td>
                      <TextInput
                        aria-label={`Name of value ${index + 1}`}
                        value={entry.name}
                        onChange={(event) => vary(index, { name: event.currentTarget.value })}
                      />
                    </Table.Td>
                    <Table.Td>
                      {locked(entry, index) ? (
                        <Group gap="xs" wrap="nowrap">
                          <Lock size={14} role="img" aria-label="encrypted" />
                          <Text fz="sm" c="dimmed">
                            stored, never shown
                          </Text>
                          <Button
                            size="compact-xs"
                            variant="default"
                            aria-label={`Replace ${entry.name}`}
                            onClick={() => vary(index, { value: "" })}
                          >
                            Replace
                          </Button>
                        </Group>
                      ) : (
                        <TextInput
                          aria-label={`Value of ${entry.name}`}
                          type={entry.encrypted ? "password" : "text"}
                          autoComplete="off"
                          value={
                            typeof entry.value === "object" && entry.value !== null
                              ? JSON.stringify(entry.value)
                              : shownField(entry.value)
                          }
                          onChange={(event) =>
                            vary(index, {
                              value: readField(event.currentTarget.value, entry.encrypted ? "string" : "any"),
                            })
                          }
                        />
                      )}
                    </Table.Td>
                    <Table.Td>
                      <Switch
                        aria-label={`${entry.name} is encrypted`}
                        checked={entry.encrypted === true}
                        disabled={Boolean(locked(entry, index))}
                        onChange={(event) => vary(index, { encrypted: event.currentTarget.checked })}
                      />
                    </Table.Td>
                    <Table.Td>
                      <ActionIcon
                        aria-label={`Remove ${entry.name}`}
                        onClick={() => put(entries.toSpliced(index, 1))}
                      >
                        <Trash2 size={14} />
                      </ActionIcon>
                    </Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
            <div>
              <Button
                variant="default"
                leftSection={<Plus size={13} aria-hidden />}
                onClick={() => put([...entries, { name: "", value: "" }])}
              >
                Add a value
              </Button>
            </div>
          </Stack>
        </Tabs.Panel>
        <Tabs.Panel value="json">
          <CodeEditor
            language="json"
            label="Configuration object"
            value={text ?? JSON.stringify(draft, null, 2)}
            onChange={setText}
            minHeight="300px"
          />
        </Tabs.Panel>
        <Tabs.Panel value="revisions">
          <Revisions name={name} kind="configurations" />
        </Tabs.Panel>
      </Tabs>
      {status === "blocked" ? (
        <Modal opened onClose={reset} title="Leave without saving?">
          <Group justify="flex-end" gap="sm">
            <Button variant="default" onClick={reset} data-autofocus>
              Stay
            </Button>
            <Button color="red" onClick={proceed}>
              Leave
            </Button>
          </Group>
        </Modal>
      ) : null}
      {comparing ? <Compare name={name} close={() => setComparing(false)} /> : null}
      {theirs ? (
        <Suspense>
          <Conflict
            mine={parsed as unknown as ApplicationDoc}
            theirs={theirs.document as unknown as ApplicationDoc}
            close={() => setTheirs(null)}
            overwrite={() => save(theirs.etag)}
            take={() => {
              setTheirs(null);
              void client.invalidateQueries({ queryKey: ["configuration", name] });
            }}
          />
        </Suspense>
      ) : null}
    </>
  );
}

/** The difference between two configuration objects, value by value. */
function Compare({ name, close }: { name: string; close: () => void }) {
  const [other, setOther] = useState<string | null>(null);
  const names = useQuery({
    queryKey: ["configurations", "names"],
    queryFn: () => data(api.GET("/api/v1/configurations", { params: { query: { limit: 200 } } })),
  });
  const read = (which: string) =>
    data(api.GET("/api/v1/configurations/{name}", { params: { path: { name: which } } })).then(
      (document) => (document as Document).configuration_data ?? [],
    );
  const both = useQuery({
    queryKey: ["compare", name, other],
    enabled: other !== null,
    queryFn: async () => [await read(name), await read(other ?? "")] as const,
  });
  const shown = (entry: Entry | undefined) =>
    entry === undefined ? "–" : entry.encrypted ? "encrypted" : JSON.stringify(entry.value);
  const [left, right] = both.data ?? [[], []];
  const keys = [...new Set([...left, ...right].map((entry) => entry.name))].sort();
  const differs = keys.filter(
    (key) => shown(left.find((each) => each.name === key)) !== shown(right.find((each) => each.name === key)),
  );
  return (
    <Modal opened onClose={close} size="xl" title={`Compare ${name}`}>
      <Stack gap="md">
        <Select
          label="with"
          searchable
          data={(names.data?.items ?? []).map((each) => each.name).filter((each) => each !== name)}
          value={other}
          onChange={setOther}
        />
        {both.error ? <ProblemAlert error={both.error} /> : null}
        {both.data && differs.length === 0 ? (
          <Text fz="sm">They have the same values; encrypted ones are not compared.</Text>
        ) : null}
        {differs.length > 0 ? (
          <Table aria-label="Difference">
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Name</Table.Th>
                <Table.Th>{name}</Table.Th>
                <Table.Th>{other}</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {differs.map((key) => (
                <Table.Tr key={key}>
                  <Table.Td>{key}</Table.Td>
                  <Table.Td style={{ overflowWrap: "anywhere" }}>
                    {shown(left.find((each) => each.name === key))}
                  </Table.Td>
                  <Table.Td style={{ overflowWrap: "anywhere" }}>
                    {shown(right.find((each) => each.name === key))}
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        ) : null}
      </Stack>
    </Modal>
  );
}
