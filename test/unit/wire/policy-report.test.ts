import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backtest } from '../../../electron/core/policy/backtest.ts';
import { evaluate } from '../../../electron/core/policy/evaluate.ts';
import { explain } from '../../../electron/core/policy/explain.ts';
import { parsePolicyFile } from '../../../electron/wire/policy-file.ts';
import {
  backtestJson,
  backtestLines,
  checkJson,
  checkLines,
  explanationJson,
  explanationLines,
} from '../../../electron/wire/policy-report.ts';
import { command, effect, facts, policyFrom } from '../policy/fixture.ts';

const PUSH = `
  - id: git.force
    title: Force push
    why: it rewrites what others have
    class: step_up
    match: {programs: [git]}
    when: '"-f" in command.flags && environment.branch.value == "main"'
    instead: use --force-with-lease
  - {id: git.all, title: Any git, why: w, class: allow, match: {programs: [git]}, priority: -1}
`;
const set = facts(
  { commands: [command('git push -f')], effects: [effect('upload', 'origin')] },
  { environment: [{ name: 'branch', value: 'main', source: 'git', readAt: 999_000 }] },
);

test('explains each rank, each candidate rule and each fact read', () => {
  const lines = explanationLines(explain(policyFrom(PUSH), set));
  const text = lines.join('\n');
  assert.equal(lines[0], 'STEP_UP at rank static by rule `git.force`');
  for (const rank of [
    'forbidden',
    'compositional',
    'parameters',
    'static',
    'unknowns',
    'alignment',
    'posture',
  ])
    assert.match(text, new RegExp(`^[→ ] ${rank}`, 'm'));
  assert.match(text, /^→ static +STEP_UP +\[git\.force\]/m);
  assert.match(text, /matched +commands\[0\] +git\.force \(step_up, priority 0, test\.yaml:\d+\)/);
  assert.match(text, /commands\[0\]\.flags +\["-f"\]/);
  assert.match(text, /environment\.branch\.value +"main"/);
  assert.match(text, /instead: use --force-with-lease/);
});

test('explains exactly what is decided', () => {
  const policy = policyFrom(PUSH);
  assert.deepEqual(explain(policy, set).decision, evaluate(policy, set));
});

test('explains an unknown fact as unknown and what is not applicable as that', () => {
  const policy = policyFrom(`
  - {id: a.b, title: t, why: w, class: deny, match: {programs: [git]}, when: command.piped_from == "x" || request.text == "x"}
`);
  const { facts: reads } = explain(policy, set);
  assert.deepEqual(
    reads.map(({ path, state }) => `${path} ${state}`),
    ['commands[0].piped_from not_applicable', 'request.text unknown'],
  );
});

test('an explanation as JSON says the same', () => {
  const json = JSON.parse(JSON.stringify(explanationJson(explain(policyFrom(PUSH), set))));
  assert.equal(json.decision, 'STEP_UP');
  assert.equal(json.ranks.length, 7);
  assert.deepEqual(json.rules[0].state, 'matched');
});

test("an agent's text cannot repaint the terminal", () => {
  const hostile = facts({ tool: 'x\u001b[2K\u202eevil\r\n', commands: [] });
  const policy = policyFrom('  - {id: a.b, title: t, why: w, class: deny, when: action.tool == "y"}\n');
  const text = explanationLines(explain(policy, hostile)).join('\n');
  assert.doesNotMatch(text, /[\u001b\r\u202e]/);
});

test('check lines are file:line:column: message, with what was meant, and say what stays armed', () => {
  const parsed = parsePolicyFile(
    'pack: a\nversion: 1.0.0\nrules:\n  - {id: a.b, title: t, why: w, clas: deny}\n',
    'p.yaml',
  );
  assert.ok(!parsed.ok);
  assert.deepEqual(checkLines(parsed.error), [
    'p.yaml:4:5: a rule needs `class` (rule `a.b`)',
    'p.yaml:4:33: a rule has no key `clas` (rule `a.b`); did you mean `class`?',
    '',
    '2 faults; the whole set is refused, the last good one stays armed',
  ]);
  assert.equal(checkJson(parsed.error).ok, false);
});

test('a backtest lists what another set would decide otherwise, and in which direction', () => {
  const before = policyFrom(PUSH);
  const after = policyFrom(PUSH.replace('class: step_up', 'class: deny'));
  const quiet = facts({ commands: [command('git status')] });
  const recorded = [set, quiet].map((each) => ({ facts: each, decision: evaluate(before, each) }));
  const report = backtest(recorded, after);
  assert.equal(report.unchanged, 1);
  assert.deepEqual(report.transitions, { 'STEP_UP → DENY': 1 });
  assert.equal(report.changes[0]?.direction, 'tighter');
  assert.match(
    backtestLines(report)[0] ?? '',
    /2 recorded actions: 1 unchanged, 1 would be decided otherwise/,
  );
  assert.equal(backtestJson(report).total, 2);
  assert.deepEqual(backtest(recorded, before).changes, []);
});
