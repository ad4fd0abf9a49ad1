/** Shell patterns over known text, for `${X#pattern}` and its like. Only `*`, `?` and plain characters; brackets are left unknown. */

/** True when the pattern is one that `longest` and `shortest` can decide. */
export function isSimplePattern(pattern: string): boolean {
  return pattern.length <= 256 && !/[[\]\\()|]/.test(pattern);
}

/** True when the whole text matches; linear in text × stars. */
export function matches(pattern: string, text: string): boolean {
  let p = 0;
  let t = 0;
  let star = -1;
  let mark = 0;
  while (t < text.length) {
    const c = pattern[p];
    if (c === '*') {
      star = p++;
      mark = t;
    } else if (c !== undefined && (c === '?' || c === text[t])) {
      p++;
      t++;
    } else if (star >= 0) {
      p = star + 1;
      t = ++mark;
    } else return false;
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}

const MAX_TEXT = 4096;

/** Removes the shortest or longest matching prefix or suffix; null when the text is too long to decide. */
export function trim(
  text: string,
  pattern: string,
  end: 'prefix' | 'suffix',
  longest: boolean,
): string | null {
  if (text.length > MAX_TEXT || !isSimplePattern(pattern)) return null;
  for (let n = 0; n <= text.length; n++) {
    const length = longest ? text.length - n : n;
    const piece = end === 'prefix' ? text.slice(0, length) : text.slice(text.length - length);
    if (matches(pattern, piece))
      return end === 'prefix' ? text.slice(length) : text.slice(0, text.length - length);
  }
  return text;
}
