import { Badge, Button, Menu, Tabs, Text } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { Bug, ChevronDown, Copy, Download, Pencil, Play, Settings2, Trash2 } from "lucide-react";
import { lazy, Suspense, useState } from "react";

import { request } from "@/api/client";
import { useMay } from "@/api/session";
import { CopyDialog } from "@/features/applications/CopyDialog";
import { RunsTable } from "@/features/runs/RunsTable";
import { ScheduleList } from "@/features/schedules/ScheduleList";
import { useParams } from "@/lib/search";
import { confirm } from "@/ui/confirm";
import { MayButton } from "@/ui/MayButton";
import { PageHead } from "@/ui/Page";
import { Loading, ProblemAlert } from "@/ui/states";
import { tell } from "@/ui/tell";
import { Time } from "@/ui/Time";
import { download, useApplication, useMeta } from "./api";
import { Configure } from "./Configure";
import { Overview } from "./Overview";
import { Revisions } from "./Revisions";
import { RunDialog, useStart } from "./RunDialog";

const Timeline = lazy(() => import("@/features/timeline/Timeline"));

/** An application: its graph, runs, timeline, schedules, settings and revisions. */
export function ApplicationPage({ name }: { name: string }) {
  const [params, setParams] = useParams();
  const application = useApplication(name);
  const meta = useMeta(name, application.data !== undefined);
  const navigate = useNavigate();
  const client = useQueryClient();
  const execute = useMay("execute");
  const remove = useMay("administrator");
  const begin = useStart();
  const [dialog, setDialog] = useState<
    { kind: "run"; problem?: unknown; level?: number } | { kind: "copy" } | null
  >(null);
  if (application.error && !application.data) {
    return (
      <>
        <PageHead title={name} />
        <ProblemAlert
          title="This application cannot be shown"
          error={application.error}
          retry={() => void application.refetch()}
        />
      </>
    );
  }
  if (!application.data) return <Loading rows={10} />;
  const { document } = application.data;
  const tab = params.view ?? "graph";
  const run = (level: number) =>
    begin(name, { loglevel: level }, (problem) => setDialog({ kind: "run", problem, level }));
  const edit = `/applications/${encodeURIComponent(name)}/edit`;
  const drop = () =>
    confirm({
      title: `Delete “${document.friendly_name ?? name}”?`,
      text: "Its revisions, schedules and webhooks go with it. Runs that are under way end as they are; those of the past stay until they expire.",
      action: "Delete the application",
      danger: true,
      run: async () => {
        await request("DELETE", `/api/v1/applications/${encodeURIComponent(name)}`);
        await client.invalidateQueries({ queryKey: ["applications"] });
        tell("Deleted", name);
        await navigate({ to: "/applications" });
      },
    });
  return (
    <>
      <PageHead
        title={document.friendly_name ?? name}
        aside={
          <>
            {document.version ? (
              <Badge variant="default" tt="none">
                {document.version}
              </Badge>
            ) : null}
            {meta.data?.origin ? (
              <Badge
                variant="default"
                tt="none"
                title="It came with a SyncPack and is protected: save it under another name to change it."
              >
                {meta.data.origin}
              </Badge>
            ) : null}
          </>
        }
      >
        <Button.Group>
          <MayButton needs="execute" leftSection={<Play size={14} aria-hidden />} onClick={() => run(30)}>
            Run
          </MayButton>
          <Menu>
            <Menu.Target>
              <Button px={6} aria-label="Other ways to run" disabled={!execute.may}>
                <ChevronDown size={14} />
              </Button>
            </Menu.Target>
            <Menu.Dropdown>
              <Menu.Item leftSection={<Bug size={14} aria-hidden />} onClick={() => run(10)}>
                Debug run
              </Menu.Item>
              <Menu.Item
                leftSection={<Settings2 size={14} aria-hidden />}
                onClick={() => setDialog({ kind: "run" })}
              >
                Custom run…
              </Menu.Item>
            </Menu.Dropdown>
          </Menu>
        </Button.Group>
        <Button component={Link} to={edit} variant="default" leftSection={<Pencil size={14} aria-hidden />}>
          Edit
        </Button>
        <Menu>
          <Menu.Target>
            <Button variant="default" rightSection={<ChevronDown size={12} aria-hidden />}>
              More
            </Button>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item
              leftSection={<Copy size={14} aria-hidden />}
              onClick={() => setDialog({ kind: "copy" })}
            >
              Copy…
            </Menu.Item>
            <Menu.Item
              leftSection={<Download size={14} aria-hidden />}
              onClick={() => download(name, document)}
            >
              Export
            </Menu.Item>
            <Menu.Divider />
            <Menu.Item
              c="var(--state-failed-text)"
              disabled={!remove.may}
              title={remove.why ?? undefined}
              leftSection={<Trash2 size={14} aria-hidden />}
              onClick={drop}
            >
              Delete…
            </Menu.Item>
          </Menu.Dropdown>
        </Menu>
      </PageHead>
      {document.description ? (
        <Text fz="sm" maw={900}>
          {document.description}
        </Text>
      ) : null}
      <Text fz="xs" c="dimmed" mb="sm">
        <code>{name}</code>
        {document.author ? ` · by ${document.author}` : null}
        {document.configuration ? (
          <>
            {" "}
            · configuration{" "}
            <Link to={`/configurations/${encodeURIComponent(document.configuration)}` as "/"}>
              {document.configuration}
            </Link>
          </>
        ) : null}
        {document.queue ? ` · queue ${document.queue}` : null}
        {meta.data ? (
          <>
            {" "}
            · revision {meta.data.revision}, saved by {meta.data.edited_by} <Time at={meta.data.edited_at} />
          </>
        ) : null}
      </Text>
      <Tabs value={tab} onChange={(value) => setParams({ view: value ?? undefined, state: undefined }, true)}>
        <Tabs.List mb="md">
          <Tabs.Tab value="graph">Graph</Tabs.Tab>
          <Tabs.Tab value="runs">Runs</Tabs.Tab>
          <Tabs.Tab value="timeline">Timeline</Tabs.Tab>
          <Tabs.Tab value="schedules">Schedules</Tabs.Tab>
          <Tabs.Tab value="configure">Configure</Tabs.Tab>
          <Tabs.Tab value="revisions">Revisions</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="graph">
          <Overview document={document} edit={edit} />
        </Tabs.Panel>
        <Tabs.Panel value="runs">
          <RunsTable application={name} />
        </Tabs.Panel>
        <Tabs.Panel value="timeline">
          <Suspense fallback={<Loading />}>
            <Timeline application={name} />
          </Suspense>
        </Tabs.Panel>
        <Tabs.Panel value="schedules">
          <ScheduleList application={name} />
        </Tabs.Panel>
        <Tabs.Panel value="configure">
          <Configure name={name} />
        </Tabs.Panel>
        <Tabs.Panel value="revisions">
          <Revisions name={name} />
        </Tabs.Panel>
      </Tabs>
      {dialog?.kind === "run" ? (
        <RunDialog
          name={name}
          problem={dialog.problem}
          {...(dialog.level ? { level: dialog.level } : {})}
          close={() => setDialog(null)}
        />
      ) : null}
      {dialog?.kind === "copy" ? <CopyDialog name={name} close={() => setDialog(null)} /> : null}
    </>
  );
}
