import { type DoubleQuotedChild, parse, type Word as WordNode, type WordPart } from 'unbash';
import { UNKNOWN_TEXT, type Word } from '../../core/command.ts';
import { expandBraces } from './brace.ts';
import { type Frame, MAX_TEXT, type Machine, note, spend } from './machine.ts';
import { type Expansion, parameterExpansion, simpleExpansion } from './parameter.ts';
import { lookUp, UNKNOWN_VALUE, type Value } from './scope.ts';
import { readArithmetic, readSubstitution } from './substitution.ts';
import { expandTilde } from './tilde.ts';

/** The words a word becomes: braces, tilde, parameters, substitutions, splitting, quotes (AARM R3.k). Appends to `out`. */
export function expandWord(m: Machine, f: Frame, node: WordNode, out: Word[]): void {
  const parts = node.parts;
  // The parser and the shells do not agree on every brace, so any word that may hold one is looked at here.
  if (node.text.includes('{') && (node.text.includes(',') || node.text.includes('..'))) {
    expandBraceWord(m, f, node, out);
    return;
  }
  expandBraceless(m, f, node, parts, out);
}

function expandBraceless(
  m: Machine,
  f: Frame,
  node: WordNode,
  parts: readonly WordPart[] | undefined,
  out: Word[],
): void {
  if (parts === undefined) {
    const { text } = node;
    const first = text.charCodeAt(0);
    if (first === TILDE || (text.includes('~') && text.includes('=')))
      out.push(makeWord(expandTilde(f, node.value, text), text, false));
    else out.push(makeWord(node.value, text, false));
    return;
  }
  expandParts(m, f, node.text, parts, out);
}

const TILDE = 126;

function makeWord(text: string, raw: string, glob: boolean): Word {
  return { text, raw, known: !text.includes(UNKNOWN_TEXT), glob };
}

function expandBraceWord(m: Machine, f: Frame, node: WordNode, out: Word[]): void {
  const raws = expandBraces(node.text);
  if (raws === null) {
    const head = /^[A-Za-z0-9_./-]*/.exec(node.text)?.[0] ?? '';
    // Its substitutions still run; reading it as one word finds them.
    const ignored: Word[] = [];
    expandParts(m, f, node.text, node.parts ?? [], ignored);
    out.push({ text: head + UNKNOWN_TEXT, raw: node.text, known: false, glob: true });
    return;
  }
  if (raws.length === 1 && raws[0] === node.text) {
    expandBraceless(m, f, node, node.parts, out);
    return;
  }
  let characters = 0;
  for (const raw of raws) characters += raw.length;
  if (!spend(m, raws.length, characters)) return;
  for (const raw of raws) {
    if (raw === '') continue;
    if (PLAIN.test(raw)) {
      out.push({ text: raw, raw: node.text, known: true, glob: false });
      continue;
    }
    const word = readWord(raw);
    if (word === null) {
      note(m, `brace expansion \`${raw.slice(0, 80)}\` cannot be read`);
      out.push({ text: UNKNOWN_TEXT, raw: node.text, known: false, glob: true });
    } else if (word.parts === undefined)
      out.push(makeWord(expandTilde(f, word.value, word.text), node.text, false));
    else expandParts(m, { ...f, offset: null }, node.text, word.parts, out);
  }
}

const PLAIN = /^[A-Za-z0-9_.,/:@%+-]+$/;

/** Reads raw text as one word, as the shell does after brace expansion; null when it is not one. */
function readWord(raw: string): WordNode | null {
  const script = parse(`: ${raw}`);
  const command = script.commands[0]?.command;
  if (script.errors !== undefined || script.commands.length !== 1 || command?.type !== 'Command') return null;
  const [word] = command.suffix;
  return command.suffix.length === 1 && word?.type === 'Word' ? word : null;
}

/** The fields of a word while its parts are read from left to right. */
interface Fields {
  readonly out: Word[];
  readonly raw: string;
  readonly sources: Machine['sources'];
  text: string;
  started: boolean;
  glob: boolean;
  from: number;
  /** True when white space of IFS has just ended a field, so that a separator next to it adds none. */
  spaced: boolean;
}

function cut(fields: Fields): void {
  if (!fields.started) return;
  const word = makeWord(fields.text, fields.raw, fields.glob);
  if (fields.from >= 0) fields.sources.set(word, fields.from);
  fields.out.push(word);
  fields.text = '';
  fields.started = false;
  fields.glob = false;
}

function append(fields: Fields, text: string): void {
  fields.text += text;
  fields.started = true;
}

function newFields(m: Machine, raw: string, out: Word[]): Fields {
  return { out, raw, sources: m.sources, text: '', started: false, glob: false, from: -1, spaced: false };
}

function expandParts(m: Machine, f: Frame, raw: string, parts: readonly WordPart[], out: Word[]): void {
  if (!spend(m, parts.length)) return;
  const before = out.length;
  const fields = newFields(m, raw, out);
  parts.forEach((part, i) => {
    const tilde = i === 0 && part.type === 'Literal' && part.text.charCodeAt(0) === TILDE;
    // `~"x"` has a quoted character in its name, so it is no home directory.
    if (tilde && (part.text.includes('/') || parts.length === 1))
      append(fields, expandTilde(f, part.value, part.text));
    else expandPart(m, f, part, fields);
    if (fields.text.length > MAX_TEXT) {
      note(m, 'a word is too long to be followed');
      fields.text = UNKNOWN_TEXT;
    }
  });
  spend(m, 0, fields.text.length);
  const first = out.length;
  cut(fields);
  // A lone `$` keeps bash from splitting what stands next to it; which words result is left unknown.
  if (
    parts.length > 1 &&
    parts.some((part) => part.type === 'Literal' && part.text.includes('$')) &&
    parts.some(splits)
  )
    for (let i = before; i <= first && i < out.length; i++) {
      const word = out[i];
      if (word !== undefined) out[i] = { ...word, text: word.text + UNKNOWN_TEXT, known: false };
    }
}

function splits(part: WordPart): boolean {
  return (
    part.type === 'SimpleExpansion' || part.type === 'ParameterExpansion' || part.type === 'CommandExpansion'
  );
}

function expandPart(m: Machine, f: Frame, part: WordPart, fields: Fields): void {
  switch (part.type) {
    case 'Literal':
    case 'SingleQuoted':
    case 'AnsiCQuoted':
      append(fields, part.value);
      return;
    case 'Glob':
      fields.glob = true;
      if (part.parts === undefined) append(fields, part.value);
      else bracket(m, f, part.text, part.parts, fields);
      return;
    case 'ExtendedGlob':
      fields.glob = true;
      if (part.parts === undefined) append(fields, part.text);
      else {
        append(fields, `${part.operator}(`);
        for (const inner of part.parts) appendQuoted(m, f, inner, fields);
        append(fields, ')');
      }
      return;
    case 'BraceExpansion':
      // What looks like one and is none, such as `{a..}`: every real one was expanded before.
      if (part.parts === undefined) append(fields, part.text);
      else {
        append(fields, '{');
        for (const inner of part.parts) appendQuoted(m, f, inner, fields);
        append(fields, '}');
      }
      return;
    case 'DoubleQuoted':
    case 'LocaleString':
      expandQuoted(m, f, part.parts, fields);
      return;
    case 'ProcessSubstitution':
      appendValue(fields, readSubstitution(m, f, part));
      return;
    default: {
      const expansion = expandDynamic(m, f, part, false);
      if (expansion.kind === 'one') split(f, expansion.value, fields);
      else splitList(f, expansion, fields);
    }
  }
}

function bracket(m: Machine, f: Frame, raw: string, parts: readonly WordPart[], fields: Fields): void {
  const plain = parts.every((part) => part.type === 'Literal');
  if (plain) {
    append(fields, raw);
    return;
  }
  append(fields, '[');
  for (const inner of parts) appendQuoted(m, f, inner, fields);
  append(fields, ']');
}

function appendQuoted(m: Machine, f: Frame, part: WordPart, fields: Fields): void {
  const before = fields.out.length;
  const scratch = { ...fields, out: [] as Word[], text: '', started: false };
  expandPart(m, f, part, scratch);
  cut(scratch);
  if (before === fields.out.length) append(fields, scratch.out.map((word) => word.text).join(' '));
  if (scratch.from >= 0) fields.from = scratch.from;
}

type DynamicPart = Exclude<DoubleQuotedChild, { type: 'Literal' }>;

function expandDynamic(m: Machine, f: Frame, part: DynamicPart, quoted: boolean): Expansion {
  switch (part.type) {
    case 'SimpleExpansion':
      return bounded(m, simpleExpansion(f, part.text));
    case 'ParameterExpansion':
      return bounded(m, parameterExpansion(m, f, part, quoted));
    case 'CommandExpansion':
      return { kind: 'one', value: readSubstitution(m, f, part) };
    case 'ArithmeticExpansion':
      if (part.expression !== undefined) readArithmetic(m, f, part.expression);
      return { kind: 'one', value: UNKNOWN_VALUE };
  }
}

const MAX_ITEMS = 4096;

/** A list may double with every assignment; past a bound it is unknown. */
function bounded(m: Machine, expansion: Expansion): Expansion {
  if (expansion.kind === 'one' || expansion.items === null) return expansion;
  const { items } = expansion;
  return items.length <= MAX_ITEMS && spend(m, items.length) ? expansion : { ...expansion, items: null };
}

function expandQuoted(m: Machine, f: Frame, parts: readonly DoubleQuotedChild[], fields: Fields): void {
  // `"$@"` alone with no parameters is no word at all; every other quoted stretch is one, even when empty.
  let only = parts.length === 1;
  for (const part of parts) {
    if (part.type === 'Literal') {
      append(fields, part.value);
      continue;
    }
    const expansion = expandDynamic(m, f, part, true);
    if (expansion.kind === 'one') appendValue(fields, expansion.value);
    else if (expansion.items === null) {
      append(fields, UNKNOWN_TEXT);
      fields.glob = true;
    } else if (expansion.joined) appendJoined(f, expansion.items, fields);
    else {
      expansion.items.forEach((item, i) => {
        if (i > 0) cut(fields);
        appendValue(fields, item);
      });
      if (only && expansion.items.length === 0) return;
    }
    only = false;
  }
  fields.started = true;
}

function appendValue(fields: Fields, value: Value): void {
  append(fields, value.text);
  if (value.many) fields.glob = true;
  if (value.from >= 0) fields.from = value.from;
}

function appendJoined(f: Frame, items: readonly Value[], fields: Fields): void {
  const ifs = lookUp(f.scope, 'IFS');
  const separator = ifs.text === '' ? '' : ifs.text.slice(0, 1);
  items.forEach((item, i) => {
    if (i > 0) append(fields, separator);
    appendValue(fields, item);
  });
}

function splitList(f: Frame, list: Extract<Expansion, { kind: 'list' }>, fields: Fields): void {
  if (list.items === null) {
    append(fields, UNKNOWN_TEXT);
    fields.glob = true;
    return;
  }
  list.items.forEach((item, i) => {
    if (i > 0) cut(fields);
    split(f, item, fields);
  });
}

/** Unquoted expansions become fields at the characters of IFS, and their `*` are patterns; not so in zsh. */
function split(f: Frame, value: Value, fields: Fields): void {
  const { text } = value;
  if (value.from >= 0) fields.from = value.from;
  const pattern = value.many || (GLOB.test(text) && f.scope.surroundings.dialect !== 'zsh');
  if (text === '') return;
  if (pattern) fields.glob = true;
  if (f.scope.surroundings.dialect === 'zsh') {
    append(fields, text);
    return;
  }
  const ifs = lookUp(f.scope, 'IFS').text;
  if (ifs.includes(UNKNOWN_TEXT)) {
    append(fields, UNKNOWN_TEXT);
    return;
  }
  for (const c of text) {
    if (!ifs.includes(c)) {
      append(fields, c);
      fields.spaced = false;
      if (pattern) fields.glob = true;
    } else if (c === ' ' || c === '\t' || c === '\n') {
      if (fields.started) fields.spaced = true;
      cut(fields);
    } else {
      if (!fields.spaced) fields.started = true;
      fields.spaced = false;
      cut(fields);
    }
  }
}

const GLOB = /[*?[]/;

/** A word's text where it cannot become several: assignments, `case`, here-strings, operands. */
export function wordText(m: Machine, f: Frame, node: WordNode, quoted = false): string {
  return wordValue(m, f, node, quoted).text;
}

/** The same with where it came from; globs stay patterns and mark it as many. */
export function wordValue(m: Machine, f: Frame, node: WordNode, quoted = false, assignment = false): Value {
  const { parts } = node;
  if (parts === undefined) {
    const text = quoted ? node.value : expandTilde(f, node.value, node.text, assignment);
    return { ...UNKNOWN_VALUE, text };
  }
  const fields = newFields(m, node.text, []);
  parts.forEach((part, i) => {
    const opens = part.type === 'Literal' && part.text.includes('~') && !quoted;
    if (opens && (i === 0 || assignment) && (part.text.includes('/') || parts.length === 1))
      append(fields, expandTilde(f, part.value, part.text, assignment));
    else joinPart(m, f, part, fields);
    if (fields.text.length > MAX_TEXT) fields.text = UNKNOWN_TEXT;
  });
  spend(m, parts.length, fields.text.length);
  return { ...UNKNOWN_VALUE, text: fields.text, many: fields.glob, from: fields.from };
}

/** As `expandPart`, without splitting: lists are joined. */
function joinPart(m: Machine, f: Frame, part: WordPart, fields: Fields): void {
  switch (part.type) {
    case 'DoubleQuoted':
    case 'LocaleString':
      for (const inner of part.parts) joinPart(m, f, inner, fields);
      return;
    case 'SimpleExpansion':
    case 'ParameterExpansion':
    case 'CommandExpansion':
    case 'ArithmeticExpansion': {
      const expansion = expandDynamic(m, f, part, true);
      if (expansion.kind === 'one') appendValue(fields, expansion.value);
      else if (expansion.items === null) append(fields, UNKNOWN_TEXT);
      else appendJoined(f, expansion.items, fields);
      return;
    }
    case 'Glob':
    case 'BraceExpansion':
      // Neither happens in an assignment; the text keeps them for a later unquoted use.
      append(fields, part.text);
      if (part.parts !== undefined)
        for (const inner of part.parts) joinPart(m, f, inner, { ...fields, text: '' });
      return;
    default:
      expandPart(m, f, part, fields);
  }
}

/** The words a redirect's target or a case's subject becomes, as one. */
export function singleWord(m: Machine, f: Frame, node: WordNode): Word {
  const words: Word[] = [];
  expandWord(m, f, node, words);
  const [word] = words;
  if (words.length === 1 && word !== undefined) return word;
  return {
    text: words.length === 0 ? '' : UNKNOWN_TEXT,
    raw: node.text,
    known: words.length === 0,
    glob: false,
  };
}
