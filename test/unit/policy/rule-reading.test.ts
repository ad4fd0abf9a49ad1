// What can be said of a rule before anything happens: its compiled predicate is asked, however it is written.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import type { PolicySet, Rule } from '../../../electron/core/policy/rule.ts';
import { isAboutCarried, readsContext } from '../../../electron/core/policy/rule-reading.ts';
import { calmFor } from '../../../electron/daemon/calm.ts';
import { guardTables } from '../../../electron/daemon/guard-tables.ts';
import { loadChoice, policyOf } from '../../../shims/cli/policy-source.ts';
import { hasher, knowledge, ROOT } from '../semantic/scene.ts';
import { rule } from './fixture.ts';

const about = (when: string, over: Partial<Rule> = {}) =>
  isAboutCarried(rule('a.rule', 'deny', { when, ...over }));

describe('a rule says nothing of what sends nothing when it is false then, whatever else is true', () => {
  const rows: readonly (readonly [when: string, said: boolean])[] = [
    ['has(data.flow_level) && data.flow_level == "RESTRICTED"', true],
    // The same, the other way round, and without `has`.
    ['data.flow_level == "RESTRICTED" && has(data.flow_level)', true],
    ['"RESTRICTED" == data.flow_level', true],
    ['data.flows.exists(f, f.level == "INTERNAL")', true],
    ['data.flow_level == "RESTRICTED" || data.flow_matches > 20', true],
    ['destination.category == "public" && data.payload.level != "PUBLIC"', true],
    ['destination.first_seen', true],
    ['data.flow_matches >= 20 && history.untrusted.seen', true],
    ['data.placeholder.kind == "token"', true],
    // What the session read is true of everything that it does.
    ['data.level == "RESTRICTED"', false],
    ['data.classes.exists(c, c == "RESTRICTED") && true', false],
    ['has(data.flow_level) || effect.recursive', false],
    ['!has(data.flow_level)', false],
    ['data.payload == null', false],
    ['has(data.flow_level) && data.flow_level == "RESTRICTED" || history.untrusted.seen', false],
    ['effect.kind == "delete"', false],
  ];
  for (const [when, said] of rows) test(when, () => assert.equal(about(when, { subject: 'effect' }), said));

  test('and what cannot be compiled may speak of anything', () => {
    assert.equal(about('nonsense.here == 1'), false);
    assert.equal(readsContext(rule('a.rule', 'deny', { when: 'nonsense.here == 1' })), true);
  });

  test('context is what is read, not what is written in a text', () => {
    const reads = (when: string) => readsContext(rule('a.rule', 'deny', { subject: 'effect', when }));
    assert.equal(reads('effect.value == "history data request"'), false);
    assert.equal(reads('history.tools.exists(t, t == "x")'), true);
    assert.equal(reads('session.velocity > 3'), true);
    assert.equal(reads('session.home == "/x"'), false);
  });
});

describe('with the packs that come with it', () => {
  let set: PolicySet;
  before(async () => {
    const loaded = await loadChoice(policyOf([join(ROOT, 'resources/policies')]));
    assert.ok(loaded.ok);
    set = loaded.value.set;
  });
  const tables = (rules: readonly Rule[]) =>
    guardTables({
      policy: { ...set, rules },
      knowledge,
      workspace: '/w',
      home: '/home/ada',
      guard: { writable: ['/w'], tools: [], temp: '/private', veiled: [], hosts: [] },
      programs: ['git'],
      own: ['/home/ada/.local/state/countersign'],
      sessionDirectory: '/run/csn/sessions/s',
      allows: () => true,
    });
  const calm = (rules: readonly Rule[]) =>
    calmFor(
      { id: 'sess_1', home: '/home/ada', workspace: '/w', identity: { human: { name: 'ada' } } } as never,
      { set: { ...set, rules }, compiled: {} as never },
      knowledge,
      hasher,
      [],
      () => ({ result: 'ALLOW', rule: null }) as never,
    );

  test('rules about what leaves make no program start and no change of a file a question', () => {
    assert.equal(tables(set.rules).everyExec, false);
    const others = set.rules.filter(({ id }) => !id.startsWith('exfiltration.'));
    assert.ok(others.length < set.rules.length);
    assert.deepEqual(tables(set.rules), tables(others));
    assert.deepEqual(calm(set.rules), calm(others));
    assert.ok(calm(set.rules).write.includes('/w'));
  });

  test('nor does a person’s own, written another way', () => {
    const own = rule('own.out' as never, 'deny', {
      when: '"CONFIDENTIAL" == data.flow_level || destination.first_seen && data.flow_matches > 5',
    });
    assert.deepEqual(tables([...set.rules, own]), tables(set.rules));
    assert.deepEqual(calm([...set.rules, own]), calm(set.rules));
  });

  test('but one about what the session has read does', () => {
    const own = rule('own.after' as never, 'step_up', { when: 'data.level == "RESTRICTED"' });
    assert.equal(tables([...set.rules, own]).everyExec, true);
    assert.deepEqual(calm([...set.rules, own]).write, []);
  });
});
