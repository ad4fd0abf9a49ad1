import type { Json } from '../brand.ts';

/** One `key = value` of a TOML text, with the tables it stands in: `['target', 'x86_64-…', 'runner']`. */
export interface TomlSetting {
  readonly path: readonly string[];
  readonly value: Json;
}

/**
 * Reads the part of TOML that settings are written in: tables, arrays of tables (numbered), dotted and quoted keys, texts
 * of all four forms, arrays, inline tables, and plain values as text. Null for what is not that.
 */
export function readToml(text: string): readonly TomlSetting[] | null {
  const reader: Reader = { text: text.replaceAll('\r\n', '\n').replace(/^\uFEFF/, ''), at: 0, deep: 0 };
  const settings: TomlSetting[] = [];
  const counts = new Map<string, number>();
  let table: readonly string[] = [];
  for (;;) {
    blank(reader, true);
    if (reader.at >= reader.text.length) return settings;
    if (reader.text[reader.at] === '[') {
      const many = reader.text[reader.at + 1] === '[';
      reader.at += many ? 2 : 1;
      blank(reader, false);
      const path = readKey(reader);
      if (path === null || !take(reader, many ? ']]' : ']')) return null;
      const name = path.join('\0');
      const count = counts.get(name) ?? 0;
      if (many) counts.set(name, count + 1);
      table = many ? [...path, String(count)] : path;
      continue;
    }
    const key = readKey(reader);
    if (key === null || !take(reader, '=')) return null;
    blank(reader, false);
    const value = readValue(reader);
    if (value === undefined) return null;
    flatten([...table, ...key], value, settings, 0);
    blank(reader, false);
    if (reader.at < reader.text.length && reader.text[reader.at] !== '\n') return null;
  }
}

interface Reader {
  readonly text: string;
  at: number;
  deep: number;
}

function flatten(path: readonly string[], value: Json, into: TomlSetting[], depth: number): void {
  if (depth < 8 && typeof value === 'object' && value !== null && !Array.isArray(value))
    for (const [key, inner] of Object.entries(value)) flatten([...path, key], inner, into, depth + 1);
  else into.push({ path, value });
}

function blank(reader: Reader, lines: boolean): void {
  const { text } = reader;
  for (;;) {
    const char = text[reader.at];
    if (char === ' ' || char === '\t' || (lines && char === '\n')) reader.at += 1;
    else if (char === '#') {
      const end = text.indexOf('\n', reader.at);
      reader.at = end < 0 ? text.length : end;
    } else return;
  }
}

function take(reader: Reader, what: string): boolean {
  blank(reader, false);
  if (!reader.text.startsWith(what, reader.at)) return false;
  reader.at += what.length;
  return true;
}

function readKey(reader: Reader): readonly string[] | null {
  const path: string[] = [];
  do {
    blank(reader, false);
    const char = reader.text[reader.at];
    if (char === '"' || char === "'") {
      const part = readText(reader);
      if (part === null) return null;
      path.push(part);
    } else {
      const bare = /^[A-Za-z0-9_-]+/.exec(reader.text.slice(reader.at, reader.at + 256))?.[0];
      if (bare === undefined) return null;
      reader.at += bare.length;
      path.push(bare);
    }
  } while (take(reader, '.'));
  return path;
}

function readValue(reader: Reader): Json | undefined {
  const char = reader.text[reader.at];
  if (char === '"' || char === "'") return readText(reader) ?? undefined;
  if (char !== '[' && char !== '{') {
    const bare = /^(?:\d{4}-\d\d-\d\d \d[\d:.Z+-]*|[^\s,\]}#]+)/.exec(
      reader.text.slice(reader.at, reader.at + 256),
    )?.[0];
    if (bare === undefined) return undefined;
    reader.at += bare.length;
    return bare === 'true' ? true : bare === 'false' ? false : bare;
  }
  if (reader.deep >= 32) return undefined;
  reader.deep += 1;
  const value = char === '[' ? readArray(reader) : readInline(reader);
  reader.deep -= 1;
  return value;
}

function readArray(reader: Reader): Json | undefined {
  const list: Json[] = [];
  reader.at += 1;
  for (;;) {
    blank(reader, true);
    if (reader.text[reader.at] === ']') {
      reader.at += 1;
      return list;
    }
    const value = readValue(reader);
    if (value === undefined) return undefined;
    list.push(value);
    blank(reader, true);
    if (reader.text[reader.at] === ',') reader.at += 1;
    else if (reader.text[reader.at] !== ']') return undefined;
  }
}

function readInline(reader: Reader): Json | undefined {
  const entries: [string, Json][] = [];
  reader.at += 1;
  for (;;) {
    blank(reader, true);
    if (reader.text[reader.at] === '}') {
      reader.at += 1;
      return Object.fromEntries(entries);
    }
    const key = readKey(reader);
    if (key === null || !take(reader, '=')) return undefined;
    blank(reader, false);
    const value = readValue(reader);
    if (value === undefined) return undefined;
    entries.push([key.join('.'), value]);
    blank(reader, true);
    if (reader.text[reader.at] === ',') reader.at += 1;
    else if (reader.text[reader.at] !== '}') return undefined;
  }
}

function readText(reader: Reader): string | null {
  const { text } = reader;
  const quote = text[reader.at] ?? '';
  const long = text.startsWith(quote.repeat(3), reader.at);
  const end = long ? quote.repeat(3) : quote;
  let at = reader.at + end.length;
  let out = '';
  if (long && text[at] === '\n') at += 1;
  for (; at < text.length; at += 1) {
    const char = text[at] ?? '';
    if (text.startsWith(end, at)) {
      at += end.length;
      // `""""` ends with a quote that belongs to the text.
      while (long && text[at] === quote) {
        out += quote;
        at += 1;
      }
      reader.at = at;
      return out;
    }
    if (!long && char === '\n') return null;
    if (quote === "'" || char !== '\\') {
      out += char;
      continue;
    }
    at += 1;
    const letter = text[at] ?? '';
    const code = /^(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))/.exec(text.slice(at, at + 9));
    if (code !== null) {
      const point = Number.parseInt(code[1] ?? code[2] ?? '0', 16);
      if (point > 0x10ffff) return null;
      out += String.fromCodePoint(point);
      at += (code[0] ?? '').length - 1;
    } else if (long && /\s/.test(letter)) {
      while (/\s/.test(text[at + 1] ?? '')) at += 1;
    } else {
      const meant = { n: '\n', t: '\t', r: '\r', b: '\b', f: '\f', e: '\u001b', '"': '"', '\\': '\\' }[
        letter
      ];
      if (meant === undefined) return null;
      out += meant;
    }
  }
  return null;
}
