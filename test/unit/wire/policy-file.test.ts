import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { evaluate } from '../../../electron/core/policy/evaluate.ts';
import { parsePolicyFile } from '../../../electron/wire/policy-file.ts';
import { faultLine } from '../../../electron/wire/policy-report.ts';
import { assemblePolicySet } from '../../../electron/wire/policy-set.ts';
import { command, facts, hasher, policyFrom } from '../policy/fixture.ts';

const HOSTILE = new URL('../../hostile/policy-file/', import.meta.url);

/** Each hostile file, with every fault it must give: `line:column code suggestion`. */
const FAULTS: Readonly<Record<string, readonly string[]>> = {
  'alias-bomb.yaml': [
    '1:1 unknown_key',
    '1:1 missing_key',
    '1:1 missing_key',
    '1:7 alias',
    '2:1 unknown_key',
    '2:7 alias',
  ],
  'allow-everything.yaml': ['4:5 bad_value'],
  'bad-cel-block.yaml': ['11:16 expression labels'],
  'bad-cel-folded.yaml': ['11:7 expression session'],
  'bad-cel-quoted.yaml': ['8:36 expression action'],
  'bad-cel-single.yaml': ['8:36 expression action'],
  'bad-regex.yaml': ['11:18 pattern'],
  'cel-unfinished.yaml': ['8:25 expression'],
  'class-as-boolean.yaml': ['6:10 wrong_type "3"'],
  'constraint-typo.yaml': ['11:9 unknown_key', '13:21 bad_value'],
  'control-in-id.yaml': ['4:9 bad_value'],
  'custom-tag.yaml': ['4:22 yaml', '4:27 yaml'],
  'deep-brackets.yaml': ['1:1 limit'],
  'deep-dashes.yaml': ['1:1 limit'],
  'deep-maps.yaml': ['14:12 limit', '15:13 limit'],
  'duplicate-key.yaml': ['4:5 bad_value', '8:5 duplicate_key'],
  'duplicate-rule.yaml': ['6:10 duplicate_rule'],
  'effect-kind.yaml': ['11:11 bad_value delete'],
  'empty-list.yaml': ['8:23 bad_value'],
  'empty-why.yaml': ['6:10 bad_value'],
  'empty.yaml': ['1:1 yaml'],
  'expires-without-zone.yaml': ['8:17 bad_value 2027-01-31T00:00:00Z'],
  'merge-key.yaml': [
    '4:11 alias',
    '5:5 unknown_key',
    '5:5 missing_key',
    '5:5 missing_key',
    '5:5 missing_key',
    '5:9 alias',
  ],
  'missing-why.yaml': ['4:5 missing_key'],
  'modify-without-transform.yaml': ['4:5 missing_key'],
  'no-rules.yaml': ['3:8 bad_value'],
  'non-text-key.yaml': ['4:46 unknown_key'],
  'not-a-map.yaml': ['1:1 wrong_type'],
  'only-comment.yaml': ['1:1 yaml'],
  'posture-allow-typo.yaml': ['5:14 bad_value ALLOW', '7:23 posture'],
  'priority-infinite.yaml': ['8:15 wrong_type'],
  'priority-text.yaml': ['8:15 wrong_type'],
  'prototype-key.yaml': ['8:5 unknown_key'],
  'redos-regex.yaml': ['8:32 expression'],
  'reserved-id.yaml': ['4:10 bad_value'],
  'scalar.yaml': ['1:1 wrong_type'],
  'sideways-allow.yaml': ['8:14 bad_value'],
  'tab-indent.yaml': ['5:1 yaml'],
  'tag.yaml': ['4:31 wrong_type "dGl0bGU="'],
  'two-documents.yaml': ['5:1 multiple_documents'],
  'unclosed.yaml': ['4:1 yaml', '4:1 yaml', '4:1 yaml'],
  'unknown-key.yaml': ['8:5 unknown_key when'],
  'unknown-top-key.yaml': ['3:1 unknown_key posture'],
  'wrong-class.yaml': ['7:12 bad_value deny'],
};

test('every hostile policy file has a row, and every row a file', () => {
  assert.deepEqual(readdirSync(HOSTILE).sort(), Object.keys(FAULTS).sort());
});

for (const [name, expected] of Object.entries(FAULTS)) {
  test(`refuses ${name} at ${expected[0]}`, () => {
    const parsed = parsePolicyFile(readFileSync(new URL(name, HOSTILE), 'utf8'), name);
    assert.ok(!parsed.ok);
    const found = parsed.error.map(({ place, code, suggestion }) =>
      `${place?.line}:${place?.column} ${code} ${suggestion ?? ''}`.trim(),
    );
    // The bombs name many; their first six are enough.
    assert.deepEqual(found.slice(0, 6), expected, parsed.error.map(faultLine).join('\n'));
  });
}

const HEAD = 'pack: test\nversion: 1.0.0\nposture: {name: p, unmatched: ALLOW, why: w}\nrules:\n';
const parse = (rules: string, file = 'test.yaml') => parsePolicyFile(`${HEAD}${rules}`, file);

test('reads every key of a rule', () => {
  const parsed = parse(`
  - id: pay.large
    title: Large payments
    why: they cannot be taken back
    class: step_up
    priority: 7
    risk: high
    subject: action
    rank: static
    match: {surfaces: [mcp], tools: [pay], operations: [call]}
    when: action.parameters.amount > 10
    parameters:
      - {path: amount, required: true, type: number, min: 0, max: 100}
      - {path: note, min_length: 1, max_length: 9, pattern: "[a-z]+", block: [x], allow: [a, b], secret: true}
    approvers: [owner]
    timeout_ms: 60000
    resolvers: [ticket]
    instead: pay less
    references: [CWE-862]
    expires_at: 2027-01-31T00:00:00Z
`);
  assert.ok(parsed.ok);
  assert.deepEqual(parsed.value.rules[0], {
    id: 'pay.large',
    title: 'Large payments',
    why: 'they cannot be taken back',
    class: 'step_up',
    priority: 7,
    risk: 'high',
    subject: 'action',
    match: { surfaces: ['mcp'], tools: ['pay'], operations: ['call'] },
    when: 'action.parameters.amount > 10',
    parameters: [
      { path: 'amount', required: true, type: 'number', min: 0, max: 100 },
      {
        path: 'note',
        minLength: 1,
        maxLength: 9,
        pattern: '[a-z]+',
        allow: ['a', 'b'],
        block: ['x'],
        secret: true,
      },
    ],
    modify: null,
    approvers: ['owner'],
    timeoutMs: 60000,
    resolvers: ['ticket'],
    instead: 'pay less',
    references: ['CWE-862'],
    expiresAt: Date.UTC(2027, 0, 31),
    rank: 'static',
    source: 'test.yaml:6',
  });
});

const SUBJECTS = [
  ['match: {effects: [read]}', 'effect'],
  ['match: {labels: [home]}', 'effect'],
  ['match: {tags: [encoded]}', 'effect'],
  ['match: {programs: [git], effects: [read]}', 'effect'],
  ['match: {programs: [git]}', 'command'],
  ['match: {tools: [pay]}', 'action'],
] as const;
for (const [match, subject] of SUBJECTS) {
  test(`a rule with ${match} is about ${subject}`, () => {
    const parsed = parse(`  - {id: a.b, title: t, why: w, class: deny, ${match}}\n`);
    assert.ok(parsed.ok);
    assert.equal(parsed.value.rules[0]?.subject, subject);
  });
}

test('a transform that is not registered is refused with the one that was meant', () => {
  const text = `${HEAD}  - {id: a.b, title: t, why: w, class: modify, match: {programs: [rm]}, modify: {name: delete-to-tarsh}}\n`;
  const parsed = parsePolicyFile(text, 'm.yaml', { transforms: ['delete-to-trash', 'dry-run'] });
  assert.ok(!parsed.ok);
  assert.equal(parsed.error[0]?.suggestion, 'delete-to-trash');
});

test('a file with several faults names all of them, in the order of the file', () => {
  const parsed = parse(`
  - {id: a.b, title: t, why: w, clas: deny, class: deny, when: acton.tool == "x"}
  - {id: a.b, title: t, class: deny, when: action.tol == "x"}
`);
  assert.ok(!parsed.ok);
  assert.deepEqual(
    parsed.error.map(({ code }) => code),
    ['unknown_key', 'expression', 'missing_key', 'duplicate_rule', 'expression'],
  );
});

test('a file too large is refused unread', () => {
  const parsed = parsePolicyFile('#'.repeat(1_000_001), 'big.yaml');
  assert.ok(!parsed.ok);
  assert.equal(parsed.error[0]?.code, 'limit');
});

test('never throws, whatever the text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
      assert.equal(typeof parsePolicyFile(text, 'f.yaml').ok, 'boolean');
      assert.equal(typeof parse(text).ok, 'boolean');
    }),
    { numRuns: 400 },
  );
});

function file(pack: string, rules: string, posture = false) {
  const head = `pack: ${pack}\nversion: 1.2.3\n${posture ? 'posture: {name: p, unmatched: DENY, why: w}\n' : ''}rules:\n`;
  const parsed = parsePolicyFile(head + rules, `${pack}.yaml`);
  assert.ok(parsed.ok);
  return parsed.value;
}
const one = '  - {id: one.a, title: t, why: w, class: deny, match: {tools: [a]}}\n';
const two = '  - {id: two.a, title: t, why: w, class: deny, match: {tools: [b]}}\n';

test('the hash of a set depends on what it says, not on the order of files, names or comments', () => {
  const base = file('one', one, true);
  const other = file('two', two);
  const set = assemblePolicySet([base, other], hasher);
  const turned = assemblePolicySet([{ ...other, file: 'elsewhere.yaml' }, base], hasher);
  const commented = assemblePolicySet([base, file('two', `  # a comment\n${two}`)], hasher);
  const changed = assemblePolicySet(
    [base, file('two', two.replace('class: deny', 'class: step_up'))],
    hasher,
  );
  assert.ok(set.ok && turned.ok && commented.ok && changed.ok);
  assert.equal(set.value.version, 'one 1.2.3, two 1.2.3');
  assert.equal(turned.value.hash, set.value.hash);
  assert.equal(commented.value.hash, set.value.hash);
  assert.notEqual(changed.value.hash, set.value.hash);
});

test('the built-in canary is in every set', () => {
  const set = assemblePolicySet([file('one', one, true)], hasher);
  assert.ok(set.ok);
  assert.ok(set.value.rules.some(({ id }) => id === 'countersign.canary'));
});

const REFUSED_SETS = [
  ['no posture', () => [file('one', one)], 'posture'],
  ['two postures', () => [file('one', one, true), file('two', two, true)], 'posture'],
  [
    'one pack twice',
    () => [file('one', one, true), { ...file('one', two), file: 'copy.yaml' }],
    'duplicate_pack',
  ],
  ['one rule in two packs', () => [file('one', one, true), file('two', one)], 'duplicate_rule'],
  ['nothing at all', () => [], 'posture'],
] as const;
for (const [name, files, code] of REFUSED_SETS) {
  test(`refuses a set with ${name}`, () => {
    const set = assemblePolicySet(files(), hasher);
    assert.ok(!set.ok);
    assert.equal(set.error[0]?.code, code);
  });
}

test('a hostile pattern in a file cannot hang the firewall on a hostile text', () => {
  const policy = policyFrom(`
  - id: a.b
    title: t
    why: w
    class: deny
    match: {programs: [echo]}
    when: command.args.exists(a, a.matches("^(([a-z])+.)+[A-Z]([a-z])+$"))
`);
  const decision = evaluate(policy, facts({ commands: [command(`echo ${'a'.repeat(50_000)}`)] }));
  assert.equal(decision.result, 'ALLOW');
});
