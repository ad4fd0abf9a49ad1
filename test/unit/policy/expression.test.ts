import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Environment } from '@marcbachmann/cel-js';
import fc from 'fast-check';
import type { FactSet } from '../../../electron/core/facts.ts';
import { compileExpression } from '../../../electron/core/policy/expression.ts';
import { isFault, isUnknown, type Value } from '../../../electron/core/policy/fact-value.ts';
import { viewFacts } from '../../../electron/core/policy/fact-view.ts';
import type { Subject } from '../../../electron/core/policy/rule.ts';
import { command, effect, facts } from './fixture.ts';

function run(source: string, set: FactSet, subject: Subject = 'effect'): Value {
  const compiled = compileExpression(source, subject);
  if (!compiled.ok) throw new Error(`${compiled.error.message} at ${compiled.error.at}`);
  const view = viewFacts(set);
  return compiled.value.run({
    view,
    command: view.command(0),
    effect: view.effect(0),
    around: { cwd: set.action.cwd, cwdPath: 'action.cwd', home: set.session.home },
    variables: [],
    steps: 100_000,
    trace: null,
  });
}

function said(value: Value): string {
  if (isUnknown(value)) return `unknown ${value.paths.join(',')}`;
  return isFault(value) ? 'error' : JSON.stringify(value);
}

const push = facts({
  commands: [command('git push -rf --force=yes origin $X -- -x')],
  effects: [effect('delete', '/work/project/a'), effect('delete', null)],
  parameters: { path: 'sub/../../etc', n: 3, list: ['a'], nothing: null, __proto__x: 1 },
});

const VALUES: readonly (readonly [source: string, expected: string])[] = [
  // Three-valued logic
  ['request.text == "x"', 'unknown request.text'],
  ['request.text == "x" && false', 'false'],
  ['false && request.text == "x"', 'false'],
  ['request.text == "x" || true', 'true'],
  ['request.text == "x" || false', 'unknown request.text'],
  ['request.text == "x" || environment.a.value == 1', 'unknown request.text,environment.a'],
  ['!(request.text == "x")', 'unknown request.text'],
  ['request.text == "x" ? true : false', 'unknown request.text'],
  ['has(request.text)', 'false'],
  ['has(action.tool)', 'true'],
  ['has(command.code)', 'false'],
  ['action.parameters.n > "x"', 'error'],
  ['action.parameters.n > "x" && false', 'false'],
  ['action.parameters.n > "x" && request.text == ""', 'error'],
  ['request.text == "" && action.parameters.n > "x"', 'error'],
  // Lists with an unknown word
  ['"push" in command.args', 'true'],
  ['"nope" in command.args', 'unknown command.args'],
  ['command.args.exists(a, a == "push")', 'true'],
  ['command.args.exists(a, a == "nope")', 'unknown command.args'],
  ['command.args.all(a, a != "push")', 'false'],
  ['command.args[0] == "push"', 'true'],
  ['command.args[9] == "push"', 'unknown command.args'],
  ['size(command.args) > 2', 'unknown command.args'],
  ['command.args_known', 'false'],
  ['effects.exists(e, e.value == "/work/project/a")', 'true'],
  ['effects.exists(e, e.value == "/other")', 'unknown effect.value'],
  ['effects.exists_one(e, e.kind == "delete")', 'false'],
  ['effects.filter(e, e.known).size() == 1', 'true'],
  ['effects.map(e, e.kind) == ["delete", "delete"]', 'true'],
  // Flags
  ['"-f" in command.flags', 'true'],
  ['"-rf" in command.flags', 'true'],
  ['"--force" in command.flags', 'true'],
  ['"-x" in command.operands', 'true'],
  ['command.subcommand == "push"', 'true'],
  // Not applicable
  ['command.piped_from == "curl"', 'false'],
  ['command.piped_from == null', 'true'],
  ['command.code.contains("x")', 'false'],
  ['session.workspace != null', 'true'],
  ['action.parameters.absent == null', 'true'],
  ['action.parameters.absent.deeper == "x"', 'false'],
  ['action.parameters.nothing > 3', 'error'],
  ['action.parameters.nothing.all(x, x == "a")', 'error'],
  ['action.parameters["n"] == 3', 'true'],
  ['action.parameters.list[0] == "a"', 'true'],
  ['action.parameters.list[7] == "a"', 'false'],
  ['action.parameters.constructor == null', 'true'],
  ['action.parameters.__proto__ == null', 'true'],
  ['action.parameters.n.x == 1', 'error'],
  // Functions
  ['under(effect.value, "/work/project")', 'true'],
  ['under("/etcetera", "/etc")', 'false'],
  ['under(action.parameters.path, "/work/etc")', 'true'],
  ['under("/work/../etc/passwd", "/work")', 'false'],
  ['under("~/.ssh/id", session.home + "/.ssh")', 'true'],
  ['glob("src/a.ts", "src/*.ts")', 'true'],
  ['glob("src/b/a.ts", "src/*.ts")', 'false'],
  ['glob("src/b/a.ts", "src/**.ts")', 'true'],
  ['has_any(command.flags, ["--force"])', 'true'],
  ['has_any(command.via, ["sudo"])', 'false'],
  ['matches("abc", "^a.c$")', 'true'],
  ['"xabcx".matches("abc")', 'true'],
  ['"ABC".lowerAscii() == "abc"', 'true'],
  ['session.velocity + 1 * 2 - 1 == 3', 'true'],
  ['"😀".size() == 1', 'true'],
];

for (const [source, expected] of VALUES) {
  test(`computes ${source} as ${expected}`, () => {
    assert.equal(said(run(source, push)), expected);
  });
}

test('a relative path without a working directory is unknown, not outside', () => {
  assert.equal(said(run('under("a", "/etc")', facts({ cwd: null }))), 'unknown action.cwd');
});

const REFUSED: readonly (readonly [
  source: string,
  subject: Subject,
  at: number,
  message: RegExp,
  hint: string | null,
])[] = [
  ['efect.kind == "x"', 'effect', 0, /no fact `efect`/, 'effect'],
  ['effect.lables == ["x"]', 'effect', 7, /has no `lables`/, 'labels'],
  ['true && effects.exists(e, e.knd == "x")', 'action', 28, /has no `knd`/, 'kind'],
  ['has(effect.vlue)', 'effect', 11, /has no `vlue`/, 'value'],
  ['command.program == "x"', 'action', 0, /no meaning/, 'subject: command'],
  ['effect.kind == "x"', 'command', 0, /no meaning/, 'subject: effect'],
  ['command.program == 3', 'command', 0, /no such overload/, null],
  ['command.program.startWith("x")', 'command', 0, /no function `startWith`/, 'startsWith'],
  ['globb(command.program, "x")', 'command', 0, /no function `globb`/, 'glob'],
  ['command.program', 'command', 0, /must be true or false/, null],
  ['1 +', 'action', 3, /unexpected token/, null],
  ['action.tool.matches("(?=a)")', 'action', 20, /RE2/, null],
  ['action.tool.matches(action.cwd)', 'action', 20, /written out/, null],
  ['action.tool.split("/")[0] == "x"', 'action', 0, /no function `split`/, null],
  ['session.velocity / 2 > 3', 'action', 0, /not part of the policy language/, null],
  ['timestamp("2024-01-01T00:00:00Z").getHours() == 3', 'action', 0, /no function/, null],
  ['effects.exists(action, true)', 'action', 15, /is a fact/, null],
  [`${'('.repeat(40)}true${')'.repeat(40)}`, 'action', 32, /maxDepth/, null],
  [`action.tool == "${'x'.repeat(5000)}"`, 'action', 0, /longer than/, null],
  [`[${'1,'.repeat(600)}1] == []`, 'action', 0, /./, null],
  ['data.x == 99999999999999999999', 'action', 0, /./, null],
];

for (const [source, subject, at, message, hint] of REFUSED) {
  test(`refuses ${source.slice(0, 60)}`, () => {
    const compiled = compileExpression(source, subject);
    assert.ok(!compiled.ok);
    assert.match(compiled.error.message, message);
    assert.equal(compiled.error.suggestion, hint);
    if (at > 0) assert.equal(compiled.error.at, at);
  });
}

test('a predicate that would take too many steps is an error', () => {
  const many = facts({ effects: Array.from({ length: 400 }, (_, i) => effect('read', `/${i}`)) });
  assert.equal(said(run('effects.all(a, effects.all(b, b.kind == "read"))', many)), 'error');
});

test('a backtracking pattern finishes on the text that would hang a backtracking engine', () => {
  const hostile = facts({ tool: `${'a'.repeat(50_000)}!` });
  assert.equal(run('action.tool.matches("^(a+)+$")', hostile), false);
});

// Our interpreter against cel-js itself: every fact known, nothing null.
const CEL = new Environment({ unlistedVariablesAreDyn: true });
const KNOWN = facts({
  commands: [command('git push --force origin main')],
  effects: [effect('delete', '/a', { recursive: true }), effect('read', '/b')],
  parameters: { n: 3, s: 'abc', list: ['a', 'b'], flag: true },
});

const text = fc.constantFrom(
  '"a"',
  '"git"',
  '"push"',
  '"delete"',
  'action.tool',
  'command.program',
  'effect.kind',
  'action.parameters.s',
);
const number = fc.constantFrom('1', '3', '2.5', 'action.parameters.n', 'session.action_count');
const list = fc.constantFrom(
  '["a", "git"]',
  'command.args',
  'command.flags',
  'action.parameters.list',
  'effect.labels',
);
const truth = fc.letrec((tie) => ({
  expression: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom('true', 'false', 'effect.recursive', 'action.parameters.flag'),
    fc.tuple(text, fc.constantFrom('==', '!=', '<', '>='), text).map((parts) => parts.join(' ')),
    fc
      .tuple(number, fc.constantFrom('==', '!=', '<', '<=', '>', '>='), number)
      .map((parts) => parts.join(' ')),
    fc.tuple(text, list).map(([a, b]) => `${a} in ${b}`),
    fc
      .tuple(text, fc.constantFrom('startsWith', 'endsWith', 'contains'), text)
      .map(([a, f, b]) => `${a}.${f}(${b})`),
    fc
      .tuple(list, fc.constantFrom('exists', 'all', 'exists_one'), text)
      .map(([a, f, b]) => `${a}.${f}(v, v == ${b})`),
    fc.tuple(list, text).map(([a, b]) => `size(${a}.filter(v, v != ${b})) > 0`),
    fc
      .tuple(tie('expression'), fc.constantFrom('&&', '||'), tie('expression'))
      .map(([a, o, b]) => `(${a}) ${o} (${b})`),
    tie('expression').map((a) => `!(${a})`),
    fc
      .tuple(tie('expression'), tie('expression'), tie('expression'))
      .map(([a, b, c]) => `(${a}) ? (${b}) : (${c})`),
  ),
})).expression;

test('agrees with cel-js wherever every fact is known', () => {
  const view = viewFacts(KNOWN);
  const context = {
    action: view.root('action'),
    session: view.root('session'),
    command: view.command(0),
    effect: view.effect(0),
  };
  fc.assert(
    fc.property(truth, (source) => {
      const expression = String(source);
      if (!compileExpression(expression, 'effect').ok) return;
      assert.equal(run(expression, KNOWN), CEL.evaluate(expression, context), expression);
    }),
    { numRuns: 500 },
  );
});

test('never throws, whatever the text', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 60, unit: 'binary' }), (source) => {
      const compiled = compileExpression(source, 'effect');
      assert.equal(typeof compiled.ok, 'boolean');
    }),
    { numRuns: 500 },
  );
});
