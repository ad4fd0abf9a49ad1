/** Brace expansion, done on the raw text of a word as bash does it: before, and blind to, every other expansion. */

const MAX_WORDS = 1024;
const MAX_CHARS = 65_536;
const MAX_DEPTH = 64;
/** Unclosed braces make the search quadratic in the word, so a hostile word must be short. */
const MAX_RAW = 4096;

/** The raw words that `{a,b}` and `{1..3}` in a raw word stand for, in order; null when they are too many to write down. */
export function expandBraces(raw: string): readonly string[] | null {
  if (raw.length > MAX_RAW) return null;
  const budget = { words: MAX_WORDS, chars: MAX_CHARS };
  return expand(raw, budget, 0);
}

interface Budget {
  words: number;
  chars: number;
}

function expand(raw: string, budget: Budget, depth: number): readonly string[] | null {
  if (depth > MAX_DEPTH) return null;
  let at = 0;
  for (;;) {
    const open = findOpen(raw, at);
    if (open < 0) return [raw];
    const group = readGroup(raw, open);
    if (group === null) {
      at = open + 1;
      continue;
    }
    // Shells differ on `{a}b,c}` and `{a..{b,c}}`; neither reading is claimed.
    if (group.odd) return null;
    const items =
      group.items.length > 1
        ? alternatives(group.items, budget, depth)
        : sequence(group.items[0] ?? '', budget);
    if (items === 'none') {
      if (group.items[0]?.includes(',') === true) return null;
      at = group.end;
      continue;
    }
    if (items === null) return null;
    const tails = expand(raw.slice(group.end), budget, depth + 1);
    if (tails === null) return null;
    return product(raw.slice(0, open), items, tails, budget);
  }
}

function product(
  head: string,
  items: readonly string[],
  tails: readonly string[],
  budget: Budget,
): string[] | null {
  const out: string[] = [];
  for (const item of items) {
    for (const tail of tails) {
      const word = head + item + tail;
      budget.words -= 1;
      budget.chars -= word.length;
      if (budget.words < 0 || budget.chars < 0) return null;
      out.push(word);
    }
  }
  return out;
}

function alternatives(items: readonly string[], budget: Budget, depth: number): string[] | null {
  const out: string[] = [];
  for (const item of items) {
    const words = expand(item, budget, depth + 1);
    if (words === null) return null;
    for (const word of words) out.push(word);
    if (out.length > MAX_WORDS) return null;
  }
  return out;
}

const INTEGER = /^[+-]?\d{1,18}$/;

function sequence(body: string, budget: Budget): string[] | 'none' | null {
  const parts = body.split('..');
  if (parts.length < 2 || parts.length > 3) return 'none';
  const [from = '', to = '', by] = parts;
  if (by !== undefined && !INTEGER.test(by)) return 'none';
  const numeric = INTEGER.test(from) && INTEGER.test(to);
  const letters = /^[A-Za-z]$/.test(from) && /^[A-Za-z]$/.test(to);
  if (!numeric && !letters) return 'none';
  const start = numeric ? Number(from) : from.charCodeAt(0);
  const end = numeric ? Number(to) : to.charCodeAt(0);
  const step = Math.abs(by === undefined ? 1 : Number(by)) || 1;
  const count = Math.floor(Math.abs(end - start) / step) + 1;
  if (count > Math.min(MAX_WORDS, budget.words)) return null;
  const width = numeric && (padded(from) || padded(to)) ? Math.max(from.length, to.length) : 0;
  const out: string[] = [];
  for (let i = 0; i < count; i++) {
    const value = start <= end ? start + i * step : start - i * step;
    // A backslash or backquote between Z and a stays a quoted character in the word that is read again.
    out.push(numeric ? pad(value, width) : quoteLetter(String.fromCharCode(value)));
  }
  return out;
}

function padded(number: string): boolean {
  return /^[+-]?0\d/.test(number);
}

function pad(value: number, width: number): string {
  const digits = String(Math.abs(value)).padStart(value < 0 ? width - 1 : width, '0');
  return value < 0 ? `-${digits}` : digits;
}

function quoteLetter(c: string): string {
  return /[A-Za-z]/.test(c) ? c : c === '\\' ? "''" : `'${c}'`;
}

function findOpen(raw: string, from: number): number {
  for (let i = from; i < raw.length; i++) {
    if (raw[i] === '{') {
      // `${` is a parameter, `{}` at the start is literal.
      if (i === 0 && raw[1] === '}') continue;
      if (i > 0 && raw[i - 1] === '$') {
        i = skipParameter(raw, i);
        continue;
      }
      return i;
    }
    i = skipQuoted(raw, i);
  }
  return -1;
}

/** The end of the `${…}` whose brace is at `i`. */
function skipParameter(raw: string, i: number): number {
  let depth = 0;
  for (let j = i; j < raw.length; j++) {
    if (raw[j] === '{') depth++;
    else if (raw[j] === '}' && --depth === 0) return j;
    else j = skipQuoted(raw, j);
  }
  return raw.length;
}

/** The last character of the quoted stretch or substitution beginning at `i`, or `i` itself. */
function skipQuoted(raw: string, i: number): number {
  const c = raw[i];
  if (c === '\\') return i + 1;
  if (c === "'") {
    const end = raw.indexOf("'", i + 1);
    const ansi = raw[i - 1] === '$';
    if (!ansi) return end < 0 ? raw.length : end;
    for (let j = i + 1; j < raw.length; j++) {
      if (raw[j] === '\\') j++;
      else if (raw[j] === "'") return j;
    }
    return raw.length;
  }
  if (c === '"') {
    for (let j = i + 1; j < raw.length; j++) {
      if (raw[j] === '\\') j++;
      else if (raw[j] === '"') return j;
      else if (raw[j] === '$' && raw[j + 1] === '(') j = skipParens(raw, j + 1);
    }
    return raw.length;
  }
  if (c === '`') {
    for (let j = i + 1; j < raw.length; j++) {
      if (raw[j] === '\\') j++;
      else if (raw[j] === '`') return j;
    }
    return raw.length;
  }
  if (c === '(' && (raw[i - 1] === '$' || raw[i - 1] === '<' || raw[i - 1] === '>'))
    return skipParens(raw, i);
  return i;
}

function skipParens(raw: string, open: number): number {
  let depth = 0;
  for (let j = open; j < raw.length; j++) {
    if (raw[j] === '(') depth++;
    else if (raw[j] === ')' && --depth === 0) return j;
    else if (raw[j] === '\\') j++;
    else if (raw[j] === "'") {
      const end = raw.indexOf("'", j + 1);
      j = end < 0 ? raw.length : end;
    }
  }
  return raw.length;
}

/** The comma-separated items of the group opening at `open`, or null when it never closes. */
function readGroup(
  raw: string,
  open: number,
): { readonly items: readonly string[]; readonly end: number; readonly odd: boolean } | null {
  const items: string[] = [];
  let depth = 0;
  let odd = false;
  let start = open + 1;
  for (let i = open + 1; i < raw.length; i++) {
    const c = raw[i];
    if (c === '{') {
      if (raw[i - 1] === '$') i = skipParameter(raw, i);
      else depth++;
    } else if (c === '}') {
      if (depth > 0) depth--;
      else if (items.length === 0 && !raw.slice(start, i).includes('..')) odd = true;
      else {
        items.push(raw.slice(start, i));
        return { items, end: i + 1, odd };
      }
    } else if (c === ',' && depth === 0) {
      items.push(raw.slice(start, i));
      start = i + 1;
    } else i = skipQuoted(raw, i);
  }
  return null;
}
