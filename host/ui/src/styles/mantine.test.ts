import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { expect, it } from "vitest";

const SOURCE = new URL("..", import.meta.url).pathname;
const CORE = new URL("../../node_modules/@mantine/core/", import.meta.url).pathname;
/** What other packages of Mantine take of it. */
const OF_OTHERS = ["Notification", "Portal", "Transition"];

const read = (path: string) => readFileSync(path, "utf8");
const listed = [...read(join(SOURCE, "styles/mantine.ts")).matchAll(/core\/styles\/(\w[\w-]*)\.css/g)].map(
  (found) => found[1] ?? "",
);

/** What the pages take of Mantine, by name. */
function taken(): string[] {
  return readdirSync(SOURCE, { recursive: true, encoding: "utf8" })
    .filter((path) => /\.tsx?$/.test(path))
    .flatMap((path) => [...read(join(SOURCE, path)).matchAll(/\{([^{}]*)\}\s*from "@mantine\/core"/g)])
    .flatMap((found) => (found[1] ?? "").split(","))
    .map((name) => name.replace(/^\s*type /, "").trim())
    .concat(OF_OTHERS);
}

/** The modules behind some names, with all that they need. */
function modules(names: string[]): Set<string> {
  const index = join(CORE, "esm/index.mjs");
  const files = new Map(
    [...read(index).matchAll(/import \{([^}]*)\} from "([^"]+)"/g)].flatMap((found) =>
      (found[1] ?? "")
        .split(",")
        .map((name): [string, string] => [
          name.split(" as ").at(-1)?.trim() ?? "",
          join(dirname(index), found[2] ?? ""),
        ]),
    ),
  );
  const seen = new Set<string>();
  const open = names.map((name) => files.get(name));
  while (open.length > 0) {
    const file = open.pop();
    if (!file || seen.has(file)) continue;
    seen.add(file);
    for (const found of read(file).matchAll(/from "(\.[^"]+)"/g))
      open.push(join(dirname(file), found[1] ?? ""));
  }
  return seen;
}

const classesIn = (text: string) => new Set(text.match(/\bm_[0-9a-f]+/g));

it("holds the styles of all components that the pages use, and of no others, in Mantine's order", () => {
  const used = classesIn([...modules(taken())].map(read).join("\n"));
  const whole = read(join(CORE, "styles.css"));
  const wanted = readdirSync(join(CORE, "styles"))
    .filter((name) => /^[A-Z]\w*\.css$/.test(name))
    .map((name) => ({ name: name.slice(0, -4), classes: [...classesIn(read(join(CORE, "styles", name)))] }))
    .filter(({ classes }) => classes.some((each) => used.has(each)))
    .sort(
      (one, other) => whole.indexOf(`.${one.classes[0] ?? ""}`) - whole.indexOf(`.${other.classes[0] ?? ""}`),
    )
    .map(({ name }) => name);
  expect(listed).toEqual(["baseline", "default-css-variables", "global", ...wanted]);
});
