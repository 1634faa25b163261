import { ink, look, mark, soft } from "@/lib/states";

import classes from "./StateBadge.module.css";

/** A state as icon, word and colour. `plain` leaves the ground away, as in dense tables. */
export function StateBadge({ state, plain = false }: { state: string; plain?: boolean }) {
  const { label, tone, icon: Icon } = look(state);
  return (
    <span
      className={classes.badge}
      data-state={state}
      style={{
        color: ink(tone),
        background: plain ? undefined : soft(tone),
        paddingInline: plain ? 0 : undefined,
      }}
    >
      <Icon
        size={14}
        color={mark(tone)}
        aria-hidden
        className={state === "running" ? classes.spin : undefined}
      />
      {label}
    </span>
  );
}
