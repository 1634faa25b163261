import { ActionIcon, Badge, Button, Group, Menu, SegmentedControl, Text, Tooltip } from "@mantine/core";
import { useCallbackRef, useDebouncedValue } from "@mantine/hooks";
import { useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import {
  ChevronDown,
  CircleCheck,
  CircleX,
  ClipboardPaste,
  Play,
  Redo2,
  Save,
  Settings2,
  Undo2,
  Workflow,
} from "lucide-react";
import { lazy, Suspense, useCallback, useEffect, useMemo, useState } from "react";

import { api, data, tagged } from "@/api/client";
import { asProblem, Problem } from "@/api/problem";
import { RunDialog, useStart } from "@/features/application/RunDialog";
import { useMeta } from "@/features/application/api";
import { CopyDialog } from "@/features/applications/CopyDialog";
import {
  edgesOf,
  readDocument,
  type ApplicationDoc,
  type Position,
  type StepEntry,
} from "@/features/graph/document";
import { confirm } from "@/ui/confirm";
import { MayButton } from "@/ui/MayButton";
import { EmptyState } from "@/ui/states";
import { tell, tellProblem } from "@/ui/tell";
import classes from "./builder.module.css";
import { Canvas } from "./Canvas";
import { AddDialog, ConnectDialog, StepMenu } from "./dialogs";
import { addStep, connect, insertStep, pasted } from "./edit";
import { MetaPanel } from "./MetaPanel";
import { Outline } from "./Outline";
import { Problems, stepOf } from "./Problems";
import { Registry } from "./Registry";
import { StepPanel } from "./StepPanel";
import { keepDraft, useBuilder } from "./store";

const Conflict = lazy(() => import("./Conflict"));

type Dialog =
  | { kind: "add"; after?: string; edge?: string }
  | { kind: "connect"; from: string; to: string | null }
  | { kind: "menu"; name: string; x: number; y: number }
  | { kind: "copy" }
  | { kind: "run"; problem: unknown }
  | { kind: "conflict"; theirs: ApplicationDoc; etag: string | null };

/** The whole builder: registry or outline, canvas, and the panel of what is chosen. */
export function Workbench() {
  const builder = useBuilder((state) => state);
  const { name, document, saved, etag, past, future, selected, panel, faults, warnings, change, select } =
    builder;
  const client = useQueryClient();
  const begin = useStart();
  const meta = useMeta(name);
  const [side, setSide] = useState("steps");
  const [dialog, setDialog] = useState<Dialog | null>(null);
  const [busy, setBusy] = useState(false);
  const dirty = document !== saved;
  const foreign = meta.data?.origin ?? null;

  useValidation();
  useEffect(() => {
    window.document.title = `${dirty ? "• " : ""}${document.friendly_name ?? name} · Builder · PowerFlow`;
  }, [dirty, document.friendly_name, name]);

  const put = useCallback(
    async (over: string | null): Promise<void> => {
      const made = await api.PUT("/api/v1/applications/{name}", {
        params: { path: { name } },
        headers: over ? { "If-Match": over } : { "If-None-Match": "*" },
        body: document as never,
      });
      builder.stored(document, made.response.headers.get("ETag"));
      tell("Saved", made.data && made.data.faults.length > 0 ? "It cannot run yet: see the problems." : "");
      void client.invalidateQueries({ queryKey: ["application", name] });
      void client.invalidateQueries({ queryKey: ["applications"] });
    },
    [builder, client, document, name],
  );
  const save = useCallback(async (): Promise<boolean> => {
    setBusy(true);
    try {
      await put(etag);
      return true;
    } catch (error) {
      if (error instanceof Problem && error.status === 412) {
        const { body, etag: newest } = await tagged(
          api.GET("/api/v1/applications/{name}", { params: { path: { name } } }),
        );
        setDialog({ kind: "conflict", theirs: readDocument(body), etag: newest });
      } else tellProblem("Not saved; your draft is kept in this browser", error);
      return false;
    } finally {
      setBusy(false);
    }
  }, [etag, name, put]);
  const run = async () => {
    if (dirty && !(await save())) return;
    begin(name, {}, (problem) => setDialog({ kind: "run", problem }));
  };
  const add = useCallback(
    (entry: StepEntry, after: string | null, position?: Position) => {
      const added = addStep(document, structuredClone(entry), after, position);
      change(added.document);
      select(added.name);
    },
    [change, document, select],
  );
  const paste = useCallback(
    (text: string) => {
      try {
        const done = pasted(document, text);
        change(done.document);
        select(done.names[0] ?? null);
      } catch {
        tellProblem("Nothing was pasted", new Error("The clipboard holds no steps as JSON."));
      }
    },
    [change, document, select],
  );
  useShortcuts({ save: () => void save(), paste });

  const menu = useCallback(
    (step: string, at: { x: number; y: number }) => setDialog({ kind: "menu", name: step, ...at }),
    [],
  );
  const ask = useCallback(
    (where: { after?: string; edge?: string }) => setDialog({ kind: "add", ...where }),
    [],
  );
  const join = useCallbackRef((from: string, to: string) => {
    if (document.steps.find((step) => step.name === from)?.operator === "condition")
      setDialog({ kind: "connect", from, to });
    else change(connect(document, from, to, { kind: "data" }));
  });
  const drop = useCallbackRef((entry: StepEntry, at: Position) => add(entry, null, at));
  const faultsOf = useMemo(() => {
    const counts: Record<string, number> = {};
    for (const fault of faults) {
      const step = stepOf(document, fault);
      if (step) counts[step] = (counts[step] ?? 0) + 1;
    }
    return counts;
  }, [faults, document]);
  const step = document.steps.find((each) => each.name === selected);
  const chosen = (entry: StepEntry) => {
    if (dialog?.kind !== "add") return;
    const edge = edgesOf(document).find((each) => each.id === dialog.edge);
    if (!edge) {
      add(entry, dialog.after ?? null);
      return;
    }
    const done = insertStep(document, structuredClone(entry), edge);
    change(done.document);
    select(done.name);
  };
  const discard = () =>
    confirm({
      title: "Discard your changes?",
      text: "The application is shown as it is stored.",
      action: "Discard",
      danger: true,
      run: async () => {
        const { body, etag: newest } = await tagged(
          api.GET("/api/v1/applications/{name}", { params: { path: { name } } }),
        );
        builder.reset(readDocument(body), newest);
      },
    });
  return (
    <div className={classes.page} data-fill>
      <div className={classes.head}>
        <h1>{document.friendly_name ?? name}</h1>
        <Tooltip label="Undo (Ctrl Z)">
          <ActionIcon aria-label="Undo" disabled={past.length === 0} onClick={builder.undo}>
            <Undo2 size={16} />
          </ActionIcon>
        </Tooltip>
        <Tooltip label="Redo (Ctrl Shift Z)">
          <ActionIcon aria-label="Redo" disabled={future.length === 0} onClick={builder.redo}>
            <Redo2 size={16} />
          </ActionIcon>
        </Tooltip>
        <Tooltip label="Paste steps (Ctrl V)">
          <ActionIcon
            aria-label="Paste steps"
            onClick={() =>
              void navigator.clipboard
                .readText()
                .then(paste)
                .catch(() =>
                  tellProblem(
                    "Nothing was pasted",
                    new Error("The browser does not let this page read the clipboard: press Ctrl V."),
                  ),
                )
            }
          >
            <ClipboardPaste size={16} />
          </ActionIcon>
        </Tooltip>
        <span className={classes.status} role="status">
          {dirty ? "not saved; kept as a draft in this browser" : "saved"}
        </span>
        {foreign ? (
          <Badge variant="default" tt="none" title="Save it under another name to change it.">
            {foreign}
          </Badge>
        ) : null}
        <Group gap="xs" ml="auto">
          <Button
            variant="default"
            aria-pressed={panel === "problems"}
            onClick={() => builder.show(panel === "problems" ? null : "problems")}
            leftSection={
              faults.length > 0 ? (
                <CircleX size={14} color="var(--state-failed)" aria-hidden />
              ) : (
                <CircleCheck size={14} color="var(--state-success)" aria-hidden />
              )
            }
          >
            {faults.length === 0
              ? "No problems"
              : `${faults.length} ${faults.length === 1 ? "problem" : "problems"}`}
            {warnings.length > 0 ? `, ${warnings.length} to note` : ""}
          </Button>
          <Button
            variant="default"
            leftSection={<Settings2 size={14} aria-hidden />}
            onClick={() => builder.show(panel === "meta" ? null : "meta")}
          >
            Application
          </Button>
          <Button.Group>
            <MayButton
              needs="developer"
              loading={busy}
              leftSection={<Save size={14} aria-hidden />}
              because={foreign ? "It came with a SyncPack: save it as another." : null}
              onClick={() => void save()}
            >
              Save
            </MayButton>
            <Menu>
              <Menu.Target>
                <Button px={6} aria-label="Other ways to save">
                  <ChevronDown size={14} />
                </Button>
              </Menu.Target>
              <Menu.Dropdown>
                <Menu.Item onClick={() => setDialog({ kind: "copy" })}>Save as…</Menu.Item>
                <Menu.Item disabled={!dirty} onClick={discard}>
                  Discard changes…
                </Menu.Item>
                <Menu.Divider />
                <Menu.Item component={Link} to={`/applications/${encodeURIComponent(name)}` as "/"}>
                  Close the builder
                </Menu.Item>
              </Menu.Dropdown>
            </Menu>
          </Button.Group>
          <MayButton
            needs="execute"
            variant="default"
            leftSection={<Play size={14} aria-hidden />}
            onClick={() => void run()}
          >
            {dirty ? "Save and run" : "Run"}
          </MayButton>
        </Group>
      </div>
      <div className={classes.body}>
        <div className={classes.side}>
          <SegmentedControl
            aria-label="Beside the canvas"
            mb="sm"
            value={side}
            onChange={setSide}
            data={[
              { value: "steps", label: "Steps" },
              { value: "outline", label: "Outline" },
            ]}
          />
          {side === "steps" ? (
            <Registry add={(entry) => add(entry, selected)} />
          ) : (
            <Outline menu={menu} faultsOf={faultsOf} />
          )}
        </div>
        <div className={classes.canvas}>
          {document.steps.length === 0 ? (
            <div className={classes.empty}>
              <EmptyState
                icon={Workflow}
                title="An empty canvas"
                action={<Button onClick={() => setDialog({ kind: "add" })}>Add the first step</Button>}
              >
                Drag a step from the left, or click one. Each further one is put behind the step that is
                chosen.
              </EmptyState>
            </div>
          ) : null}
          <Canvas menu={menu} ask={ask} join={join} drop={drop} faultsOf={faultsOf} />
        </div>
        {panel === "step" && step ? (
          <StepPanel
            step={step}
            faults={faults
              .filter((fault) => stepOf(document, fault) === step.name)
              .map((fault) => fault.message)}
          />
        ) : null}
        {panel === "meta" ? <MetaPanel /> : null}
        {panel === "problems" ? <Problems /> : null}
      </div>
      {dialog?.kind === "menu" ? (
        <StepMenu
          name={dialog.name}
          at={dialog}
          close={() => setDialog((old) => (old?.kind === "menu" ? null : old))}
          ask={(after) => setDialog({ kind: "add", after })}
          join={(from) => setDialog({ kind: "connect", from, to: null })}
        />
      ) : null}
      {dialog?.kind === "add" ? (
        <AddDialog
          title={dialog.after ? `Add after “${dialog.after}”` : "Add a step"}
          add={chosen}
          close={() => setDialog(null)}
        />
      ) : null}
      {dialog?.kind === "connect" ? (
        <ConnectDialog from={dialog.from} to={dialog.to} close={() => setDialog(null)} />
      ) : null}
      {dialog?.kind === "copy" ? (
        <CopyDialog name={name} document={document} close={() => setDialog(null)} />
      ) : null}
      {dialog?.kind === "run" ? (
        <RunDialog name={name} problem={dialog.problem} close={() => setDialog(null)} />
      ) : null}
      {dialog?.kind === "conflict" ? (
        <Suspense fallback={<Text fz="sm">…</Text>}>
          <Conflict
            mine={document}
            theirs={dialog.theirs}
            close={() => setDialog(null)}
            saveAs={() => setDialog({ kind: "copy" })}
            take={() => {
              builder.reset(dialog.theirs, dialog.etag);
              keepDraft(name, null);
              setDialog(null);
            }}
            overwrite={async () => {
              await put(dialog.etag);
              setDialog(null);
            }}
          />
        </Suspense>
      ) : null}
    </div>
  );
}

/** Asks the service what is wrong, a moment after each change. */
function useValidation(): void {
  const document = useBuilder((state) => state.document);
  const judged = useBuilder((state) => state.judged);
  const [settled] = useDebouncedValue(document, 350);
  useEffect(() => {
    let current = true;
    data(api.POST("/api/v1/applications/validate", { body: settled as never }))
      .then((validation) => {
        if (current) judged(validation.faults, validation.warnings);
      })
      .catch((error: unknown) => {
        // A document that cannot be read at all has its faults in the refusal.
        const problem = asProblem(error);
        if (current && problem.faults.length > 0) judged(problem.faults, []);
      });
    return () => {
      current = false;
    };
  }, [settled, judged]);
}

/** Keys of the whole page: save, undo, redo, copy, paste. Fields keep their own. */
function useShortcuts({ save, paste }: { save: () => void; paste: (text: string) => void }): void {
  const { undo, redo } = useBuilder((state) => state);
  useEffect(() => {
    const typing = (target: EventTarget | null) =>
      (target as HTMLElement | null)?.closest?.("input,textarea,[contenteditable=true],.cm-editor");
    const key = (event: KeyboardEvent) => {
      if (!(event.ctrlKey || event.metaKey)) return;
      const letter = event.key.toLowerCase();
      if (letter === "s") {
        event.preventDefault();
        save();
        return;
      }
      if (typing(event.target)) return;
      if (letter === "z") {
        event.preventDefault();
        (event.shiftKey ? redo : undo)();
      }
      if (letter === "y") {
        event.preventDefault();
        redo();
      }
    };
    const pasteHere = (event: ClipboardEvent) => {
      const text = event.clipboardData?.getData("text/plain");
      if (typing(event.target) || !text) return;
      event.preventDefault();
      paste(text);
    };
    window.addEventListener("keydown", key);
    window.addEventListener("paste", pasteHere);
    return () => {
      window.removeEventListener("keydown", key);
      window.removeEventListener("paste", pasteHere);
    };
  }, [save, paste, undo, redo]);
}
