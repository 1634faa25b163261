import { MergeView } from "@codemirror/merge";
import { EditorState } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import { useEffect, useRef, useState } from "react";

import type { ApplicationDoc } from "@/features/graph/document";
import { ProblemAlert } from "@/ui/states";

interface Props {
  mine: ApplicationDoc;
  theirs: ApplicationDoc;
  /** Saves mine over theirs, knowingly. */
  overwrite: () => Promise<void>;
  /** Goes on from theirs. */
  take: () => void;
  /** Saves mine under another name. */
  saveAs?: () => void;
  close: () => void;
}

/** Somebody else saved in the meantime: shows both, and lets a person choose. Nothing is lost by closing it. */
export default function Conflict({ mine, theirs, overwrite, take, saveAs, close }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [left, right] = [JSON.stringify(theirs, null, 2), JSON.stringify(mine, null, 2)];
  useEffect(() => {
    if (!box.current) return;
    const side = (doc: string, label: string) => ({
      doc,
      extensions: [
        EditorState.readOnly.of(true),
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({ "aria-label": label }),
        EditorView.theme({ "&": { fontSize: "12px" } }),
      ],
    });
    const view = new MergeView({
      parent: box.current,
      a: side(left, "Theirs"),
      b: side(right, "Mine"),
      collapseUnchanged: { margin: 3, minSize: 6 },
    });
    return () => view.destroy();
  }, [left, right]);
  const save = () => {
    setBusy(true);
    setError(null);
    overwrite()
      .catch((problem: unknown) => setError(problem))
      .finally(() => setBusy(false));
  };
  return (
    <Modal opened onClose={close} size="90%" title="Somebody else saved in the meantime">
      <Stack gap="md">
        <Text fz="sm">
          On the left what is stored now, on the right yours. Yours stays here as a draft until you decide.
        </Text>
        {/* The difference scrolls, so it is reached by keyboard. */}
        {}
        <div
          ref={box}
          tabIndex={0}
          role="region"
          aria-label="Difference"
          style={{ maxHeight: "55vh", overflow: "auto", border: "1px solid var(--line)" }}
        />
        {error ? <ProblemAlert error={error} title="Not saved" /> : null}
        <Group justify="flex-end" gap="sm">
          <Button variant="default" onClick={close}>
            Go on editing
          </Button>
          <Button variant="default" onClick={take}>
            Take theirs
          </Button>
          {saveAs ? (
            <Button variant="default" onClick={saveAs}>
              Save mine as…
            </Button>
          ) : null}
          <Button color="red" loading={busy} onClick={save}>
            Save mine over it
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
