/** One line of a git config: section (empty before the first) and key in lower case, subsection as written; value null for a key without `=`. */
export interface GitSetting {
  readonly section: string;
  readonly subsection: string | null;
  readonly key: string;
  readonly value: string | null;
}

/**
 * Reads the text of a git config as git reads it (`git-config(1)`, SYNTAX): comments, quotes, escapes, continuation
 * lines, `[section "sub"]` and the old `[section.sub]`. Null for what git refuses. Includes are settings like others here.
 */
export function readGitConfig(given: string): readonly GitSetting[] | null {
  const text = (given.startsWith('\uFEFF') ? given.slice(1) : given).replaceAll('\r\n', '\n');
  const settings: GitSetting[] = [];
  let section: { readonly name: string; readonly sub: string | null } | null = null;
  let at = 0;
  while (at < text.length) {
    const char = text[at] ?? '';
    if (/\s/.test(char)) at += 1;
    else if (char === '#' || char === ';') at = endOfLine(text, at);
    else if (char === '[') {
      const header = readHeader(text, at);
      if (header === null) return null;
      section = header;
      at = header.end;
    } else if (/[a-zA-Z]/.test(char)) {
      const name = /^[a-zA-Z][a-zA-Z0-9-]*/.exec(text.slice(at, at + 512))?.[0] ?? '';
      const value = readValue(text, at + name.length);
      if (value === null) return null;
      settings.push({
        section: section?.name ?? '',
        subsection: section?.sub ?? null,
        key: name.toLowerCase(),
        value: value.text,
      });
      at = value.end;
    } else return null;
  }
  return settings;
}

function endOfLine(text: string, from: number): number {
  const end = text.indexOf('\n', from);
  return end < 0 ? text.length : end;
}

function readHeader(
  text: string,
  from: number,
): { readonly name: string; readonly sub: string | null; readonly end: number } | null {
  const line = text.slice(from, from + 4096);
  const plain = /^\[([a-zA-Z0-9.-]+)\]/.exec(line);
  if (plain !== null) {
    const dotted = plain[1] ?? '';
    const dot = dotted.indexOf('.');
    return {
      name: (dot < 0 ? dotted : dotted.slice(0, dot)).toLowerCase(),
      // The old form: git lowers the subsection as well.
      sub: dot < 0 ? null : dotted.slice(dot + 1).toLowerCase(),
      end: from + plain[0].length,
    };
  }
  const quoted = /^\[([a-zA-Z0-9.-]+)[ \t]+"((?:[^"\\\n]|\\[^\n])*)"\]/.exec(line);
  if (quoted === null) return null;
  return {
    name: (quoted[1] ?? '').toLowerCase(),
    sub: (quoted[2] ?? '').replace(/\\(.)/g, '$1'),
    end: from + quoted[0].length,
  };
}

function readValue(
  text: string,
  from: number,
): { readonly text: string | null; readonly end: number } | null {
  let at = from;
  while (text[at] === ' ' || text[at] === '\t') at += 1;
  if (at >= text.length || text[at] === '\n') return { text: null, end: at };
  if (text[at] !== '=') return null;
  at += 1;
  let out = '';
  /** Blanks count only when something follows them. */
  let blanks = '';
  let inQuotes = false;
  for (; at < text.length; at += 1) {
    const char = text[at] ?? '';
    if (char === '\n') {
      if (inQuotes) return null;
      break;
    }
    if (!inQuotes && (char === '#' || char === ';')) {
      at = endOfLine(text, at);
      break;
    }
    if (!inQuotes && (char === ' ' || char === '\t' || char === '\r')) {
      if (out !== '') blanks += char;
      continue;
    }
    if (char === '"') {
      out += blanks;
      blanks = '';
      inQuotes = !inQuotes;
      continue;
    }
    if (char !== '\\') {
      out += blanks + char;
      blanks = '';
      continue;
    }
    out += blanks;
    blanks = '';
    const next = text[at + 1] ?? '';
    at += 1;
    // A backslash at the very end continues into nothing.
    if (next === '\n' || next === '') continue;
    const meant = { n: '\n', t: '\t', b: '\b', '"': '"', '\\': '\\' }[next];
    if (meant === undefined) return null;
    out += meant;
  }
  return inQuotes ? null : { text: out, end: at };
}
