import type { CompletionContext, CompletionResult } from "@codemirror/autocomplete";

import type { ApplicationDoc } from "@/features/graph/document";

/** The paths into a value that a reference can name, down to a few levels. */
export function pathsOf(value: unknown, before = "", depth = 0): string[] {
  if (depth > 4 || typeof value !== "object" || value === null) return [];
  const entries = Array.isArray(value)
    ? value.slice(0, 1).map((inner, index) => [String(index), inner] as const)
    : Object.entries(value).slice(0, 60);
  return entries.flatMap(([key, inner]) => [
    `${before}.${key}`,
    ...pathsOf(inner, `${before}.${key}`, depth + 1),
  ]);
}

/** What can stand after `${`: variables, configuration variables, data of other steps. */
export function references(
  document: ApplicationDoc,
  own: string,
  configuration: string[],
  outputs: Record<string, unknown>,
): string[] {
  return [
    ...(document.app_variables ?? []).map((variable) => `appvar.${variable.name}`),
    ...configuration.map((name) => `config.${name}`),
    ...document.steps
      .filter((step) => step.name !== own)
      .flatMap((step) => [step.name, ...pathsOf(outputs[step.name], step.name)]),
  ];
}

const WORDS = [
  "input",
  "steps",
  "loop",
  "namespace",
  "for",
  "endfor",
  "if",
  "elif",
  "else",
  "endif",
  "set",
  "do",
  "tojson",
  "default",
  "join",
  "length",
  "lower",
  "upper",
  "replace",
  "map",
  "select",
  "selectattr",
  "sort",
  "first",
  "last",
  "unique",
  "groupby",
  "int",
  "float",
  "string",
  "trim",
  "items",
];

/** Completions of references and, in templates, of Jinja's words and the data. */
export function completion(known: string[], outputs: Record<string, unknown>, jinja: boolean) {
  return (context: CompletionContext): CompletionResult | null => {
    const reference = context.matchBefore(/\$\{[^}]*/);
    if (reference)
      return {
        from: reference.from + 2,
        options: known.map((label) => ({ label, type: "variable", apply: `${label}}` })),
        validFor: /^[^}]*$/,
      };
    if (!jinja) return null;
    const word = context.matchBefore(/[\w.]+/);
    if (!word && !context.explicit) return null;
    const data = Object.entries(outputs).flatMap(([name, value]) => {
      const identifier = name.replace(/\W/g, "_");
      return [identifier, ...pathsOf(value, identifier)];
    });
    return {
      from: word?.from ?? context.pos,
      options: [
        ...WORDS.map((label) => ({ label, type: "keyword" })),
        ...data.map((label) => ({ label, type: "variable" })),
      ],
      validFor: /^[\w.]*$/,
    };
  };
}
