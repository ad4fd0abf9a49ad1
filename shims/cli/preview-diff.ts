/** A file is text when it is UTF-8 without NUL; a line longer than this makes it unreadable as one. */
const MOST_LINE_CHARACTERS = 4096;
const CONTEXT_LINES = 3;
/** Edits beyond this are shown as everything removed and everything added: looking for the least takes time in its square. */
const MOST_EDITS = 2000;

/** One line of a diff. */
export interface DiffLine {
  readonly sign: ' ' | '-' | '+';
  readonly text: string;
}

export interface Hunk {
  readonly oldStart: number;
  readonly oldCount: number;
  readonly newStart: number;
  readonly newCount: number;
  readonly lines: readonly DiffLine[];
}

/** What changed between two texts. */
export interface TextDiff {
  readonly added: number;
  readonly removed: number;
  readonly hunks: readonly Hunk[];
}

/** Reads bytes as text for a diff; null when they are none: binary, another encoding, or lines that nobody could read. */
export function textOf(bytes: Buffer): string | null {
  if (bytes.includes(0)) return null;
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
  return text.split('\n').some((line) => line.length > MOST_LINE_CHARACTERS) ? null : text;
}

/** The difference of two texts, line by line, with three lines around each change. */
export function diffTexts(before: string, after: string): TextDiff {
  const a = linesOf(before);
  const b = linesOf(after);
  const script = editScript(a, b);
  return {
    added: script.filter((line) => line.sign === '+').length,
    removed: script.filter((line) => line.sign === '-').length,
    hunks: hunksOf(script),
  };
}

/** A line keeps its end, so that a missing newline at the end of a file is a difference like any other. */
function linesOf(text: string): readonly string[] {
  return text === '' ? [] : text.split(/(?<=\n)/);
}

function editScript(a: readonly string[], b: readonly string[]): readonly DiffLine[] {
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  let endA = a.length;
  let endB = b.length;
  while (endA > start && endB > start && a[endA - 1] === b[endB - 1]) {
    endA -= 1;
    endB -= 1;
  }
  const same = (text: string): DiffLine => ({ sign: ' ', text });
  return [
    ...a.slice(0, start).map(same),
    ...middle(a.slice(start, endA), b.slice(start, endB)),
    ...a.slice(endA).map(same),
  ];
}

/** Myers' algorithm: the least edits, found diagonal by diagonal. */
function middle(a: readonly string[], b: readonly string[]): readonly DiffLine[] {
  const whole = (): DiffLine[] => [
    ...a.map((text): DiffLine => ({ sign: '-', text })),
    ...b.map((text): DiffLine => ({ sign: '+', text })),
  ];
  if (a.length === 0 || b.length === 0) return whole();
  const most = Math.min(a.length + b.length, MOST_EDITS);
  const furthest = new Int32Array(2 * most + 3);
  const at = (diagonal: number) => furthest[diagonal + most + 1] ?? 0;
  // What was reached after each number of edits, for the way back.
  const trail: Int32Array[] = [];
  for (let edits = 0; edits <= most; edits += 1) {
    trail.push(furthest.slice(most + 1 - edits, most + 2 + edits));
    for (let diagonal = -edits; diagonal <= edits; diagonal += 2) {
      const down = diagonal === -edits || (diagonal !== edits && at(diagonal - 1) < at(diagonal + 1));
      let x = down ? at(diagonal + 1) : at(diagonal - 1) + 1;
      let y = x - diagonal;
      while (x < a.length && y < b.length && a[x] === b[y]) {
        x += 1;
        y += 1;
      }
      furthest[diagonal + most + 1] = x;
      if (x >= a.length && y >= b.length) return wayBack(a, b, trail, edits);
    }
  }
  return whole();
}

function wayBack(
  a: readonly string[],
  b: readonly string[],
  trail: readonly Int32Array[],
  edits: number,
): readonly DiffLine[] {
  const lines: DiffLine[] = [];
  let x = a.length;
  let y = b.length;
  for (let step = edits; step > 0; step -= 1) {
    // Holds the diagonals -step … step as they were before this step.
    const before = trail[step] ?? new Int32Array(0);
    const at = (diagonal: number) => before[diagonal + step] ?? 0;
    const diagonal = x - y;
    const down = diagonal === -step || (diagonal !== step && at(diagonal - 1) < at(diagonal + 1));
    const fromDiagonal = down ? diagonal + 1 : diagonal - 1;
    const fromX = at(fromDiagonal);
    const fromY = fromX - fromDiagonal;
    while (x > fromX && y > fromY && x > 0 && y > 0 && (down ? x > fromX : x > fromX + 1)) {
      x -= 1;
      y -= 1;
      lines.push({ sign: ' ', text: a[x] ?? '' });
    }
    if (down) {
      y -= 1;
      lines.push({ sign: '+', text: b[y] ?? '' });
    } else {
      x -= 1;
      lines.push({ sign: '-', text: a[x] ?? '' });
    }
  }
  while (x > 0 && y > 0) {
    x -= 1;
    y -= 1;
    lines.push({ sign: ' ', text: a[x] ?? '' });
  }
  return lines.reverse();
}

function hunksOf(script: readonly DiffLine[]): readonly Hunk[] {
  const hunks: Hunk[] = [];
  let oldLine = 1;
  let newLine = 1;
  let open: { oldStart: number; newStart: number; lines: DiffLine[]; quiet: number } | null = null;
  const before: DiffLine[] = [];
  const close = () => {
    if (open === null) return;
    const lines = open.lines.slice(0, open.lines.length - Math.max(0, open.quiet - CONTEXT_LINES));
    const count = (sign: '-' | '+') => lines.filter((line) => line.sign !== sign).length;
    hunks.push({
      oldStart: open.oldStart,
      oldCount: count('+'),
      newStart: open.newStart,
      newCount: count('-'),
      lines,
    });
    open = null;
  };
  for (const line of script) {
    if (line.sign === ' ') {
      if (open !== null) {
        open.lines.push(line);
        open.quiet += 1;
        if (open.quiet > 2 * CONTEXT_LINES) {
          const rest = open.lines.slice(-CONTEXT_LINES);
          close();
          before.splice(0, before.length, ...rest);
        }
      } else {
        before.push(line);
        if (before.length > CONTEXT_LINES) before.shift();
      }
    } else {
      if (open === null) {
        open = {
          oldStart: oldLine - before.length,
          newStart: newLine - before.length,
          lines: [...before],
          quiet: 0,
        };
        before.length = 0;
      }
      open.lines.push(line);
      open.quiet = 0;
    }
    if (line.sign !== '+') oldLine += 1;
    if (line.sign !== '-') newLine += 1;
  }
  close();
  return hunks;
}
