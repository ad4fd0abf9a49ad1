/**
 * A statement's text with its literals masked (T9): what stands in quotes, dollar quotes and numbers becomes `?`, comments go. Names in double
 * quotes stay. Linear; a literal that does not end is masked to the end.
 */
export function maskLiterals(text: string): string {
  const pattern =
    /'(?:[^']|'')*(?:'|$)|"(?:[^"]|"")*(?:"|$)|--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|[$][1-9]\d*|[$]([A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?[$]|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*|(?:\d[\w.]*|\.\d[\w.]*)|\s+|[\s\S]/g;
  let out = '';
  for (let found = pattern.exec(text); found !== null; found = pattern.exec(text)) {
    const [token] = found;
    const first = token[0] ?? '';
    if (/^(?:e|b|x|n|u)$/i.test(token) && text[pattern.lastIndex] === "'") {
      if (/e/i.test(token)) pattern.lastIndex = endOfEscaped(text, pattern.lastIndex);
      else continue;
      out += '?';
    } else if (first === "'") out += '?';
    else if (first === '$' && token.endsWith('$') && token.length > 1) {
      const end = text.indexOf(token, pattern.lastIndex);
      pattern.lastIndex = end < 0 ? text.length : end + token.length;
      out += '?';
    } else if (token.startsWith('--') || token.startsWith('/*')) out += ' ';
    else if (/^(?:\d|\.\d)/.test(token)) out += '?';
    else out += /^\s/.test(token) ? ' ' : token;
  }
  return out.replace(/ {2,}/g, ' ').trim();
}

/** Where an `E'…'` literal ends: a backslash takes the next character with it. */
function endOfEscaped(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at += 1) {
    if (text[at] === '\\') at += 1;
    else if (text[at] === "'") {
      if (text[at + 1] !== "'") return at + 1;
      at += 1;
    }
  }
  return text.length;
}
