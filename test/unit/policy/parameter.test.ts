// A parameter that is not there (R3.f): when that is certain, when it is not known, and when the rule itself is wrong.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Action } from '../../../electron/core/action.ts';
import { compile } from '../../../electron/core/policy/compile.ts';
import { TOOL_PARAMETERS } from '../../../electron/core/policy/parameter.ts';
import type { Rule } from '../../../electron/core/policy/rule.ts';
import { actionOf } from '../wire/http/request-scene.ts';
import { decide as decideFacts, facts, HASH, POSTURE, rule } from './fixture.ts';

const decide = (rules: readonly Rule[], action: Partial<Action>) => decideFacts(rules, facts(action));

const request = (line: string, body?: string) =>
  actionOf(line, body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body });

test('defers when a rule that names two tools reads what the tool at hand never has', () => {
  const set = [
    rule('a.path', 'deny', {
      subject: 'action',
      match: { tools: ['http', 'file'] },
      when: 'action.parameters.path.startsWith("/admin")',
    }),
  ];
  const decision = decide(set, request('GET https://x.example/admin/users'));
  assert.equal(decision.result, 'DEFER');
  assert.deepEqual(
    decision.missing.map(({ path }) => path),
    ['action.parameters.path'],
  );
});

test('does not defer when the rule asks first whether it is there', () => {
  const when = 'has(action.parameters.path) && action.parameters.path.startsWith("/admin")';
  const set = [rule('a.path', 'deny', { subject: 'action', match: { tools: ['http', 'file'] }, when })];
  assert.equal(decide(set, request('GET https://x.example/admin')).result, 'ALLOW');
});

test('takes an optional parameter of another’s tool that was not given for not given', () => {
  const set = [
    rule('a.pay', 'deny', {
      subject: 'action',
      match: { tools: ['pay'] },
      when: 'action.parameters.note == "x"',
    }),
  ];
  const paid = { ...request('GET https://x.example/'), tool: 'pay', parameters: { amount: 1 } };
  assert.equal(decide(set, paid).result, 'ALLOW');
});

test('defers when a rule reads a key of a body of which only the beginning is shown', () => {
  const set = [
    rule('a.role', 'deny', {
      subject: 'action',
      match: { tools: ['http'] },
      when: 'action.parameters.body.value.role == "admin"',
    }),
  ];
  const filler = Object.fromEntries(Array.from({ length: 60 }, (_, at) => [`k${at}`, 1]));
  const hidden = request('POST https://x.example/u', JSON.stringify({ ...filler, role: 'admin' }));
  assert.equal(decide(set, hidden).result, 'DEFER');
  const long = request('POST https://x.example/u', JSON.stringify({ role: `admin${' '.repeat(500)}` }));
  assert.equal(decide(set, long).result, 'DEFER');
  assert.equal(decide(set, request('POST https://x.example/u', '{"role":"admin"}')).result, 'DENY');
  assert.equal(decide(set, request('POST https://x.example/u', '{"role":"user"}')).result, 'ALLOW');
  assert.equal(decide(set, request('POST https://x.example/u', '{}')).result, 'ALLOW');
});

test('defers when a rule reads a header that is not among those shown', () => {
  const rules = (name: string) => [
    rule('a.header', 'deny', {
      subject: 'action',
      match: { tools: ['http'] },
      when: `action.parameters.headers["${name}"] == "x"`,
    }),
  ];
  const plain = request('GET https://x.example/');
  assert.equal(decide(rules('x-tenant'), plain).result, 'DEFER');
  assert.equal(decide(rules('origin'), plain).result, 'ALLOW');
});

test('refuses a rule whose every tool is ours and none has the parameter that it reads, and says which there are', () => {
  const faultsOf = (one: Rule) => {
    const compiled = compile({ version: 'test', hash: HASH, rules: [one], posture: POSTURE });
    return compiled.ok ? [] : compiled.error;
  };
  const [fault, ...more] = faultsOf(
    rule('a.path', 'deny', { match: { tools: ['http'] }, when: 'action.parameters.path == "/admin"' }),
  );
  assert.equal(more.length, 0);
  assert.match(fault?.message ?? '', /`http` never has a parameter `path`; there are .*\burl\b/);
  assert.deepEqual(fault?.field, ['when']);
  const near = faultsOf(
    rule('a.hst', 'deny', { match: { tools: ['http'] }, when: 'action.parameters["hst"] == "x"' }),
  );
  assert.equal(near[0]?.suggestion, 'host');
  // A constraint on what is never there would hold for everything.
  const constrained = faultsOf(
    rule('a.allow', 'allow', { match: { tools: ['http'] }, parameters: [{ path: 'path', allow: ['/a'] }] }),
  );
  assert.deepEqual(constrained[0]?.field, ['parameters', 0, 'path']);
  const others = rule('a.pay', 'deny', { match: { tools: ['pay'] }, when: 'action.parameters.to == "x"' });
  assert.deepEqual(faultsOf(others), []);
  const any = rule('a.any', 'deny', { when: 'action.parameters.path == "x"' });
  assert.deepEqual(faultsOf(any), []);
});

test('names every parameter that a request has', () => {
  const { parameters } = request('POST https://api.github.com/repos/o/r/issues', '{"a":1}');
  const unnamed = Object.keys(parameters).filter((name) => !TOOL_PARAMETERS.http?.includes(name));
  assert.deepEqual(unnamed, []);
});
