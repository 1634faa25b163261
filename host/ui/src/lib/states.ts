import {
  Ban,
  CircleCheck,
  CircleDashed,
  CircleX,
  Clock,
  Hourglass,
  LoaderCircle,
  Pause,
  Route,
  SkipForward,
  TriangleAlert,
  type LucideIcon,
} from "lucide-react";

/** The tones of the one palette of states. */
export type Tone = "running" | "success" | "warning" | "failed" | "waiting" | "idle";

/** How a state is shown: never by colour alone. */
export interface Look {
  label: string;
  tone: Tone;
  icon: LucideIcon;
}

const LOOKS: Record<string, Look> = {
  queued: { label: "Queued", tone: "waiting", icon: Clock },
  pending: { label: "Pending", tone: "idle", icon: CircleDashed },
  ready: { label: "Queued", tone: "waiting", icon: Clock },
  running: { label: "Running", tone: "running", icon: LoaderCircle },
  waiting: { label: "Waiting", tone: "waiting", icon: Hourglass },
  success: { label: "Success", tone: "success", icon: CircleCheck },
  warning: { label: "Warning", tone: "warning", icon: TriangleAlert },
  failed: { label: "Failed", tone: "failed", icon: CircleX },
  skipped: { label: "Skipped", tone: "idle", icon: SkipForward },
  not_taken: { label: "Not taken", tone: "idle", icon: Route },
  cancelled: { label: "Cancelled", tone: "idle", icon: Ban },
  paused: { label: "Paused", tone: "waiting", icon: Pause },
};

/** How a state of a run, a step or a task is shown. */
export function look(state: string): Look {
  return LOOKS[state] ?? { label: state, tone: "idle", icon: CircleDashed };
}

/** The states that a run can be in, in the order of lists. */
export const RUN_STATES = ["queued", "running", "success", "warning", "failed", "cancelled"] as const;

/** The colour of marks and bars of a tone. */
export const mark = (tone: Tone): string => `var(--state-${tone})`;
/** The colour of words of a tone. */
export const ink = (tone: Tone): string => `var(--state-${tone}-text)`;
/** The ground behind words of a tone. */
export const soft = (tone: Tone): string => `var(--state-${tone}-soft)`;
