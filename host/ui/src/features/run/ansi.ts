/** A piece of a line with its colour. */
export interface Piece {
  text: string;
  tone: "failed" | "success" | "warning" | "running" | "waiting" | "idle" | null;
  bold: boolean;
}

const TONES: Record<number, Piece["tone"]> = {
  30: "idle",
  31: "failed",
  32: "success",
  33: "warning",
  34: "running",
  35: "waiting",
  36: "running",
  90: "idle",
  91: "failed",
  92: "success",
  93: "warning",
  94: "running",
  95: "waiting",
  96: "running",
};

/** A line's pieces by its ANSI colours; other control sequences are left away. */
export function pieces(line: string): Piece[] {
  if (!line.includes("\u001b")) return [{ text: line, tone: null, bold: false }];
  const found: Piece[] = [];
  let tone: Piece["tone"] = null;
  let bold = false;
  let from = 0;

  const sequence = /\u001b\[([0-9;?]*)([A-Za-z])/g;
  for (let match = sequence.exec(line); match; match = sequence.exec(line)) {
    if (match.index > from) found.push({ text: line.slice(from, match.index), tone, bold });
    from = sequence.lastIndex;
    if (match[2] !== "m") continue;
    for (const code of (match[1] || "0").split(";").map(Number)) {
      if (code === 0) [tone, bold] = [null, false];
      else if (code === 1) bold = true;
      else if (code === 22) bold = false;
      else if (code === 39) tone = null;
      else if (code in TONES) tone = TONES[code] ?? null;
    }
  }
  if (from < line.length) found.push({ text: line.slice(from), tone, bold });
  return found;
}
