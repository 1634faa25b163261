import { lazy, Suspense } from "react";

import type { EditorProps } from "./editor/Editor";
import { Loading } from "./states";

const Editor = lazy(() => import("./editor/Editor"));

/** A text editor for JSON or Jinja; loaded when the first one is shown. */
export function CodeEditor(props: EditorProps) {
  return (
    <Suspense fallback={<Loading rows={4} />}>
      <Editor {...props} />
    </Suspense>
  );
}
