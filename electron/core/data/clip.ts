/** Between these a secret ends. */
const BETWEEN = /[\s"'`=&?,;<>(){}[\]]/;
const LONGEST_WORD = 512;

/**
 * The beginning of a text, at most `most` characters: never the first half of a word, because half a secret has no shape by which a
 * redactor would know it afterwards (T9). A word longer than any secret is cut where it must be.
 */
export function clipped(text: string, most: number): string {
  if (text.length <= most) return text;
  for (let at = most; at > Math.max(0, most - LONGEST_WORD); at--)
    if (BETWEEN.test(text.charAt(at - 1))) return text.slice(0, at);
  return text.slice(0, Math.max(0, most - LONGEST_WORD));
}

/** The same for the end of a text. */
export function clippedEnd(text: string, most: number): string {
  if (text.length <= most) return text;
  const from = text.length - most;
  for (let at = from; at < Math.min(text.length, from + LONGEST_WORD); at++)
    if (BETWEEN.test(text.charAt(at))) return text.slice(at);
  return text.slice(from + LONGEST_WORD);
}
