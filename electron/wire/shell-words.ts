const PLAIN = /^[A-Za-z0-9_@%+=:,./^-][A-Za-z0-9_@%+=:,./^~-]*$/;

/**
 * Words as one line that a shell would read as exactly these words (R4.s4, R5.a): `rm 'a b'` must not be shown as `rm a b`,
 * nor a quoted `;` as two commands.
 */
export function shellWords(words: readonly string[]): string {
  return words.map((word) => (PLAIN.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)).join(' ');
}
