import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { joinKnowledge, parseKnowledgeFile } from '../../../electron/wire/knowledge-file.ts';

const refused: readonly (readonly [string, string, string])[] = [
  ['no YAML', 'programs: [', 'syntax'],
  ['a duplicate key', 'programs: []\nprograms: []', 'syntax'],
  ['an unknown key', 'programmes: []', 'shape'],
  ['an unknown key of a program', 'programs: [{names: a, sudo: true}]', 'shape'],
  ['a list where a mapping belongs', 'programs: [[a]]', 'shape'],
  ['an unknown kind', "programs: [{names: a, does: ['vanish operands']}]", 'deed'],
  ['an unknown selector', "programs: [{names: a, does: ['delete everything']}]", 'deed'],
  ['an unknown token', "programs: [{names: a, does: ['delete operands quickly']}]", 'deed'],
  ['an unknown object', "programs: [{names: a, does: ['delete operands as:star']}]", 'deed'],
  ['a broken pattern', "programs: [{names: a, does: [{do: delete operands, each: '('}]}]", 'pattern'],
  [
    'a test without a subject',
    'programs: [{names: a, does: [{do: delete operands, where: [{is: x}]}]}]',
    'deed',
  ],
  ['an unknown analysis', 'programs: [{names: a, analyses: telepathy}]', 'shape'],
  ['an analysis by a name every object has', 'programs: [{names: a, analyses: constructor}]', 'shape'],
  ['a subcommand twice', "programs: [{names: a, subcommands: {'b, c': [], c: []}}]", 'duplicate'],
  ['a family whose host is no pattern', "http: [{family: a, hosts: ['a/b'], calls: []}]", 'deed'],
  ['a call without a method', "http: [{family: a, calls: [{on: '/x', does: download}]}]", 'deed'],
  ['a call that does nothing', "http: [{family: a, calls: [{on: 'GET /x'}]}]", 'deed'],
  ['a call with an open name', "http: [{family: a, calls: [{on: 'GET /{x', does: download}]}]", 'deed'],
  [
    'a call with a broken pattern',
    "http: [{family: a, calls: [{on: 'GET /', query: {a: '('}, does: download}]}]",
    'pattern',
  ],
  ['a call of an unknown kind', "http: [{family: a, calls: [{on: 'GET /', does: vanish}]}]", 'deed'],
  [
    'a call with an unknown token',
    "http: [{family: a, calls: [{on: 'GET /', does: 'delete quickly'}]}]",
    'deed',
  ],
  ['a call with a verb nowhere', "http: [{family: a, calls: [{on: 'GET /', verb: 'cookie:x'}]}]", 'deed'],
  [
    'a call with an unknown analysis',
    "http: [{family: a, calls: [{on: 'GET /', analysis: telepathy}]}]",
    'shape',
  ],
  [
    'a call with an unknown key',
    "http: [{family: a, calls: [{on: 'GET /', does: download, when: x}]}]",
    'shape',
  ],
  ['too many bytes', `# ${'x'.repeat(1 << 20)}`, 'too_large'],
  [
    'aliases that multiply',
    `a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c]`,
    'syntax',
  ],
];
for (const [name, text, code] of refused)
  test(`refuses ${name}`, () => {
    const parsed = parseKnowledgeFile(text, 'x.yaml');
    assert.equal(parsed.ok ? 'accepted' : parsed.error.code, code);
    if (!parsed.ok) assert.ok(parsed.error.where.startsWith('x.yaml'));
  });

test('refuses a program that two files describe', () => {
  const one = parseKnowledgeFile('programs: [{names: rm}]', 'a.yaml');
  assert.ok(one.ok);
  if (one.ok) assert.equal(joinKnowledge([one.value, one.value]).ok, false);
});

test('reads a deed with all of its parts', () => {
  const parsed = parseKnowledgeFile(
    "programs: [{names: X, does: ['delete operands:1..-1 as:ref =v #t +l ?a &b !c recursive force many irreversible']}]",
    'x.yaml',
  );
  assert.ok(parsed.ok);
  const [name, program] = parsed.value.programs[0] ?? assert.fail();
  assert.equal(name, 'x');
  assert.deepEqual(program.does[0], {
    effect: 'delete',
    on: { kind: 'operands', from: 1, to: -1 },
    object: 'ref',
    value: 'v',
    labels: ['l'],
    tags: ['t'],
    with: ['a'],
    withAll: ['b'],
    without: ['c'],
    where: [],
    whereNot: [],
    each: null,
    operandsAtLeast: 0,
    operandsAtMost: Number.MAX_SAFE_INTEGER,
    recursive: true,
    force: true,
    many: true,
    reversible: 'no',
  });
});

const hostile = join(import.meta.dirname, '..', '..', 'hostile', 'knowledge-file');
for (const name of readdirSync(hostile))
  test(`refuses the hostile file ${name}`, () => {
    assert.equal(parseKnowledgeFile(readFileSync(join(hostile, name), 'utf8'), name).ok, false);
  });
