import { Anchor, Group, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { CircleCheck, FileWarning, Pause, ServerOff, UserCheck, type LucideIcon } from "lucide-react";
import type { ReactNode } from "react";

import { runHref } from "@/features/run/api";
import { look, mark, type Tone } from "@/lib/states";
import { Time } from "@/ui/Time";
import type { Overview } from "./api";
import { Card, List } from "./parts";

interface Need {
  key: string;
  icon: LucideIcon;
  tone: Tone;
  text: ReactNode;
  to: string;
}

/** So many failing applications are named one by one. */
const NAMED = 6;

const many = (count: { count: number; more: boolean }, one: string, several: string) =>
  `${count.count}${count.more ? "+" : ""} ${count.count === 1 && !count.more ? one : several}`;

/** What somebody has to look at, the most urgent first. */
function needs({ attention, applications }: Overview): Need[] {
  const failed = look("failed");
  const failing = applications.last_run.failed ?? 0;
  const found: Need[] = [];
  for (const worker of attention.lost_workers)
    found.push({
      key: `w ${worker.id}`,
      icon: ServerOff,
      tone: "failed",
      text: (
        <>
          A {worker.role} on {worker.host} is lost since <Time at={worker.lease_until} />
        </>
      ),
      to: "/queues",
    });
  for (const queue of attention.unserved_queues)
    found.push({
      key: `q ${queue}`,
      icon: look("queued").icon,
      tone: "warning",
      text: `No worker listens on the queue ${queue}, and runs wait on it`,
      to: `/runs?queue=${encodeURIComponent(queue)}&state=queued,running`,
    });
  for (const { name, friendly_name, run } of attention.failing.slice(0, NAMED))
    found.push({
      key: `f ${name}`,
      icon: failed.icon,
      tone: failed.tone,
      text: (
        <>
          {friendly_name || name} failed <Time at={run.finished_at ?? run.created_at} />
        </>
      ),
      to: runHref(name, run.task_id),
    });
  if (failing > NAMED)
    found.push({
      key: "more",
      icon: failed.icon,
      tone: failed.tone,
      text: `${failing - NAMED} more applications failed`,
      to: "/applications?state=failed&sort=last_run&order=desc",
    });
  if (attention.approvals.count > 0)
    found.push({
      key: "approvals",
      icon: UserCheck,
      tone: "waiting",
      text: many(attention.approvals, "decision waits", "decisions wait"),
      to: "/approvals",
    });
  if (attention.dead_letters.count > 0)
    found.push({
      key: "letters",
      icon: FileWarning,
      tone: "warning",
      text: many(attention.dead_letters, "dead letter", "dead letters"),
      to: "/dead-letters",
    });
  for (const pause of attention.pauses)
    found.push({
      key: `p ${pause.application ?? ""} ${pause.queue ?? ""}`,
      icon: Pause,
      tone: "waiting",
      text: `${pause.application ? `The application ${pause.application}` : pause.queue ? `The queue ${pause.queue}` : "Everything"} is paused`,
      to: "/queues",
    });
  return found;
}

/** The card of what somebody has to look at. */
export function Attention({ overview }: { overview: Overview }) {
  const found = needs(overview);
  return (
    <Card title="Needs attention">
      {found.length === 0 ? (
        <Group gap="xs">
          <CircleCheck size={15} color="var(--state-success)" aria-hidden />
          <Text fz="sm">Nothing does.</Text>
        </Group>
      ) : (
        <List>
          {found.map(({ key, icon: Icon, tone, text, to }) => (
            <li key={key}>
              <Group gap="xs" wrap="nowrap" align="flex-start">
                <Icon size={14} color={mark(tone)} aria-hidden style={{ flex: "none", marginTop: 3 }} />
                <Anchor component={Link} to={to as "/"} fz="sm" underline="always" c="inherit">
                  {text}
                </Anchor>
              </Group>
            </li>
          ))}
        </List>
      )}
    </Card>
  );
}
