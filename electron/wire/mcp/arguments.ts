import type { Json, JsonObject } from '../../core/brand.ts';
import { isJsonObject } from '../json.ts';

/** What the arguments of a call name, read from their keys and shapes. */
export interface NamedThings {
  readonly paths: readonly string[];
  /** One of the paths stands under a name that says so, and does not only look like one. */
  readonly keyed: boolean;
  /** Where something is moved or copied to. */
  readonly targets: readonly string[];
  readonly urls: readonly string[];
  readonly commands: readonly (string | readonly string[])[];
  readonly sql: readonly string[];
  /** Anything else that is more than a number or a word: it may say anything to whoever gets it. */
  readonly says: boolean;
}

const PATH_KEY =
  /^(?:.*[_-])?(?:path|paths|file|files|filename|file_?name|file_?path|filepath|dir|directory|directories|folder|folders|source|src|from|root|cwd|working_?directory|repo_?path|output_?file|input_?file)$/i;
const TARGET_KEY = /^(?:destination|dest|target|to|new_?path|output|output_?path)$/i;
const COMMAND_KEY = /^(?:command|cmd|commands|command_?line|shell|bash|script)$/i;
const WORDS_KEY = /^(?:args|arguments|argv)$/i;
const SQL_KEY = /^(?:sql|query|statement|statements|queries)$/i;
const SQL_HEAD =
  /^\s*(?:--[^\n]*\n\s*)*(?:select|insert|update|delete|drop|truncate|alter|create|grant|revoke|with|merge|copy|call|explain|begin|vacuum|pragma|attach|replace|exec)\b/i;
const MAX_FOUND = 64;
const MAX_STEPS = 4096;

/** Finds paths, addresses, commands and SQL among the arguments of a call. Pure; bounded. */
export function namedThings(given: JsonObject): NamedThings {
  const paths: string[] = [];
  const targets: string[] = [];
  const urls: string[] = [];
  const commands: (string | readonly string[])[] = [];
  const sql: string[] = [];
  let says = false;
  let keyed = false;
  let steps = 0;

  const text = (key: string, value: string) => {
    if (/^file:\/\//i.test(value)) {
      keyed = true;
      paths.push(filePath(value));
    } else if (/^(?:https?|wss?|ftp):\/\//i.test(value) && !/\s/.test(value)) urls.push(value);
    else if (COMMAND_KEY.test(key)) commands.push(value);
    else if (SQL_KEY.test(key) && SQL_HEAD.test(value)) sql.push(value);
    else if (looksLikePath(value) && TARGET_KEY.test(key)) targets.push(value);
    else if (value !== '' && value.length < 4096 && !value.includes('\n') && PATH_KEY.test(key)) {
      keyed = true;
      paths.push(value);
    } else if (/^(?:\/|~\/|\.\.?\/)[^\s]+$/.test(value) && value.length < 4096) paths.push(value);
    else if (value.length > 40 || /\s/.test(value)) says = true;
  };
  const walk = (key: string, value: Json, depth: number) => {
    steps += 1;
    if (steps > MAX_STEPS || depth > 8 || paths.length + urls.length > MAX_FOUND) {
      says = true;
      return;
    }
    if (typeof value === 'string') text(key, value);
    else if (Array.isArray(value)) for (const item of value as readonly Json[]) walk(key, item, depth + 1);
    else if (isJsonObject(value)) members(value, depth + 1);
  };
  const members = (object: JsonObject, depth: number) => {
    const program = ['command', 'cmd', 'program', 'executable'].find(
      (key) => typeof object[key] === 'string',
    );
    const words = Object.keys(object).find((key) => WORDS_KEY.test(key) && isWords(object[key]));
    // A program and its words apart: no shell reads them.
    if (program !== undefined && words !== undefined)
      commands.push([object[program] as string, ...(object[words] as readonly string[])]);
    for (const [key, value] of Object.entries(object)) {
      if (program !== undefined && words !== undefined && (key === program || key === words)) continue;
      if (COMMAND_KEY.test(key) && isWords(value) && value.length > 0) commands.push(value);
      else walk(key, value, depth);
    }
  };
  members(given, 0);
  return { paths, keyed, targets, urls, commands, sql, says };
}

function isWords(value: Json | undefined): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

function looksLikePath(value: string): boolean {
  return (
    value.length < 4096 &&
    !/[\n@]/.test(value) &&
    (/^(?:\/|~|\.)/.test(value) || /^[\w.-]+(?:\/[\w.-]+)*$/.test(value))
  );
}

/** The path of a `file:` address; percent-encoding is undone once, as whoever opens it will. */
export function filePath(uri: string): string {
  const bare = uri.replace(/^file:\/\/(?:localhost)?/i, '').replace(/[?#].*$/s, '');
  try {
    return decodeURIComponent(bare);
  } catch {
    return bare;
  }
}

/** A value as it is kept in receipts and shown to people: long texts and wide lists cut. */
export function bounded(value: Json, room: { left: number } = { left: 12_000 }, depth = 0): Json {
  if (typeof value === 'string') {
    const most = Math.max(200, Math.min(4000, room.left));
    room.left -= Math.min(value.length, most);
    return value.length <= most ? value : `${value.slice(0, most)}… [${value.length} characters]`;
  }
  if (value === null || typeof value !== 'object') return value;
  if (depth > 12 || room.left <= 0) return '…';
  if (Array.isArray(value)) {
    const shown = (value as readonly Json[]).slice(0, 64).map((item) => bounded(item, room, depth + 1));
    return value.length > 64 ? [...shown, `… [${value.length} items]`] : shown;
  }
  const out: Record<string, Json> = {};
  for (const [key, member] of Object.entries(value as JsonObject).slice(0, 64)) {
    room.left -= key.length;
    out[key.slice(0, 200)] = bounded(member, room, depth + 1);
  }
  return out;
}
