import { Alert, Button, Drawer, Group, Modal, Select, Stack, Text, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { api, data, request, type Schema } from "@/api/client";
import { CodeEditor } from "@/ui/CodeEditor";
import { CopyText } from "@/ui/CopyId";
import { ProblemAlert } from "@/ui/states";

type Webhook = Schema<"WebhookDocument">;
type Saved = Schema<"SavedWebhookDocument">;

/** The whole address of a webhook, which the service may know without its host. */
export const address = (url: string): string => new URL(url, window.location.origin).href;

/** What a new webhook begins with: a sender that signs as most do. */
const USUAL = {
  mapping: {},
  signature: { scheme: "hmac-sha256", header: "x-hub-signature-256", prefix: "sha256=" },
};

/** Makes a webhook, or changes one. */
export function Editor({
  webhook,
  close,
  saved,
}: {
  webhook?: Webhook;
  close: () => void;
  saved: (answer: Saved) => void;
}) {
  const rest = Object.fromEntries(
    Object.entries(webhook?.document ?? USUAL).filter(([key]) => key !== "application"),
  );
  const [name, setName] = useState(webhook?.name ?? "");
  const [application, setApplication] = useState(webhook?.application ?? "");
  const [text, setText] = useState(JSON.stringify(rest, null, 2));
  const [search, setSearch] = useState("");
  const [asked] = useDebouncedValue(search, 200);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const applications = useQuery({
    queryKey: ["applications", "names", asked],
    queryFn: () =>
      data(api.GET("/api/v1/applications", { params: { query: { search: asked, limit: 50 } as never } })),
    placeholderData: (old) => old,
  });
  const names = (applications.data?.items ?? []).map((each) => each.name);
  const submit = async () => {
    setBusy(true);
    setError(null);
    try {
      const document = { ...(JSON.parse(text) as Record<string, unknown>), application };
      saved(
        webhook
          ? await request<Saved>("PUT", webhook.href, document, { "If-Match": `"${webhook.revision}"` })
          : await request<Saved>("POST", "/api/v1/webhooks", { ...document, name: name.trim() }),
      );
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Drawer opened onClose={close} size="lg" title={webhook ? `Webhook ${webhook.name}` : "New webhook"}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <Stack gap="md">
          {webhook ? null : (
            <TextInput
              label="Name"
              required
              data-autofocus
              value={name}
              onChange={(event) => setName(event.currentTarget.value)}
            />
          )}
          <Select
            label="Application"
            description="A delivery starts it"
            required
            searchable
            data={names.includes(application) || !application ? names : [application, ...names]}
            value={application || null}
            onSearchChange={setSearch}
            onChange={(value) => setApplication(value ?? "")}
          />
          <div>
            <Text fz="sm" fw={500}>
              How a delivery is proven, and what its run is given
            </Text>
            <CodeEditor
              language="json"
              label="The webhook as JSON"
              value={text}
              onChange={setText}
              minHeight="160px"
              maxHeight="320px"
            />
          </div>
          {error ? <ProblemAlert title="Not saved" error={error} /> : null}
          <Group justify="flex-end" gap="sm">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Button type="submit" loading={busy} disabled={!application || (!webhook && !name.trim())}>
              Save
            </Button>
          </Group>
        </Stack>
      </form>
    </Drawer>
  );
}

/** A secret that was made up: it is shown this once. */
export function Secret({ secret, url, close }: { secret: string; url: string; close: () => void }) {
  const row = (label: string, value: string) => (
    <div>
      <Text fz="xs" c="dimmed">
        {label}
      </Text>
      <Group gap="xs" wrap="nowrap">
        <code style={{ overflowWrap: "anywhere" }}>{value}</code>
        <CopyText text={value} what={label.toLowerCase()} />
      </Group>
    </div>
  );
  return (
    <Modal opened onClose={close} title="For the sender" closeOnClickOutside={false}>
      <Stack gap="md">
        <Alert color="yellow" variant="light" c="inherit">
          The secret is shown this once. Give both to the sender now.
        </Alert>
        {row("Address", address(url))}
        {row("Secret", secret)}
        <Group justify="flex-end">
          <Button onClick={close}>I have them</Button>
        </Group>
      </Stack>
    </Modal>
  );
}
