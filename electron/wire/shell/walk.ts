import type {
  AndOr,
  Case,
  CompoundCommand,
  CompoundList,
  Coproc,
  Function as FunctionNode,
  If,
  ParsedScript,
  Pipeline,
  PipelineNode,
  Redirected,
  Statement,
  While,
} from 'unbash';
import type { Redirect } from '../../core/command.ts';
import { wordText } from './expand.ts';
import { runArithmeticFor, runFor, runWhile } from './loop.ts';
import {
  type Draft,
  type Frame,
  type Input,
  MAX_DEPTH,
  type Machine,
  NO_OUTPUT,
  note,
  type Output,
  refuse,
  spend,
  type Text,
} from './machine.ts';
import { feedsInput, inputFrom, readRedirect } from './redirect.ts';
import { adopt, either, fork, merge, type Scope, stay } from './scope.ts';
import { runSimple } from './simple.ts';
import { readArithmetic, readTest } from './substitution.ts';

/** Reads a parsed script in its frame; returns what it prints when that is known and wanted. */
export function runScript(m: Machine, f: Frame, script: ParsedScript): Output {
  if (script.errors !== undefined)
    for (const error of script.errors) {
      if (error.message.includes('nesting depth')) refuse(m, 'too_deep', error.message);
      else note(m, `syntax: ${error.message} at ${error.pos}`);
    }
  return runStatements(m, f, script.commands);
}

/** Reads statements one after another. */
export function runStatements(m: Machine, f: Frame, statements: readonly Statement[]): Output {
  let output: Output = NO_OUTPUT;
  for (const statement of statements) {
    if (!spend(m, 1)) return null;
    output = both(f, output, runStatement(m, f, statement));
  }
  return output;
}

function both(f: Frame, a: Output, b: Output): Output {
  if (!f.wanted || a === null || b === null) return null;
  return a === NO_OUTPUT ? b : b === NO_OUTPUT ? a : { text: a.text + b.text, known: a.known && b.known };
}

function runStatement(m: Machine, f: Frame, statement: Statement): Output {
  const { command } = statement;
  if (statement.background === true) {
    runNode(m, { ...f, scope: fork(f.scope) }, command);
    stay(f.scope, f.scope.directories);
    return null;
  }
  const output = runNode(m, f, command);
  const { scope } = f;
  // `set -e` ends the script when a plain `cd` fails; without it the next line runs where the shell was.
  const sure = scope.errexit && !f.guarded && command.type === 'Command';
  stay(scope, sure ? scope.succeeded : either(scope.succeeded, scope.failed));
  return output;
}

/** Reads one node; leaves in the scope the directories after success and after failure. */
export function runNode(m: Machine, f: Frame, node: PipelineNode | AndOr | CompoundList): Output {
  if (m.depth >= MAX_DEPTH) {
    refuse(m, 'too_deep', `commands are nested more than ${MAX_DEPTH} deep`);
    return null;
  }
  if (!spend(m, 1)) return null;
  m.depth += 1;
  const output = dispatch(m, f, node);
  m.depth -= 1;
  return output;
}

function dispatch(m: Machine, f: Frame, node: PipelineNode | AndOr | CompoundList): Output {
  switch (node.type) {
    case 'Command':
      return runSimple(m, f, node);
    case 'Pipeline':
      return runPipeline(m, f, node);
    case 'AndOr':
      return runAndOr(m, f, node);
    case 'CompoundList':
      return runStatements(m, f, node.commands);
    case 'Redirected':
      return runRedirected(m, f, node);
    case 'Function':
      return define(m, f, node);
    case 'Coproc':
      return runCoproc(m, f, node);
    default:
      return runCompound(m, f, node);
  }
}

function runCompound(m: Machine, f: Frame, node: CompoundCommand): Output {
  switch (node.type) {
    case 'BraceGroup':
      return runStatements(m, f, node.body.commands);
    case 'Subshell':
      return runAside(f, (inner) => runStatements(m, inner, node.body.commands));
    case 'If':
      runIf(m, f, node);
      return null;
    case 'While':
      runWhile(m, f, node as While);
      return null;
    case 'For':
    case 'Select':
      return runFor(m, f, node);
    case 'ArithmeticFor':
      runArithmeticFor(m, f, node);
      return null;
    case 'Case':
      runCase(m, f, node);
      return null;
    case 'TestCommand':
      readTest(m, f, node.expression);
      stay(f.scope, f.scope.directories);
      return NO_OUTPUT;
    case 'ArithmeticCommand':
      if (node.expression !== undefined) readArithmetic(m, f, node.expression);
      stay(f.scope, f.scope.directories);
      return NO_OUTPUT;
    default:
      return null;
  }
}

/** In a shell of its own: nothing it assigns comes back. */
function runAside(f: Frame, body: (inner: Frame) => Output): Output {
  const output = body({ ...f, scope: fork(f.scope) });
  stay(f.scope, f.scope.directories);
  return output;
}

function runPipeline(m: Machine, f: Frame, node: Pipeline): Output {
  const { commands } = node;
  const [only] = commands;
  if (commands.length === 1 && only !== undefined) {
    const output = runNode(m, f, only);
    if (node.prefixes.some((prefix) => prefix.type === 'Negation')) {
      const { succeeded, failed } = f.scope;
      f.scope.succeeded = failed;
      f.scope.failed = succeeded;
    }
    return output;
  }
  let input: Input = f.input;
  let before: readonly Draft[] = [];
  let output: Output = null;
  const last = commands.length - 1;
  for (let i = 0; i <= last; i++) {
    const command = commands[i];
    if (command === undefined || !spend(m, 1)) return null;
    const stage: Draft[] = [];
    const scope = fork(f.scope);
    output = runNode(m, { ...f, scope, input, stage, wanted: i < last || f.wanted, guarded: true }, command);
    const [first] = stage;
    if (first !== undefined) for (const draft of before) draft.pipedTo ??= first.index;
    // zsh runs the last stage in the shell itself, so what it assigns is no longer certain.
    if (i === last && f.scope.surroundings.dialect === 'zsh') merge(f.scope, [scope], true);
    if (f.stage !== null && (i === last || i === 0)) for (const draft of stage) f.stage.push(draft);
    const from = stage.at(-1)?.index ?? null;
    input = output === null ? { kind: 'pipe', from } : { kind: 'text', text: output, from };
    before = stage;
  }
  stay(f.scope, f.scope.directories);
  return output;
}

function runAndOr(m: Machine, f: Frame, node: AndOr): Output {
  const frame: Frame = f.guarded ? f : { ...f, guarded: true };
  const [first] = node.commands;
  if (first === undefined) return null;
  let output: Output = runNode(m, frame, first);
  const { scope } = f;
  // After `a && b && c` the shell is where all succeeded, or where the first of them failed.
  let succeeded = scope.succeeded;
  let failed = scope.failed;
  let branch: Scope | null = null;
  let joined: string | null = null;
  const close = (): void => {
    if (branch !== null) merge(scope, [branch], true);
    branch = null;
  };
  for (let i = 1; i < node.commands.length; i++) {
    const command = node.commands[i];
    const operator = node.operators[i - 1];
    if (command === undefined || !spend(m, 1)) break;
    if (joined !== null && operator !== joined) close();
    joined = operator ?? '&&';
    branch ??= fork(scope);
    const current: Scope = branch;
    stay(current, joined === '&&' ? succeeded : failed);
    const printed = runNode(m, { ...frame, scope: current }, command);
    // Only what always succeeds has a known output, so after `&&` both were printed.
    output = joined === '&&' ? both(f, output, printed) : null;
    if (joined === '&&') {
      failed = current.ended ? failed : either(failed, current.failed);
      succeeded = current.succeeded;
    } else {
      succeeded = current.ended ? succeeded : either(succeeded, current.succeeded);
      failed = current.failed;
    }
    if (current.ended) {
      // `… || exit`: whoever comes after knows that it was not taken.
      if (joined === '||') failed = succeeded;
      else succeeded = failed;
    }
  }
  close();
  scope.succeeded = succeeded;
  scope.failed = failed;
  return output;
}

function runIf(m: Machine, f: Frame, node: If): void {
  const { scope } = f;
  const guarded: Frame = { ...f, guarded: true };
  const branches: Scope[] = [];
  const arms = [
    { clause: node.clause, body: node.then },
    ...node.elif.map((e) => ({ clause: e.clause, body: e.then })),
  ];
  let base = scope;
  for (const arm of arms) {
    if (!spend(m, 1)) return;
    runList(m, { ...guarded, scope: base }, arm.clause);
    const { succeeded, failed } = base;
    const taken = fork(base);
    stay(taken, succeeded);
    runStatements(m, { ...f, scope: taken, guarded: f.guarded }, arm.body.commands);
    branches.push(base === scope ? taken : flattened(scope, base, taken));
    const next = fork(base);
    stay(next, failed);
    base = next;
  }
  if (node.else !== undefined) runStatements(m, { ...f, scope: base }, node.else.commands);
  branches.push(flattened(scope, base.parent ?? scope, base));
  merge(scope, branches, false);
}

/** A list whose last statement's outcome is the list's. */
function runList(m: Machine, f: Frame, list: CompoundList): void {
  const last = list.commands.at(-1);
  runStatements(m, f, list.commands.slice(0, -1));
  if (last === undefined) return;
  if (last.background === true) runStatement(m, f, last);
  else runNode(m, f, last.command);
}

/** A branch of a branch, as a branch of `scope`: what lies between is copied into it. */
function flattened(scope: Scope, from: Scope, branch: Scope): Scope {
  const whole = fork(scope);
  const chain: Scope[] = [branch];
  for (let at: Scope | null = from; at !== null && at !== scope && at !== branch; at = at.parent)
    chain.push(at);
  for (const link of chain.reverse()) adopt(whole, link);
  return whole;
}

function runCase(m: Machine, f: Frame, node: Case): void {
  wordText(m, f, node.word);
  const branches: Scope[] = [];
  let earlier: Scope | null = null;
  for (const item of node.items) {
    if (!spend(m, 1)) return;
    for (const pattern of item.pattern) wordText(m, f, pattern);
    const branch = fork(f.scope);
    // `;&` falls through: this item may begin with what the one before it did.
    if (earlier !== null) merge(branch, [earlier], true);
    runStatements(m, { ...f, scope: branch }, item.body.commands);
    branches.push(branch);
    earlier = item.terminator === ';&' || item.terminator === ';;&' ? branch : null;
  }
  merge(f.scope, branches, true);
}

function runRedirected(m: Machine, f: Frame, node: Redirected): Output {
  const redirects: Redirect[] = [];
  for (const item of node.redirects) {
    const redirect = readRedirect(m, f, item);
    if (redirect !== null) redirects.push({ ...redirect, shared: true });
  }
  // A heredoc of a group is its input, and no file.
  const files = redirects.filter((redirect) => redirect.body === null);
  const outer = [...f.redirects, ...files];
  if (!spend(m, outer.length)) return null;
  const before = m.commands.length;
  const input: Input = node.redirects.some(feedsInput) ? { kind: 'file' } : f.input;
  const inner: Frame = { ...f, redirects: outer, input: inputFrom(redirects, input) };
  const output = runNode(m, inner, node.command);
  // A group without a command still opens its files.
  if (m.commands.length === before && redirects.length > 0)
    m.run.call(m, f, { words: [], assignments: [], redirects, span: null });
  return redirects.some((redirect) => redirect.operator.includes('>') && (redirect.descriptor ?? 1) === 1)
    ? silenced(output)
    : output;
}

function silenced(output: Output): Text | null {
  return output === null ? null : NO_OUTPUT;
}

function runCoproc(m: Machine, f: Frame, node: Coproc): Output {
  runAside({ ...f, input: { kind: 'pipe', from: null } }, (inner) => runNode(m, inner, node.body));
  return null;
}

function define(m: Machine, f: Frame, node: FunctionNode): Output {
  const name = wordText(m, f, node.name);
  const known = { node, offset: f.offset, uncertain: false, use: { called: false } };
  f.scope.functions.set(name, known);
  m.functionNames.add(name);
  m.definitions.push({ ...known, name, frame: f });
  stay(f.scope, f.scope.directories);
  return NO_OUTPUT;
}
