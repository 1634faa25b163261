import { Menu } from "@mantine/core";
import { Ban, Database, RotateCcw, ScrollText, StepForward } from "lucide-react";
import { useQueryClient } from "@tanstack/react-query";

import { request } from "@/api/client";
import { useMay } from "@/api/session";
import { useParams } from "@/lib/search";
import { ContextMenu } from "@/ui/ContextMenu";
import { confirm } from "@/ui/confirm";
import { useRetry } from "./Actions";
import type { Run } from "./api";

/** What can be done with a step of a run, at a place of the window. */
export function StepMenu({
  run,
  name,
  at,
  close,
}: {
  run: Run;
  name: string;
  at: { x: number; y: number };
  close: () => void;
}) {
  const [, setParams] = useParams();
  const retry = useRetry(run);
  const client = useQueryClient();
  const { may } = useMay("execute");
  const step = run.steps.find((each) => each.name === name);
  if (!step) return null;
  const ended = step.finished_at !== null;
  return (
    <ContextMenu at={at} close={close}>
      <Menu.Item
        leftSection={<ScrollText size={14} aria-hidden />}
        onClick={() => setParams({ step: name, tab: "logs" }, true)}
      >
        Log
      </Menu.Item>
      <Menu.Item
        leftSection={<Database size={14} aria-hidden />}
        onClick={() => setParams({ step: name, tab: "data" }, true)}
      >
        Data
      </Menu.Item>
      <Menu.Divider />
      <Menu.Item
        disabled={!may || !run.ended}
        leftSection={<StepForward size={14} aria-hidden />}
        onClick={() => retry.start([name], "original")}
      >
        Retry from here, as it ran
      </Menu.Item>
      <Menu.Item
        disabled={!may || !run.ended}
        leftSection={<RotateCcw size={14} aria-hidden />}
        onClick={() => retry.start([name], "newest")}
      >
        Retry from here, newest revision
      </Menu.Item>
      <Menu.Divider />
      <Menu.Item
        disabled={!may || ended}
        leftSection={<Ban size={14} aria-hidden />}
        onClick={() =>
          confirm({
            title: `Revoke “${name}”?`,
            text: "The step ends as cancelled, and what depends on it is skipped. Other steps go on.",
            action: "Revoke the step",
            danger: true,
            run: async () => {
              await request("DELETE", step.href);
              await client.invalidateQueries({ queryKey: ["run", run.task_id] });
            },
          })
        }
      >
        Revoke
      </Menu.Item>
    </ContextMenu>
  );
}
