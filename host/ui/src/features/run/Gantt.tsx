import { useNow } from "@/lib/clock";
import { look, mark } from "@/lib/states";
import { between, duration } from "@/lib/time";
import { StateBadge } from "@/ui/StateBadge";
import type { Run } from "./api";
import classes from "./run.module.css";

const TICKS = 6;

/** When each step waited in the queue and when it was executed. Bars of running steps grow. */
export function Gantt({
  run,
  selected,
  select,
}: {
  run: Run;
  selected: string | null;
  select: (name: string | null) => void;
}) {
  const now = useNow();
  const begin = new Date(run.created_at).getTime();
  const end = Math.max(run.finished_at ? new Date(run.finished_at).getTime() : now, begin + 1);
  const whole = end - begin;
  const at = (time: string | null | undefined, missing: number) =>
    ((time ? new Date(time).getTime() : missing) - begin) / whole;
  const percent = (part: number) => `${Math.max(0, Math.min(100, part * 100))}%`;
  return (
    <div className={classes.gantt}>
      <div className={classes.legend}>
        <span>
          <span
            className={classes.wait}
            style={{ position: "relative", display: "inline-block", width: 28, top: -2, marginRight: 6 }}
          />
          ready, in the queue or waiting
        </span>
        <span>
          <span
            style={{
              display: "inline-block",
              width: 28,
              height: 10,
              borderRadius: 2,
              background: "var(--state-success)",
              marginRight: 6,
            }}
          />
          executed, in the colour of its state
        </span>
      </div>
      <div className={classes.axis} aria-hidden>
        {Array.from({ length: TICKS + 1 }, (_, tick) => (
          <span key={tick} style={{ left: percent(tick / TICKS) }}>
            {tick === 0 ? "0" : duration((whole * tick) / TICKS)}
          </span>
        ))}
      </div>
      {run.steps.map((step) => {
        const { tone } = look(step.state);
        const ready = step.ready_at ? at(step.ready_at, now) : null;
        const began = step.started_at ? at(step.started_at, now) : null;
        const over = at(step.finished_at, Math.min(now, end));
        const queued = ready === null ? null : ((began ?? over) - ready) * whole;
        const took = between(step.started_at, step.finished_at, end);
        const words = [
          look(step.state).label,
          queued === null ? null : `${duration(Math.max(0, queued))} in the queue`,
          took === null ? null : `${duration(took)} executed`,
        ]
          .filter(Boolean)
          .join(", ");
        return (
          <button
            type="button"
            key={step.task_id}
            className={classes.row}
            data-selected={selected === step.name || undefined}
            aria-pressed={selected === step.name}
            aria-label={`${step.name}: ${words}`}
            title={words}
            onClick={() => select(selected === step.name ? null : step.name)}
          >
            <span className={classes.name}>
              <StateBadge state={step.state} plain /> {step.name}
            </span>
            <span className={classes.track}>
              {ready === null ? null : (
                <span
                  className={classes.wait}
                  style={{ left: percent(ready), width: percent((began ?? over) - ready) }}
                />
              )}
              {began === null ? null : (
                <span
                  className={classes.bar}
                  style={{ left: percent(began), width: percent(over - began), background: mark(tone) }}
                />
              )}
              {took === null ? null : over > 0.85 ? (
                <span
                  className={classes.length}
                  style={{ right: percent(1 - (began ?? over)), paddingRight: 5 }}
                >
                  {duration(took)}
                </span>
              ) : (
                <span className={classes.length} style={{ left: percent(over) }}>
                  {duration(took)}
                </span>
              )}
            </span>
          </button>
        );
      })}
    </div>
  );
}
