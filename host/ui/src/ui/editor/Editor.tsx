import {
  autocompletion,
  closeBrackets,
  completionKeymap,
  type CompletionSource,
} from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { jinja } from "@codemirror/lang-jinja";
import { json, jsonParseLinter } from "@codemirror/lang-json";
import {
  bracketMatching,
  foldGutter,
  foldKeymap,
  HighlightStyle,
  indentOnInput,
  syntaxHighlighting,
} from "@codemirror/language";
import { lintGutter, linter } from "@codemirror/lint";
import { highlightSelectionMatches, search, searchKeymap } from "@codemirror/search";
import { Compartment, EditorState, type Extension } from "@codemirror/state";
import {
  drawSelection,
  EditorView,
  highlightActiveLine,
  keymap,
  lineNumbers,
  placeholder as hint,
} from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { useEffect, useRef } from "react";

export interface EditorProps {
  value: string;
  onChange?: (value: string) => void;
  language: "json" | "jinja" | "text";
  /** What it is, for screen readers. */
  label: string;
  readOnly?: boolean;
  placeholder?: string;
  /** In CSS units; grows with the text between them. */
  minHeight?: string;
  maxHeight?: string;
  /** Offers completions, for references such as `${step.path}`. */
  complete?: CompletionSource;
}

const colours = HighlightStyle.define([
  { tag: [tags.propertyName, tags.variableName], color: "var(--state-running-text)" },
  { tag: [tags.string], color: "var(--state-success-text)" },
  {
    tag: [tags.number, tags.bool, tags.null, tags.keyword, tags.operatorKeyword],
    color: "var(--state-waiting-text)",
  },
  { tag: [tags.comment], color: "var(--text-soft)" },
  {
    tag: [tags.special(tags.brace), tags.processingInstruction, tags.meta],
    color: "var(--state-warning-text)",
  },
]);

const look = EditorView.theme({
  "&": {
    fontSize: "12.5px",
    background: "var(--surface)",
    color: "var(--text)",
    border: "1px solid var(--line-strong)",
    borderRadius: "4px",
  },
  "&.cm-focused": { outline: "2px solid var(--mantine-primary-color-filled)" },
  ".cm-content": { fontFamily: "var(--mantine-font-family-monospace)", caretColor: "var(--text)" },
  ".cm-cursor": { borderLeftColor: "var(--text)" },
  ".cm-gutters": { background: "var(--surface-sunk)", color: "var(--text-soft)", border: "none" },
  ".cm-activeLine": { background: "transparent" },
  "&.cm-focused .cm-activeLine": { background: "color-mix(in srgb, var(--line) 35%, transparent)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    background: "color-mix(in srgb, var(--mantine-primary-color-filled) 28%, transparent) !important",
  },
  ".cm-tooltip": {
    background: "var(--surface-raised)",
    border: "1px solid var(--line)",
    color: "var(--text)",
  },
  ".cm-tooltip-autocomplete > ul > li[aria-selected]": {
    background: "var(--mantine-primary-color-filled)",
    color: "#fff",
  },
  ".cm-panels": { background: "var(--surface-sunk)", color: "var(--text)" },
  ".cm-placeholder": { color: "var(--text-soft)" },
});

/** An empty text is no error: what it means is the form's business. */
const jsonFaults = linter((view) => (view.state.doc.toString().trim() === "" ? [] : jsonParseLinter()(view)));

function languageOf(language: EditorProps["language"]): Extension {
  if (language === "json") return [json(), jsonFaults, lintGutter(), foldGutter()];
  return language === "jinja" ? jinja() : [];
}

export default function Editor({
  value,
  onChange,
  language,
  label,
  readOnly = false,
  placeholder,
  minHeight = "80px",
  maxHeight = "60vh",
  complete,
}: EditorProps) {
  const parent = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const changed = useRef(onChange);
  const source = useRef(complete);
  const first = useRef(value);
  const writable = useRef(new Compartment());
  useEffect(() => {
    changed.current = onChange;
    source.current = complete;
  });

  useEffect(() => {
    if (!parent.current) return;
    const editor = new EditorView({
      parent: parent.current,
      state: EditorState.create({
        doc: first.current,
        extensions: [
          lineNumbers(),
          history(),
          drawSelection(),
          indentOnInput(),
          bracketMatching(),
          closeBrackets(),
          highlightActiveLine(),
          highlightSelectionMatches(),
          search({ top: true }),
          autocompletion({ override: [(context) => source.current?.(context) ?? null] }),
          // Tab leaves the editor, as everywhere on the page.
          keymap.of([
            ...defaultKeymap,
            ...searchKeymap,
            ...historyKeymap,
            ...foldKeymap,
            ...completionKeymap,
          ]),
          languageOf(language),
          syntaxHighlighting(colours),
          look,
          EditorView.theme({ ".cm-scroller": { overflow: "auto", minHeight, maxHeight } }),
          EditorView.lineWrapping,
          EditorView.contentAttributes.of({ "aria-label": label }),
          placeholder ? hint(placeholder) : [],
          writable.current.of([EditorState.readOnly.of(readOnly)]),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) changed.current?.(update.state.doc.toString());
          }),
        ],
      }),
    });
    view.current = editor;
    return () => {
      view.current = null;
      first.current = editor.state.doc.toString();
      editor.destroy();
    };
  }, [language, label, minHeight, maxHeight, placeholder, readOnly]);

  useEffect(() => {
    const editor = view.current;
    if (editor && editor.state.doc.toString() !== value) {
      editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: value } });
    }
  }, [value]);

  return <div ref={parent} />;
}
