import { Tooltip } from "@mantine/core";

import { useNow } from "@/lib/clock";
import { between, duration, exact, relative, useZone } from "@/lib/time";

/** A time, relative to now, with the exact one on hover and focus; `exactly` shows that one. */
export function Time({ at, exactly = false }: { at: string | null | undefined; exactly?: boolean }) {
  const utc = useZone((zone) => zone.utc);
  const now = useNow();
  if (!at) return <span aria-label="never">–</span>;
  const long = exact(at, utc);
  return (
    <Tooltip label={exactly ? relative(at, now) : exact(at, utc, true)}>
      <time dateTime={at} className="num" style={{ whiteSpace: "nowrap" }}>
        {exactly ? long : relative(at, now)}
      </time>
    </Tooltip>
  );
}

/** How long something took, or takes so far. */
export function Took({ from, to }: { from: string | null | undefined; to: string | null | undefined }) {
  const now = useNow();
  const ms = between(from, to, now);
  return (
    <span className="num">
      {ms === null ? "–" : duration(to ? ms : Math.max(0, Math.round(ms / 1000) * 1000))}
    </span>
  );
}
