import { ActionIcon, Button, Select, Switch, Text, TextInput, Tooltip } from "@mantine/core";
import { useVirtualizer } from "@tanstack/react-virtual";
import { Check, Copy, Download, ScrollText, Search } from "lucide-react";
import { Fragment, useEffect, useMemo, useRef, useState } from "react";

import { request, type Schema } from "@/api/client";
import { useParams } from "@/lib/search";
import { exact, useZone } from "@/lib/time";
import { EmptyState, Loading, ProblemAlert } from "@/ui/states";
import { pieces } from "./ansi";
import classes from "./run.module.css";

type Line = Schema<"Line">;

const TONES: Record<string, string> = {
  ERROR: "failed",
  WARNING: "warning",
  FLOW: "running",
  INFO: "idle",
  DEBUG: "idle",
};
const ROW = 20;
/** Lines of one answer. */
const PART = 2_000;

/** All lines of a log so far, read on while the run goes on. */
function useLines(id: string, level: string | undefined, live: boolean) {
  const [lines, setLines] = useState<Line[] | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [round, setRound] = useState(0);
  const running = useRef(live);
  useEffect(() => {
    running.current = live;
  }, [live]);
  useEffect(() => {
    const stop = new AbortController();
    let timer: number | undefined;
    let after: string | undefined;
    let all: Line[] = [];
    const read = async () => {
      try {
        let more = true;
        while (more && !stop.signal.aborted) {
          const query = new URLSearchParams({
            limit: String(PART),
            ...(after ? { after } : {}),
            ...(level ? { level } : {}),
          });
          const part = await request<Schema<"LogPart">>(
            "GET",
            `/api/v1/tasks/${id}/logs?${query.toString()}`,
            undefined,
            {},
            stop.signal,
          );
          after = part.next;
          if (part.items.length > 0 || all.length === 0) {
            all = all.concat(part.items);
            setLines(all);
          }
          setError(null);
          // `more` is true as well while the run goes on: then the next part is waited for.
          more = part.items.length >= PART;
          if (!part.more && !running.current) return;
        }
      } catch (problem) {
        if (stop.signal.aborted) return;
        setError(problem);
      }
      timer = window.setTimeout(() => void read(), 1_000);
    };
    void read();
    return () => {
      stop.abort();
      window.clearTimeout(timer);
    };
  }, [id, level, round]);
  return { lines, error, again: () => setRound((old) => old + 1) };
}

/** A log: paged from the service, drawn by the rows that are in sight. */
export function Logs({ id, name, live }: { id: string; name: string; live: boolean }) {
  const [params, setParams] = useParams();
  const utc = useZone((zone) => zone.utc);
  const { lines, error, again } = useLines(id, params.level, live);
  const [search, setSearch] = useState("");
  const [wrap, setWrap] = useState(false);
  const [follow, setFollow] = useState(live);
  const [open, setOpen] = useState<ReadonlySet<number>>(new Set());
  const [copied, setCopied] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const needle = search.toLowerCase();
  const shown = useMemo(
    () =>
      (lines ?? [])
        .map((line, index) => ({ line, index }))
        .filter(
          ({ line }) =>
            !needle ||
            line.message.toLowerCase().includes(needle) ||
            line.step.toLowerCase().includes(needle),
        ),
    [lines, needle],
  );
  // eslint-disable-next-line react-hooks/incompatible-library -- the list is the one user of its values
  const rows = useVirtualizer({
    count: shown.length,
    getScrollElement: () => box.current,
    estimateSize: () => ROW,
    overscan: 30,
    getItemKey: (row) => shown[row]?.index ?? row,
  });
  const count = shown.length;
  useEffect(() => {
    if (follow && count > 0) rows.scrollToIndex(count - 1, { align: "end" });
  }, [count, follow, rows]);

  const asText = () =>
    shown
      .map(({ line }) => `${exact(line.time, utc, true)} ${line.level} [${line.step}] ${line.message}`)
      .join("\n");
  const copy = () => {
    void navigator.clipboard.writeText(asText()).then(() => {
      setCopied(true);
      window.setTimeout(() => setCopied(false), 1_500);
    });
  };
  const download = () => {
    const url = URL.createObjectURL(new Blob([asText()], { type: "text/plain" }));
    const link = document.createElement("a");
    link.href = url;
    link.download = `${name.replace(/[^\w.-]+/g, "_")}-${id.slice(-8)}.log`;
    link.click();
    URL.revokeObjectURL(url);
  };
  const toggle = (index: number) => {
    const next = new Set(open);
    if (!next.delete(index)) next.add(index);
    setOpen(next);
  };

  return (
    <div className={classes.logs}>
      <div className={classes.logtools}>
        <TextInput
          aria-label="Search the log"
          placeholder="Search the log"
          data-search
          value={search}
          onChange={(event) => setSearch(event.currentTarget.value)}
          leftSection={<Search size={13} aria-hidden />}
          w={220}
        />
        <Select
          aria-label="Level"
          w={140}
          clearable
          placeholder="All levels"
          data={[
            { value: "10", label: "Debug" },
            { value: "20", label: "Info" },
            { value: "30", label: "Warning" },
            { value: "40", label: "Error" },
          ]}
          value={params.level ?? null}
          onChange={(level) => setParams({ level: level ?? undefined })}
        />
        <Switch label="Wrap" checked={wrap} onChange={(event) => setWrap(event.currentTarget.checked)} />
        <Switch
          label="Follow"
          checked={follow}
          onChange={(event) => setFollow(event.currentTarget.checked)}
        />
        <Text fz="xs" c="dimmed" role="status" ml="auto">
          {needle ? `${count} of ${lines?.length ?? 0} lines` : `${count} lines`}
          {live ? ", live" : ""}
        </Text>
        <Tooltip label={copied ? "Copied" : "Copy what is shown"}>
          <ActionIcon aria-label="Copy what is shown" onClick={copy}>
            {copied ? <Check size={15} /> : <Copy size={15} />}
          </ActionIcon>
        </Tooltip>
        <Tooltip label="Download what is shown">
          <ActionIcon aria-label="Download what is shown" onClick={download}>
            <Download size={15} />
          </ActionIcon>
        </Tooltip>
      </div>
      {error && !lines ? <ProblemAlert error={error} retry={again} /> : null}
      {!lines && !error ? (
        <div style={{ padding: 20 }}>
          <Loading rows={8} />
        </div>
      ) : null}
      {lines && count === 0 ? (
        <EmptyState
          icon={ScrollText}
          title={needle ? "No line holds that" : live ? "No lines yet" : "No lines"}
          action={
            needle ? (
              <Button variant="default" onClick={() => setSearch("")}>
                Clear the search
              </Button>
            ) : undefined
          }
        >
          {needle ? null : "Lines below the run's log level are not kept: a debug run keeps all."}
        </EmptyState>
      ) : null}
      {/* The log is scrolled by keyboard. */}
      {}
      <div
        ref={box}
        className={classes.lines}
        tabIndex={0}
        role="log"
        aria-label={`Log of ${name}`}
        aria-live="off"
        hidden={count === 0}
        onWheel={(event) => {
          if (event.deltaY < 0) setFollow(false);
        }}
      >
        <div style={{ height: rows.getTotalSize(), position: "relative" }}>
          {rows.getVirtualItems().map((row) => {
            const entry = shown[row.index];
            if (!entry) return null;
            const { line, index } = entry;
            const tone = TONES[line.level] ?? "idle";
            return (
              // A double click opens a long line; the button at its level does so by keyboard.
              <div
                key={row.key}
                data-index={row.index}
                ref={rows.measureElement}
                className={classes.line}
                data-open={wrap || open.has(index) || undefined}
                style={{ transform: `translateY(${row.start}px)` }}
                onDoubleClick={() => toggle(index)}
              >
                <span className={classes.time} title={exact(line.time, utc, true)}>
                  {exact(line.time, utc, true).slice(11, 23)}
                </span>
                <span className={classes.level} style={{ color: `var(--state-${tone}-text)` }}>
                  {line.level}
                </span>
                <span className={classes.step} title={line.step}>
                  {line.step}
                  {line.attempt > 1 ? ` #${line.attempt}` : ""}
                </span>
                <span className={classes.text}>
                  <Message text={line.message} needle={needle} />
                </span>
              </div>
            );
          })}
        </div>
      </div>
    </div>
  );
}

/** A line's text with its colours, what was searched for marked. */
function Message({ text, needle }: { text: string; needle: string }) {
  return pieces(text).map((piece, index) => (
    <span
      key={index}
      style={{
        color: piece.tone ? `var(--state-${piece.tone}-text)` : undefined,
        fontWeight: piece.bold ? 600 : undefined,
      }}
    >
      {needle ? marked(piece.text, needle) : piece.text}
    </span>
  ));
}

function marked(text: string, needle: string) {
  const found = [];
  const lower = text.toLowerCase();
  let from = 0;
  for (let at = lower.indexOf(needle); at >= 0; at = lower.indexOf(needle, from)) {
    found.push(
      <Fragment key={`t${from}`}>{text.slice(from, at)}</Fragment>,
      <mark key={`m${at}`}>{text.slice(at, at + needle.length)}</mark>,
    );
    from = at + needle.length;
  }
  found.push(<Fragment key="rest">{text.slice(from)}</Fragment>);
  return found;
}
