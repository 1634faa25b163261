/** Puts runs that overlap into lanes; what finds no lane goes into the last. */
export function lanes(runs: { from: number; to: number }[], count: number): number[] {
  const ends = new Array<number>(count).fill(-Infinity);
  return runs.map((run) => {
    const free = ends.findIndex((end) => end <= run.from);
    const lane = free < 0 ? count - 1 : free;
    ends[lane] = Math.max(ends[lane] ?? 0, run.to);
    return lane;
  });
}
