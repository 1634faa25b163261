import {
  BookOpen,
  Blocks,
  CalendarClock,
  Database,
  FileWarning,
  Gauge,
  Layers,
  ListTree,
  PackageOpen,
  Settings2,
  UserCheck,
  Webhook,
  Workflow,
  type LucideIcon,
} from "lucide-react";

/** A place of the navigation rail. */
export interface Place {
  to: string;
  label: string;
  icon: LucideIcon;
  /** Which count of what needs attention is shown beside it. */
  count?: "approvals" | "dead_letters";
}

/** The navigation rail, in its groups. */
export const PLACES: Place[][] = [
  [
    { to: "/", label: "Dashboard", icon: Gauge },
    { to: "/applications", label: "Applications", icon: Workflow },
    { to: "/runs", label: "Runs", icon: ListTree },
    { to: "/schedules", label: "Schedules", icon: CalendarClock },
    { to: "/webhooks", label: "Webhooks", icon: Webhook },
    { to: "/configurations", label: "Configurations", icon: Settings2 },
  ],
  [
    { to: "/approvals", label: "Approvals", icon: UserCheck, count: "approvals" },
    { to: "/dead-letters", label: "Dead letters", icon: FileWarning, count: "dead_letters" },
    { to: "/queues", label: "Queues and workers", icon: Layers },
    { to: "/cache", label: "Cache", icon: Database },
  ],
  [
    { to: "/syncpacks", label: "SyncPacks", icon: PackageOpen },
    { to: "/steps", label: "Steps", icon: Blocks },
    { to: "/help", label: "Help", icon: BookOpen },
  ],
];
