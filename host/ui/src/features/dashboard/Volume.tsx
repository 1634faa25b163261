import { Group, SegmentedControl, Table, Text } from "@mantine/core";

import { useParams } from "@/lib/search";
import { look, mark, RUN_STATES } from "@/lib/states";
import { duration, exact, useZone } from "@/lib/time";
import { Loading, ProblemAlert } from "@/ui/states";
import { useVolume, type Volume as Data } from "./api";
import { Card, Counts } from "./parts";
import classes from "./Volume.module.css";

const SPANS: [string, number][] = [
  ["2 h", 2],
  ["24 h", 24],
  ["7 d", 168],
  ["30 d", 720],
];

type Part = Data["parts"][number];

const sum = (part: Part) => Object.values(part.states).reduce((all, count) => all + count, 0);

/** All parts of the span in their order; `null` stands for one without runs. */
export function spread(volume: Data): { from: number; part: Part | null }[] {
  const begin = Date.parse(volume.from);
  const length = volume.part_seconds * 1_000;
  const count = Math.round((Date.parse(volume.until) - begin) / length);
  const parts = new Map(
    volume.parts.map((part) => [Math.round((Date.parse(part.from) - begin) / length), part]),
  );
  return Array.from({ length: count }, (_, index) => ({
    from: begin + index * length,
    part: parts.get(index) ?? null,
  }));
}

/** How much has run, and how long it took. */
export function Volume() {
  const [params, setParams] = useParams();
  const hours = SPANS.find(([, each]) => String(each) === params.hours)?.[1] ?? 24;
  const volume = useVolume(hours);
  return (
    <Card
      title="Runs"
      aside={
        <SegmentedControl
          aria-label="Window of the charts"
          size="xs"
          value={String(hours)}
          onChange={(value) => setParams({ hours: value === "24" ? undefined : value })}
          data={SPANS.map(([label, each]) => ({ label, value: String(each) }))}
        />
      }
    >
      {volume.error && !volume.data ? (
        <ProblemAlert error={volume.error} retry={() => void volume.refetch()} />
      ) : null}
      {!volume.data && !volume.error ? <Loading rows={4} /> : null}
      {volume.data ? <Charts volume={volume.data} /> : null}
    </Card>
  );
}

function Charts({ volume }: { volume: Data }) {
  const utc = useZone((zone) => zone.utc);
  const states = RUN_STATES.filter((state) => volume.states[state]);
  if (states.length === 0)
    return (
      <Text fz="sm" c="dimmed">
        Nothing ran in this time.
      </Text>
    );
  const parts = spread(volume);
  const highest = Math.max(1, ...volume.parts.map(sum));
  const slowest = Math.max(0.001, ...volume.parts.map((part) => part.longest ?? 0));
  const took = (seconds: number | null | undefined) =>
    seconds === null || seconds === undefined ? "–" : duration(seconds * 1_000);
  const words = (part: Part) =>
    `${exact(Date.parse(part.from), utc)}: ${states
      .filter((state) => part.states[state])
      .map((state) => `${part.states[state] ?? 0} ${look(state).label.toLowerCase()}`)
      .join(", ")}; mean ${took(part.mean)}, longest ${took(part.longest)}`;
  const ends = [volume.from, volume.until].map((at) => exact(Date.parse(at), utc).slice(5, 16));
  return (
    <>
      <Counts
        counts={states.map((state) => [state, volume.states[state] ?? 0])}
        to={(state) => `/runs?state=${state}`}
      />
      <div aria-hidden>
        <Text fz="xs" c="dimmed">
          Accepted, at most {highest} in {duration(volume.part_seconds * 1_000)}
        </Text>
        <div className={classes.chart}>
          {parts.map(({ from, part }) => (
            <div key={from} className={classes.bar} title={part ? words(part) : undefined}>
              {part
                ? states.map((state) => (
                    <div
                      key={state}
                      style={{
                        height: `${((part.states[state] ?? 0) / highest) * 100}%`,
                        background: mark(look(state).tone),
                      }}
                    />
                  ))
                : null}
            </div>
          ))}
        </div>
        <Text fz="xs" c="dimmed" mt="sm">
          Took, mean and longest, at most {took(slowest)}
        </Text>
        <div className={`${classes.chart ?? ""} ${classes.low ?? ""}`} style={{ marginTop: 0 }}>
          {parts.map(({ from, part }) => (
            <div key={from} className={classes.bar} title={part ? words(part) : undefined}>
              {part ? (
                <>
                  <div
                    style={{
                      height: `${((part.mean ?? 0) / slowest) * 100}%`,
                      background: mark("running"),
                    }}
                  />
                  <div
                    style={{
                      height: `${(((part.longest ?? 0) - (part.mean ?? 0)) / slowest) * 100}%`,
                      background: mark("running"),
                      opacity: 0.35,
                    }}
                  />
                </>
              ) : null}
            </div>
          ))}
        </div>
        <Group className={classes.axis} wrap="nowrap">
          <span>{ends[0]}</span>
          <span>{ends[1]}</span>
        </Group>
      </div>
      <details>
        <summary>
          <Text span fz="xs">
            As a table
          </Text>
        </summary>
        <Table.ScrollContainer minWidth={320} type="native">
          <Table aria-label="Runs over time" fz="xs">
            <Table.Thead>
              <Table.Tr>
                <Table.Th>From</Table.Th>
                {states.map((state) => (
                  <Table.Th key={state} ta="right">
                    {look(state).label}
                  </Table.Th>
                ))}
                <Table.Th ta="right">Mean</Table.Th>
                <Table.Th ta="right">Longest</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {volume.parts.map((part) => (
                <Table.Tr key={part.from}>
                  <Table.Td>{exact(Date.parse(part.from), utc)}</Table.Td>
                  {states.map((state) => (
                    <Table.Td key={state} ta="right">
                      {part.states[state] ?? 0}
                    </Table.Td>
                  ))}
                  <Table.Td ta="right">{took(part.mean)}</Table.Td>
                  <Table.Td ta="right">{took(part.longest)}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      </details>
    </>
  );
}
