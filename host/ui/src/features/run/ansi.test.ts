import { expect, it } from "vitest";

import { pieces } from "./ansi";

it("reads colours and forgets other sequences", () => {
  expect(pieces("plain")).toEqual([{ text: "plain", tone: null, bold: false }]);
  expect(pieces("a\u001b[1;31mbad\u001b[0m b\u001b[2K")).toEqual([
    { text: "a", tone: null, bold: false },
    { text: "bad", tone: "failed", bold: true },
    { text: " b", tone: null, bold: false },
  ]);
});
