import type { Assignment, Command as CommandNode } from 'unbash';
import { type Redirect, UNKNOWN_TEXT, type Word } from '../../core/command.ts';
import { isBuiltin, runBuiltin } from './builtin.ts';
import { readAssignedCode } from './embedded.ts';
import { expandWord, wordText, wordValue } from './expand.ts';
import {
  type Call,
  emit,
  type Frame,
  MAX_TEXT,
  type Machine,
  NO_OUTPUT,
  type Output,
  spend,
  through,
} from './machine.ts';
import { feedsInput, inputFrom, readRedirect } from './redirect.ts';
import { resolve } from './resolve.ts';
import {
  adopt,
  assign,
  findAlias,
  findFunction,
  forget,
  fork,
  lookUp,
  merge,
  type ShellFunction,
  stay,
  textValue,
  UNKNOWN_VALUE,
  type Value,
} from './scope.ts';
import { runNode } from './walk.ts';

const NO_REDIRECTS: readonly Redirect[] = [];
const NO_ASSIGNMENTS: Call['assignments'] = [];

/** Reads a simple command: expands its words, follows what it does to the shell, finds what it runs (AARM R3.k). */
export function runSimple(m: Machine, f: Frame, node: CommandNode): Output {
  const feeds = m.feeds.length;
  const words: Word[] = [];
  if (node.name !== undefined) expandWord(m, f, node.name, words);
  let redirects: Redirect[] | null = null;
  let fed = false;
  for (const item of node.suffix) {
    if (m.fault !== null) return null;
    if (item.type === 'Word') expandWord(m, f, item, words);
    else if (item.type === 'Assignment') words.push(assignmentWord(m, f, item));
    else {
      redirects = addRedirect(redirects, readRedirect(m, f, item));
      fed ||= feedsInput(item);
    }
  }
  let assigned: { readonly name: string; readonly value: Word }[] | null = null;
  for (const item of node.prefix) {
    if (item.type !== 'Assignment') {
      redirects = addRedirect(redirects, readRedirect(m, f, item));
      fed ||= feedsInput(item);
    } else {
      const value = assignmentValue(m, f, item);
      assigned ??= [];
      assigned.push({ name: item.name, value: valueWord(m, item, assignedValue(f, item, value)) });
      // Without a command the assignment stays; otherwise it is the environment of that command only.
      if (words.length === 0) set(f, item, value);
    }
  }
  if (!spend(m, words.length)) return null;
  const call: Call = {
    words,
    assignments: assigned ?? NO_ASSIGNMENTS,
    redirects: redirects ?? NO_REDIRECTS,
    span: f.offset === null ? null : { start: node.pos + f.offset, end: node.end + f.offset },
  };
  for (const { name, value } of call.assignments) readAssignedCode(m, f, name, value);
  const first = m.commands.length;
  const output = runCall(m, fed ? { ...f, input: { kind: 'file' } } : f, call);
  if (m.feeds.length > feeds) {
    const writer = m.commands[first];
    for (const draft of m.feeds.splice(feeds)) draft.pipedFrom ??= writer?.index ?? null;
  }
  return output;
}

function addRedirect(list: Redirect[] | null, redirect: Redirect | null): Redirect[] | null {
  if (redirect === null) return list;
  if (list === null) return [redirect];
  list.push(redirect);
  return list;
}

/** Runs expanded words: assignments alone, a function, an alias, a builtin, or a program and what it wraps. */
export function runCall(m: Machine, f: Frame, call: Call): Output {
  const [name] = call.words;
  if (name === undefined) {
    if (call.redirects.length + call.assignments.length > 0) emit(m, f, call, null);
    stay(f.scope, f.scope.directories);
    // `$(<file)` prints the file.
    return call.redirects.some((redirect) => redirect.operator === '<') ? null : NO_OUTPUT;
  }
  const alias = m.aliased ? findAlias(f.scope, name.text) : null;
  // Whether aliases are in force is the shell's secret (never in a script), so both readings count.
  if (alias !== null && name.raw === name.text && !m.calls.includes(`alias ${name.text}`))
    runAlias(m, f, call, alias);
  const found = m.functionNames.size > 0 ? findFunction(f.scope, name.text) : null;
  if (found !== null) {
    const sure = !found.uncertain && !m.unfunctioned && name.known;
    if (sure && (f.scope.surroundings.dialect === 'bash' || !SPECIAL.has(name.text)))
      return runFunction(m, f, call, name.text, found);
    // Another definition, or none, may be in force, and may do anything to this shell.
    const branch = fork(f.scope);
    runFunction(m, { ...f, scope: branch }, call, name.text, found);
    merge(f.scope, [branch], true);
    unsettle(f);
  }
  const output = runProgram(m, f, call);
  // What nobody knows may be `cd`, `export`, a function; only a path is surely a program.
  if (!name.known && !name.text.includes('/')) unsettle(f);
  return output;
}

function unsettle(f: Frame): void {
  forget(f.scope);
  stay(f.scope, []);
}

/** As `runCall`, but for what is not looked up as a function or alias: `command x`, `sudo x`. */
export function runProgram(m: Machine, f: Frame, call: Call): Output {
  const name = call.words[0]?.text ?? '';
  if (isBuiltin(name)) {
    const output = runBuiltin(m, f, call, name);
    if (output !== 'program') return output;
  }
  const inner = call.redirects.length === 0 ? f : { ...f, input: inputFrom(call.redirects, f.input) };
  const output = resolve(m, inner, call);
  stay(f.scope, f.scope.directories);
  return output !== null && call.redirects.some(takesOutput) ? NO_OUTPUT : output;
}

function takesOutput(redirect: Redirect): boolean {
  return redirect.operator.includes('>') && (redirect.descriptor ?? 1) === 1;
}

/** Builtins that outrank functions in a POSIX shell. */
const SPECIAL = new Set([
  'break',
  ':',
  'continue',
  '.',
  'eval',
  'exec',
  'exit',
  'export',
  'readonly',
  'return',
  'set',
  'shift',
  'times',
  'trap',
  'unset',
]);

function runAlias(m: Machine, f: Frame, call: Call, alias: string): void {
  const name = call.words[0]?.text ?? '';
  m.calls.push(`alias ${name}`);
  const rest = call.words
    .slice(1)
    .map((word) => (word.known && !word.glob ? quoted(word.text) : word.text))
    .join(' ');
  const inner = through(
    { ...f, origin: 'eval', offset: null, redirects: [...f.redirects, ...call.redirects] },
    'alias',
    name,
    'here',
  );
  m.run.code(m, inner, `${alias} ${rest}`);
  m.calls.pop();
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

const MAX_ACTIVATIONS = 2;

function runFunction(m: Machine, f: Frame, call: Call, name: string, found: ShellFunction): Output {
  found.use.called = true;
  const active = m.calls.filter((entry) => entry === name).length;
  const inner = through({ ...f, origin: 'function' }, 'function', name, 'here');
  // What calls itself was read once with its real and once with unknown arguments; a third time adds nothing.
  if (active >= MAX_ACTIVATIONS) {
    emit(m, inner, call, null);
    return null;
  }
  const scope = fork(f.scope);
  scope.positional =
    active > 0 ? null : [textValue(name), ...call.words.slice(1).map((word) => wordAsValue(m, word))];
  if (active > 0) forget(scope);
  for (const { name: variable, value } of call.assignments) assign(scope, variable, wordAsValue(m, value));
  m.calls.push(name);
  const locals = new Set<string>();
  m.locals.push(locals);
  const outer = m.returned;
  const { loops } = m;
  m.returned = false;
  m.loops = 0;
  const output = runNode(
    m,
    {
      ...inner,
      offset: found.offset,
      scope,
      redirects: call.redirects.length === 0 ? f.redirects : [...f.redirects, ...call.redirects],
      input: inputFrom(call.redirects, f.input),
    },
    found.node.body,
  );
  m.calls.pop();
  m.locals.pop();
  m.loops = loops;
  const { positional } = f.scope;
  // Local values end here, and whether the caller's were spared is not certain.
  for (const local of locals) scope.variables.set(local, UNKNOWN_VALUE);
  const left = m.returned;
  m.returned = outer;
  if (left) {
    // It may have left at any `return`, so that nothing it assigned is certain.
    for (const variable of scope.variables.keys()) scope.variables.set(variable, UNKNOWN_VALUE);
    scope.ended = false;
    merge(f.scope, [scope], true);
  } else adopt(f.scope, scope);
  f.scope.positional = positional;
  return output;
}

/** A word as the value of a variable. */
export function wordAsValue(m: Machine, word: Word): Value {
  return { ...textValue(word.text), many: word.glob, from: m.sources.get(word) ?? -1 };
}

function assignmentValue(m: Machine, f: Frame, node: Assignment): Value {
  if (node.index !== undefined) wordText(m, f, node.index);
  if (node.value.type === 'Word') {
    const value = wordValue(m, f, node.value, false, true);
    // A pattern is not matched here; it is text until an unquoted use.
    return { ...value, many: false };
  }
  const words: Word[] = [];
  for (const element of node.value.elements) expandWord(m, f, element, words);
  const items = words.map((word) => wordAsValue(m, word));
  const keyed = node.value.elements.some((element) => element.text.startsWith('['));
  return { ...UNKNOWN_VALUE, text: items[0]?.text ?? '', items: keyed ? null : items, many: keyed };
}

function set(f: Frame, node: Assignment, value: Value): void {
  assign(f.scope, node.name, assignedValue(f, node, value));
}

function assignedValue(f: Frame, node: Assignment, value: Value): Value {
  const before = lookUp(f.scope, node.name);
  if (node.value.type === 'ArrayValue' && value.items === null) return UNKNOWN_VALUE;
  if (node.index !== undefined) return indexedValue(node, before, value);
  if (node.append !== true) return value;
  if (value.items !== null) {
    const known = before.items ?? (before.text.includes(UNKNOWN_TEXT) ? null : before.set ? [before] : []);
    return known === null
      ? UNKNOWN_VALUE
      : { ...value, text: known[0]?.text ?? value.text, items: [...known, ...value.items] };
  }
  if (before.items !== null) return UNKNOWN_VALUE;
  const text = before.text + value.text;
  return { ...value, text: text.length > MAX_TEXT ? UNKNOWN_TEXT : text, many: before.many || value.many };
}

function indexedValue(node: Assignment, before: Value, value: Value): Value {
  const index = node.index?.text ?? '';
  const at = /^\d{1,3}$/.test(index) ? Number(index) : -1;
  const items = before.items;
  if (items === null || node.append === true || at < 0 || at > items.length) return UNKNOWN_VALUE;
  const next = [...items.slice(0, at), value, ...items.slice(at + 1)];
  return { ...before, text: next[0]?.text ?? '', items: next };
}

function valueWord(m: Machine, node: Assignment, value: Value): Word {
  const text = value.items === null ? value.text : value.items.map((item) => item.text).join(' ');
  const word: Word = { text, raw: node.text, known: !text.includes(UNKNOWN_TEXT), glob: false };
  if (value.from >= 0) m.sources.set(word, value.from);
  return word;
}

/** `export A=b`: a word to the builtin, in which tildes are expanded and nothing is split. */
function assignmentWord(m: Machine, f: Frame, node: Assignment): Word {
  const value = assignmentValue(m, f, node);
  const shown = value.items === null ? value.text : `(${value.items.map((item) => item.text).join(' ')})`;
  const text = `${node.name}${node.append === true ? '+=' : '='}${shown}`;
  const word: Word = { text, raw: node.text, known: !text.includes(UNKNOWN_TEXT), glob: false };
  m.declared.set(word, assignedValue(f, node, value));
  return word;
}
