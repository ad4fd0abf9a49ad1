import type { ArithmeticFor, CompoundList, For, Select, SyntaxNode, While } from 'unbash';
import { forEachChild } from 'unbash';
import { UNKNOWN_TEXT, type Word } from '../../core/command.ts';
import { expandWord } from './expand.ts';
import { type Frame, type Machine, type Output, spend } from './machine.ts';
import {
  assign,
  forget,
  fork,
  merge,
  type Scope,
  stay,
  textValue,
  UNKNOWN_VALUE,
  type Value,
} from './scope.ts';
import { readArithmetic } from './substitution.ts';
import { runNode, runStatements } from './walk.ts';

const MAX_UNROLLED = 16;

/** What a stretch of script may change, whatever path it takes. */
interface Changes {
  readonly names: ReadonlySet<string>;
  /** True when it may change anything: `eval`, `source`, a command whose name is not plain. */
  readonly all: boolean;
  readonly directory: boolean;
  /** True when it may leave early: `break`, `continue`, `return`. */
  readonly leaves: boolean;
}

const ASSIGNING = new Set([
  'read',
  'readarray',
  'mapfile',
  'getopts',
  'printf',
  'let',
  'unset',
  'wait',
  'vared',
]);
const DECLARING = new Set(['export', 'declare', 'typeset', 'local', 'readonly', 'integer', 'float']);
const OPAQUE = new Set(['eval', 'source', '.', 'command', 'builtin', 'exec', 'trap', 'alias', 'emulate']);
const MOVING = new Set(['cd', 'chdir', 'pushd', 'popd']);
const LEAVING = new Set(['break', 'continue', 'return']);

/** What a node may change, found by looking at every node in it once. */
export function changesOf(m: Machine, root: SyntaxNode): Changes {
  const names = new Set<string>();
  const found = { names, all: false, directory: false, leaves: false };
  const rest: SyntaxNode[] = [root];
  for (let node = rest.pop(); node !== undefined; node = rest.pop()) {
    if (!spend(m, 1)) return { ...found, all: true };
    switch (node.type) {
      case 'Assignment':
        names.add(node.name);
        break;
      case 'For':
      case 'Select':
        names.add(node.name.value);
        break;
      case 'Coproc':
        names.add(node.name?.value ?? 'COPROC');
        break;
      case 'ArithmeticWord':
        for (const name of node.value.match(/[A-Za-z_][A-Za-z0-9_]*/g) ?? []) names.add(name);
        break;
      case 'ParameterExpansion':
        if (node.operation?.type === 'Default' && node.operation.operator.endsWith('='))
          names.add(node.parameter);
        break;
      case 'Command': {
        const { name } = node;
        if (name === undefined) break;
        if (name.parts !== undefined || OPAQUE.has(name.value) || m.functionNames.has(name.value))
          found.all = true;
        else if (MOVING.has(name.value)) found.directory = true;
        else if (LEAVING.has(name.value)) found.leaves = true;
        else if (ASSIGNING.has(name.value) || DECLARING.has(name.value))
          for (const item of node.suffix)
            if (item.type === 'Word') {
              if (/[$`]/.test(item.text)) found.all = true;
              else names.add(/^[A-Za-z0-9_]*/.exec(item.value)?.[0] ?? '');
            }
        if (
          name.value === 'printf' &&
          node.suffix.some((item) => item.type === 'Word' && item.text.startsWith('-v'))
        )
          found.all = true;
        break;
      }
      default:
        break;
    }
    forEachChild(node, (child) => rest.push(child));
  }
  if (found.all) found.directory = true;
  return found;
}

/** Makes unknown what a loop's body may have changed in an earlier turn. */
function blur(scope: Scope, changes: Changes): void {
  if (changes.all) forget(scope);
  for (const name of changes.names) assign(scope, name, UNKNOWN_VALUE);
  if (changes.directory) stay(scope, []);
}

/** `while` and `until`: the body may run any number of times. */
export function runWhile(m: Machine, f: Frame, node: While): void {
  blur(f.scope, changesOf(m, node));
  runStatements(m, { ...f, guarded: true }, node.clause.commands);
  runBody(m, f, node.body);
}

function runBody(m: Machine, f: Frame, body: CompoundList): void {
  const branch = fork(f.scope);
  m.loops += 1;
  runStatements(m, { ...f, scope: branch }, body.commands);
  m.loops -= 1;
  // A `break` in the body leaves with what was assigned so far.
  branch.ended = false;
  merge(f.scope, [branch], true);
}

/** `for ((…))`: as `while`. */
export function runArithmeticFor(m: Machine, f: Frame, node: ArithmeticFor): void {
  blur(f.scope, changesOf(m, node));
  for (const expression of [node.initialize, node.test, node.update])
    if (expression !== undefined) readArithmetic(m, f, expression);
  runBody(m, f, node.body);
}

/**
 * `for x in words`: up to sixteen known words are read one after the other, a glob's matches as one value standing for many;
 * otherwise the variable is unknown (AARM R3.k).
 */
export function runFor(m: Machine, f: Frame, node: For | Select): Output {
  const { scope } = f;
  const name = node.name.value;
  const values = node.wordlist === undefined ? positionalValues(scope) : wordValues(m, f, node.wordlist);
  if (values !== null && values.length === 0) {
    // Nothing runs, but what is written is still read: the list may be empty only as far as we know.
    runBody(m, f, node.body);
    return null;
  }
  const few =
    node.type === 'For' &&
    values !== null &&
    values.length <= MAX_UNROLLED &&
    m.unrolled * values.length <= 256;
  if (!few || values === null) {
    blur(scope, changesOf(m, node));
    assign(scope, name, manyOf(values));
    runBody(m, f, node.body);
    return null;
  }
  // An unknown word may be no word, or several: then nothing is certain about how often the body ran.
  const open = values.some((value) => value.many || value.text.includes(UNKNOWN_TEXT));
  const changes = changesOf(m, node.body);
  const loose = open || changes.leaves;
  if (loose) blur(scope, changes);
  const outer = m.unrolled;
  m.unrolled *= values.length;
  m.loops += 1;
  let output: Output = { text: '', known: true };
  for (const value of values) {
    if (!spend(m, 1)) break;
    if (loose) {
      const branch = fork(scope);
      assign(branch, name, value);
      runStatements(m, { ...f, scope: branch }, node.body.commands);
      branch.ended = false;
      merge(scope, [branch], true);
      output = null;
      continue;
    }
    assign(scope, name, value);
    const printed = runNode(m, f, node.body);
    output =
      output === null || printed === null
        ? null
        : { text: output.text + printed.text, known: output.known && printed.known };
  }
  if (loose) assign(scope, name, UNKNOWN_VALUE);
  m.unrolled = outer;
  m.loops -= 1;
  return output;
}

function manyOf(values: readonly Value[] | null): Value {
  return values?.some((value) => value.many) ? { ...UNKNOWN_VALUE, many: true } : UNKNOWN_VALUE;
}

function positionalValues(scope: Scope): readonly Value[] | null {
  return scope.positional === null ? null : scope.positional.slice(1);
}

function wordValues(
  m: Machine,
  f: Frame,
  nodes: CompoundList['commands'] | readonly import('unbash').Word[],
): Value[] | null {
  const words: Word[] = [];
  for (const node of nodes) if (node.type === 'Word') expandWord(m, f, node, words);
  const values: Value[] = [];
  for (const word of words) {
    // An unknown unquoted word may be several; a loop over it sees one of them at a time.
    const value = textValue(word.text);
    values.push({
      ...value,
      many: word.glob || (!word.known && word.text !== UNKNOWN_TEXT),
      from: m.sources.get(word) ?? -1,
    });
  }
  return values;
}
