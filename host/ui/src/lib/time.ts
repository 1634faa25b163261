import { create } from "zustand";

/** Times are shown in the browser's zone or in UTC, as this browser was told last. */
interface Zone {
  utc: boolean;
  setUtc: (utc: boolean) => void;
}
const KEY = "powerflow.utc";
const stored = (): boolean => {
  try {
    return localStorage.getItem(KEY) === "1";
  } catch {
    return false;
  }
};
export const useZone = create<Zone>((set) => ({
  utc: stored(),
  setUtc: (utc) => {
    try {
      localStorage.setItem(KEY, utc ? "1" : "0");
    } catch {
      // A browser that stores nothing forgets the choice, no more.
    }
    set({ utc });
  },
}));

/** `2026-11-24 08:15:02` (with milliseconds if asked) in the browser's zone or UTC. */
export function exact(time: string | number | Date, utc: boolean, millis = false): string {
  const at = new Date(time);
  if (Number.isNaN(at.getTime())) return "";
  const local = utc ? at : new Date(at.getTime() - at.getTimezoneOffset() * 60_000);
  const text = local.toISOString();
  return `${text.slice(0, 10)} ${text.slice(11, millis ? 23 : 19)}${utc ? " UTC" : ""}`;
}

const UNITS: [number, Intl.RelativeTimeFormatUnit][] = [
  [86_400, "day"],
  [3_600, "hour"],
  [60, "minute"],
  [1, "second"],
];
const relativeFormat = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });

/** `3 min. ago`, `in 2 hr.` against `now`; `just now` within 5 s. */
export function relative(time: string | number | Date, now: number): string {
  const seconds = (new Date(time).getTime() - now) / 1_000;
  if (Number.isNaN(seconds)) return "";
  if (Math.abs(seconds) < 5) return "just now";
  const [size, unit] = UNITS.find(([length]) => Math.abs(seconds) >= length) ?? [1, "second" as const];
  return relativeFormat.format(Math.trunc(seconds / size), unit);
}

/** A duration to three significant digits: `0.8 ms`, `12.3 ms`, `1.23 s`, `2 min 5 s`, `3 h 20 min`. */
export function duration(ms: number): string {
  if (!Number.isFinite(ms)) return "";
  if (ms < 0) return `-${duration(-ms)}`;
  if (ms < 999.5) return `${Number(ms.toPrecision(3))} ms`;
  const seconds = ms / 1_000;
  if (seconds < 59.95) return `${Number(seconds.toPrecision(3))} s`;
  const whole = Math.round(seconds);
  if (whole < 3_600) return `${Math.floor(whole / 60)} min${whole % 60 ? ` ${whole % 60} s` : ""}`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 1_440) return `${Math.floor(minutes / 60)} h${minutes % 60 ? ` ${minutes % 60} min` : ""}`;
  const hours = Math.round(minutes / 60);
  return `${Math.floor(hours / 24)} d${hours % 24 ? ` ${hours % 24} h` : ""}`;
}

/** The duration between two times in milliseconds; until `now` where it has not ended. */
export function between(
  from: string | null | undefined,
  to: string | null | undefined,
  now: number,
): number | null {
  if (!from) return null;
  return (to ? new Date(to).getTime() : now) - new Date(from).getTime();
}
