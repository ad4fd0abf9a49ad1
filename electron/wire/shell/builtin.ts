import type { Word } from '../../core/command.ts';
import { UNKNOWN_TEXT } from '../../core/command.ts';
import { linkSource, readCode } from './code.ts';
import { readAssignedCode } from './embedded.ts';
import { type Call, emit, type Frame, type Machine, NO_OUTPUT, type Output, through } from './machine.ts';
import {
  assign,
  findFunction,
  forget,
  lookUp,
  type Scope,
  stay,
  textValue,
  UNKNOWN_VALUE,
  UNSET_VALUE,
  type Value,
} from './scope.ts';
import { readIndex } from './substitution.ts';
import { joinText, resolvePath, textAt } from './word.ts';

type Builtin = (m: Machine, f: Frame, call: Call) => Output | 'program';

/** True for commands that change the shell itself. */
export function isBuiltin(name: string): boolean {
  return Object.hasOwn(BUILTINS, name);
}

/** Follows what a builtin does to the shell; `'program'` when it is to be read as any other command. */
export function runBuiltin(m: Machine, f: Frame, call: Call, name: string): Output | 'program' {
  const builtin = BUILTINS[name];
  return builtin === undefined ? 'program' : builtin(m, f, call);
}

const BUILTINS: Readonly<Record<string, Builtin>> = {
  cd: changeDirectory,
  chdir: changeDirectory,
  pushd: changeDirectory,
  popd: (m, f, call) => {
    emit(m, f, call, null);
    f.scope.previous = f.scope.directories;
    stay(f.scope, []);
    return NO_OUTPUT;
  },
  eval: evaluate,
  trap: trap,
  exit: leave,
  logout: leave,
  return: leave,
  break: leave,
  continue: leave,
  export: declare,
  declare: declare,
  typeset: declare,
  local: declare,
  readonly: declare,
  unset: unset,
  read: assignNames,
  readarray: assignNames,
  mapfile: assignNames,
  getopts: assignNames,
  let: assignNames,
  printf: printTo,
  set: setOptions,
  shift: shift,
  source: source,
  '.': source,
  unfunction: undefine,
  unhash: undefine,
  disable: undefine,
  alias: alias,
  unalias: (m, f, call) => {
    emit(m, f, call, null);
    m.aliased = true;
    return NO_OUTPUT;
  },
  test: testVariable,
  '[': testVariable,
  ':': silent,
  true: silent,
};

/** `test -v 'a[…]'`. */
function testVariable(m: Machine, f: Frame, call: Call): 'program' {
  const at = call.words.findIndex((word) => word.text === '-v');
  if (at > 0) readIndex(m, f, textAt(call.words, at + 1));
  return 'program';
}

function silent(m: Machine, f: Frame, call: Call): Output {
  emit(m, f, call, null);
  stay(f.scope, f.scope.directories);
  return NO_OUTPUT;
}

function changeDirectory(m: Machine, f: Frame, call: Call): Output {
  emit(m, f, call, null);
  const { scope } = f;
  const before = scope.directories;
  let i = 1;
  while (/^-[LPe@]+$/.test(textAt(call.words, i)) || textAt(call.words, i) === '--') i++;
  const target = call.words[i];
  const targets = destinations(scope, target);
  // What exists for certain cannot fail: where we are, and what is above it.
  const sure =
    targets.length > 0 && before.length === 1 && targets.every((to) => isAbove(to, before[0] ?? ''));
  scope.previous = before;
  scope.succeeded = targets;
  scope.failed = sure ? targets : before;
  scope.directories = targets;
  const [only] = targets;
  if (mayBeSet(scope, 'PWD'))
    scope.variables.set(
      'PWD',
      targets.length === 1 && only !== undefined ? textValue(only, true) : UNKNOWN_VALUE,
    );
  return NO_OUTPUT;
}

function isAbove(directory: string, below: string): boolean {
  return below === directory || directory === '/' || below.startsWith(`${directory}/`);
}

function destinations(scope: Scope, target: Word | undefined): readonly string[] {
  if (target === undefined) {
    const home = lookUp(scope, 'HOME').text;
    return home.startsWith('/') && !home.includes(UNKNOWN_TEXT) ? [home] : [];
  }
  if (target.text === '-') return scope.previous;
  if (!target.known || target.glob || target.text === '' || /^[+-]\d+$/.test(target.text)) return [];
  const relative = !target.text.startsWith('/');
  // With CDPATH a plain name may lead anywhere.
  if (relative && !target.text.startsWith('.') && mayBeSet(scope, 'CDPATH')) return [];
  if (!relative) return [resolvePath(null, target.text) ?? '/'];
  return scope.directories.map((from) => resolvePath(from, target.text) ?? '/');
}

function mayBeSet(scope: Scope, name: string): boolean {
  for (let at: Scope | null = scope; at !== null; at = at.parent) if (at.variables.has(name)) return true;
  return Object.hasOwn(scope.surroundings.variables, name);
}

function evaluate(m: Machine, f: Frame, call: Call): Output {
  const start = textAt(call.words, 1) === '--' ? 2 : 1;
  if (call.words.length <= start) return silent(m, f, call);
  const inner = call.redirects.length === 0 ? f : { ...f, redirects: [...f.redirects, ...call.redirects] };
  for (const { name, value } of call.assignments) assign(f.scope, name, textValue(value.text));
  const output = readCode(m, inner, call, {
    text: joinText(call.words, start),
    words: call.words.slice(start),
    origin: 'eval',
    scope: f.scope,
    wrapper: { program: 'eval', detail: '', place: 'here' },
  });
  // What the code may have done in its unknown part is unknown; what was set for it alone is gone in some shells.
  if (call.words.slice(start).some((word) => !word.known)) {
    forget(f.scope);
    stay(f.scope, []);
  }
  for (const { name } of call.assignments) assign(f.scope, name, UNKNOWN_VALUE);
  return output;
}

function trap(m: Machine, f: Frame, call: Call): Output {
  const { words } = call;
  const start = textAt(words, 1) === '--' ? 2 : 1;
  const action = words[start];
  const unread = action !== undefined && !action.known && words.length > start + 1;
  const draft = emit(m, f, call, unread ? { language: 'shell', text: action.text, known: false } : null);
  if (unread) linkSource(m, draft.index, [action]);
  stay(f.scope, f.scope.directories);
  if (action === undefined || words.length <= start + 1 || action.text === '' || /^-/.test(action.text))
    return NO_OUTPUT;
  if (action.text === UNKNOWN_TEXT) return NO_OUTPUT;
  // It runs later, wherever the shell is then.
  const scope = { ...f.scope, parent: f.scope, variables: new Map<string, Value>(), forgotten: true };
  stay(scope, []);
  m.run.code(
    m,
    through(
      { ...f, scope, origin: 'trap', offset: null, stage: null, wanted: false },
      'trap',
      joinText(words, start + 1),
      'here',
    ),
    action.text,
  );
  return NO_OUTPUT;
}

function leave(m: Machine, f: Frame, call: Call): Output {
  emit(m, f, call, null);
  stay(f.scope, f.scope.directories);
  const name = call.words[0]?.text ?? '';
  // Outside a function or loop these only print an error, and the next command runs.
  if (name === 'return') m.returned = true;
  f.scope.ended =
    name === 'return' ? m.locals.length > 0 : name === 'break' || name === 'continue' ? m.loops > 0 : true;
  return NO_OUTPUT;
}

function declare(m: Machine, f: Frame, call: Call): Output {
  emit(m, f, call, null);
  const { scope } = f;
  stay(scope, scope.directories);
  const name = call.words[0]?.text ?? '';
  let exported = name === 'export';
  let plain = true;
  for (let i = 1; i < call.words.length; i++) {
    const word = call.words[i];
    if (word === undefined) continue;
    if (/^[-+][A-Za-z]/.test(word.text)) {
      if (word.text.includes('x')) exported = word.text.startsWith('-');
      // Integers, names of other variables and changed case make the value another one than was written.
      if (/[ilunAT]/.test(word.text.slice(1)) && name !== 'export') plain = false;
      continue;
    }
    const written = /^([A-Za-z_][A-Za-z0-9_]*)(\+?=)?/.exec(word.text);
    if (written === null) {
      if (!word.known) forget(scope);
      continue;
    }
    const variable = written[1] ?? '';
    if (name === 'local' && m.locals.length === 0) {
      // An error in bash, which assigns nothing; zsh does assign.
      assign(scope, variable, UNKNOWN_VALUE);
      continue;
    }
    if (written[2] === undefined) readIndex(m, f, word.text);
    if (m.locals.length > 0 && (name === 'local' || name === 'declare' || name === 'typeset'))
      m.locals.at(-1)?.add(variable);
    if (written[2] !== undefined)
      readAssignedCode(m, f, variable, { ...word, text: word.text.slice(written[0].length) });
    const declared = m.declared.get(word);
    const text = word.text.slice(written[0].length);
    const value =
      written[2] === undefined
        ? declaredOnly(lookUp(scope, variable), name)
        : (declared ??
          (written[2] === '=' ? { ...textValue(text), from: m.sources.get(word) ?? -1 } : UNKNOWN_VALUE));
    assign(scope, variable, { ...(plain ? value : UNKNOWN_VALUE), exported: exported || value.exported });
  }
  return NO_OUTPUT;
}

function declaredOnly(value: Value, name: string): Value {
  return name === 'export' || name === 'readonly' ? value : name === 'local' ? UNKNOWN_VALUE : value;
}

function unset(m: Machine, f: Frame, call: Call): Output {
  emit(m, f, call, null);
  const { scope } = f;
  for (const word of call.words.slice(1)) {
    if (!word.known) forget(scope);
    else if (IDENTIFIER.test(word.text)) scope.variables.set(word.text, UNSET_VALUE);
    if (!word.known) m.unfunctioned = true;
    const found = findFunction(scope, word.text);
    if (found !== null) scope.functions.set(word.text, { ...found, uncertain: true });
    readIndex(m, f, word.text);
  }
  stay(scope, scope.directories);
  return NO_OUTPUT;
}

const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_]*$/;

function undefine(m: Machine, f: Frame, call: Call): Output {
  m.unfunctioned = true;
  return silent(m, f, call);
}

/** `read a b`: what comes from outside is unknown. */
function assignNames(m: Machine, f: Frame, call: Call): Output {
  emit(m, f, call, null);
  const { scope } = f;
  for (const word of call.words.slice(1)) {
    if (!word.known && word.text.includes(UNKNOWN_TEXT) && !word.text.includes(' ')) forget(scope);
    readIndex(m, f, word.text);
    for (const name of word.text.match(/[A-Za-z_][A-Za-z0-9_]*/g) ?? []) assign(scope, name, UNKNOWN_VALUE);
  }
  if (/^(?:mapfile|readarray)$/.test(textAt(call.words, 0))) assign(scope, 'MAPFILE', UNKNOWN_VALUE);
  stay(scope, scope.directories);
  return NO_OUTPUT;
}

function printTo(m: Machine, f: Frame, call: Call): Output | 'program' {
  if (!textAt(call.words, 1).startsWith('-v')) return 'program';
  const name = textAt(call.words, 1).length > 2 ? textAt(call.words, 1).slice(2) : textAt(call.words, 2);
  emit(m, f, call, null);
  readIndex(m, f, name);
  if (IDENTIFIER.test(name)) assign(f.scope, name, UNKNOWN_VALUE);
  else if (!/^[A-Za-z_][A-Za-z0-9_]*\[/.test(name)) forget(f.scope);
  else assign(f.scope, name.slice(0, name.indexOf('[')), UNKNOWN_VALUE);
  stay(f.scope, f.scope.directories);
  return NO_OUTPUT;
}

function setOptions(m: Machine, f: Frame, call: Call): Output {
  emit(m, f, call, null);
  const { scope } = f;
  stay(scope, scope.directories);
  const { words } = call;
  let i = 1;
  for (; i < words.length; i++) {
    const text = textAt(words, i);
    if (text === '--' || text === '-') {
      i++;
      break;
    }
    if (!/^[-+]/.test(text)) break;
    const on = text.startsWith('-');
    if (text.endsWith('o')) {
      const option = textAt(words, ++i);
      if (option === 'errexit') scope.errexit = on;
      if (option === 'allexport') scope.allexport = on;
    }
    if (text.includes('e')) scope.errexit = on;
    if (text.includes('a')) scope.allexport = on;
  }
  const replaces = i < words.length || textAt(words, i - 1) === '--';
  if (replaces) {
    const sure = words.slice(i).every((word) => word.known && !word.glob);
    scope.positional = sure ? [UNKNOWN_VALUE, ...words.slice(i).map((word) => textValue(word.text))] : null;
  }
  return NO_OUTPUT;
}

function shift(m: Machine, f: Frame, call: Call): Output {
  emit(m, f, call, null);
  const { scope } = f;
  stay(scope, scope.directories);
  const count = textAt(call.words, 1) === '' ? '1' : textAt(call.words, 1);
  if (scope.positional === null) return NO_OUTPUT;
  scope.positional = /^\d{1,4}$/.test(count)
    ? [scope.positional[0] ?? UNKNOWN_VALUE, ...scope.positional.slice(1 + Number(count))]
    : null;
  return NO_OUTPUT;
}

/** `source file` stays a command; what it may have set is unknown after it. `source <(…)` is code. */
function source(m: Machine, f: Frame, call: Call): Output {
  const file = call.words[1];
  const from = file === undefined ? undefined : m.sources.get(file);
  const text = from === undefined ? undefined : m.contents.get(from);
  if (text !== undefined && file?.text === UNKNOWN_TEXT)
    return readCode(m, f, call, {
      text,
      words: [],
      origin: 'argument',
      scope: f.scope,
      wrapper: { program: 'source', detail: '', place: 'here' },
    });
  const draft = emit(m, f, call, from === undefined ? null : { language: 'shell', text: '', known: false });
  if (from !== undefined && draft.pipedFrom === null) {
    draft.pipedFrom = from;
    const writer = m.commands[from];
    if (writer !== undefined) writer.pipedTo ??= draft.index;
  }
  forget(f.scope);
  stay(f.scope, f.scope.directories);
  return null;
}

function alias(m: Machine, f: Frame, call: Call): Output {
  emit(m, f, call, null);
  stay(f.scope, f.scope.directories);
  for (const word of call.words.slice(1)) {
    const at = word.text.indexOf('=');
    if (at > 0 && f.scope.surroundings.dialect !== 'sh') {
      f.scope.aliases.set(word.text.slice(0, at), word.text.slice(at + 1));
      m.aliased = true;
    }
  }
  return NO_OUTPUT;
}
