/**
 * Makes text from an agent safe to show on a terminal: control characters, direction overrides, zero-width and tag
 * characters become visible escapes, so that nothing can move the cursor, recolour, or read differently from what it is (T9).
 */
export function visible(text: string): string {
  let out = '';
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    if (code === 0x0a) out += '\n';
    else if (code === 0x09) out += '\t';
    else if (isHidden(code)) out += `\\u{${code.toString(16)}}`;
    else out += character;
  }
  return out;
}

/** Like `visible`, but on one line: newlines and tabs become escapes too. */
export function visibleLine(text: string): string {
  return visible(text).replaceAll('\n', '\\n').replaceAll('\t', '\\t');
}

/**
 * JSON for a terminal or a program alike: what `visible` would show as an escape is one here too, in JSON's own spelling, so that
 * it reads back as the same text and moves no cursor on the way (T9). The value must be JSON; `indent` as in JSON.stringify.
 */
export function visibleJson(value: unknown, indent = 0): string {
  let out = '';
  for (const character of JSON.stringify(value, null, indent)) {
    if (character === '\n' || !isHidden(character.codePointAt(0) ?? 0)) out += character;
    else
      for (let i = 0; i < character.length; i += 1)
        out += `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`;
  }
  return out;
}

function isHidden(code: number): boolean {
  return (
    code < 0x20 ||
    (code >= 0x7f && code <= 0x9f) ||
    code === 0xad ||
    code === 0x61c ||
    code === 0x180e ||
    (code >= 0x200b && code <= 0x200f) ||
    (code >= 0x2028 && code <= 0x202e) ||
    (code >= 0x2060 && code <= 0x206f) ||
    code === 0xfeff ||
    (code >= 0xfff9 && code <= 0xfffb) ||
    (code >= 0xd800 && code <= 0xdfff) ||
    (code >= 0xe0000 && code <= 0xe0fff) ||
    (code >= 0xfe00 && code <= 0xfe0f)
  );
}

/** Cuts a line to `width` columns, marking that it was cut. Counts code points, which is enough for lists. */
export function clip(text: string, width: number): string {
  const points = [...text];
  return points.length <= width ? text : `${points.slice(0, Math.max(0, width - 1)).join('')}…`;
}
