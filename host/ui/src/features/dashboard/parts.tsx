import { ActionIcon, Anchor, Group, Paper, Stack, Text, Title } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { Play, Star } from "lucide-react";
import type { ReactNode } from "react";

import { useMay } from "@/api/session";
import { useStart } from "@/features/application/RunDialog";
import { runHref } from "@/features/run/api";
import { StateBadge } from "@/ui/StateBadge";
import { tellProblem } from "@/ui/tell";
import type { Application } from "./api";

/** A card of the dashboard; `aside` leads to the whole list. */
export function Card({ title, aside, children }: { title: string; aside?: ReactNode; children: ReactNode }) {
  return (
    <Paper withBorder p="md" component="section" aria-label={title}>
      <Group justify="space-between" mb="sm">
        <Title order={2}>{title}</Title>
        {aside}
      </Group>
      {children}
    </Paper>
  );
}

/** The way from a card to the whole list. */
export function All({ to, children = "all" }: { to: string; children?: string }) {
  return (
    <Anchor component={Link} to={to} fz="xs" underline="always">
      {children}
    </Anchor>
  );
}

export function List({ children }: { children: ReactNode }) {
  return (
    <Stack component="ul" gap={6} p={0} m={0} style={{ listStyle: "none" }}>
      {children}
    </Stack>
  );
}

/** A starred application with its last run, and the way to start it. */
export function Favourite({ application, star }: { application: Application; star: (name: string) => void }) {
  const begin = useStart();
  const { why } = useMay("execute");
  const label = application.friendly_name || application.name;
  const last = application.last_run;
  return (
    <li>
      <Group gap="xs" wrap="nowrap" justify="space-between">
        <Group gap={6} wrap="nowrap" miw={0}>
          <ActionIcon
            size={24}
            aria-label={`Favourite ${label}`}
            aria-pressed
            onClick={() => star(application.name)}
          >
            <Star size={14} fill="currentColor" />
          </ActionIcon>
          <Anchor
            component={Link}
            to={`/applications/${encodeURIComponent(application.name)}` as "/"}
            fz="sm"
            underline="always"
            c="inherit"
            truncate
          >
            {label}
          </Anchor>
        </Group>
        <Group gap={6} wrap="nowrap">
          {last ? (
            <Anchor component={Link} to={runHref(application.name, last.task_id)} c="inherit">
              <StateBadge state={last.state} plain />
            </Anchor>
          ) : (
            <Text fz="xs" c="dimmed">
              never run
            </Text>
          )}
          <ActionIcon
            size={24}
            aria-label={`Run ${label}`}
            title={why ?? `Run ${label}`}
            aria-disabled={Boolean(why)}
            data-disabled={why ? true : undefined}
            onClick={() => {
              if (why) return;
              begin(application.name, {}, (problem) =>
                tellProblem("It needs parameters: start it from its page", problem),
              );
            }}
          >
            <Play size={13} />
          </ActionIcon>
        </Group>
      </Group>
    </li>
  );
}

/** How many are in each state, each a way to them. */
export function Counts({ counts, to }: { counts: [string, number][]; to: (state: string) => string }) {
  return (
    <Group gap="md" mb="sm">
      {counts.map(([state, number]) => (
        <Anchor key={state} component={Link} to={to(state) as "/"} c="inherit" fz="sm" underline="hover">
          <Group gap={4} wrap="nowrap">
            {state === "never" ? <Text fz="xs">Never run</Text> : <StateBadge state={state} plain />}
            <b className="num">{number}</b>
          </Group>
        </Anchor>
      ))}
    </Group>
  );
}
