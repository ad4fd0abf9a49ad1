// What "allow for this session" covers for requests and statements, and what it does not (AARM R4, T3).
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Action } from '../../../electron/core/action.ts';
import type { CommandPattern } from '../../../electron/core/approval.ts';
import { EMPTY_PAYLOAD } from '../../../electron/core/data/payload.ts';
import { objectGrantCovers, objectPatternFor } from '../../../electron/core/policy/grant.ts';
import { patternText } from '../../../electron/daemon/approval-view.ts';
import type { StatementView } from '../../../electron/wire/proxy-message.ts';
import { buildStatementAction } from '../../../electron/wire/sql/statement-action.ts';
import { HOME, hasher, submission, WORKSPACE } from '../semantic/scene.ts';
import { actionOf, type Sent } from '../wire/http/request-scene.ts';
import { decide, facts, rule } from './fixture.ts';

const json = (body: unknown): Sent => ({
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});
const form = (body: string): Sent => ({
  headers: { 'content-type': 'application/x-www-form-urlencoded' },
  body,
});
const ISSUE = 'POST https://api.github.com/repos/o/r/issues/12/comments';

function granted(action: Action, reach: 'fixed' | 'free', name: string | null = 'a.rule'): CommandPattern {
  const pattern = objectPatternFor(action, name, reach);
  assert.ok(pattern !== null);
  return pattern;
}

type Row = readonly [what: string, line: string, sent: Sent];
describe('a grant for comments on issues covers', () => {
  const grant = granted(actionOf(ISSUE, json({ body: 'x' })), 'free');
  const rows: readonly Row[] = [
    ['the same again', ISSUE, json({ body: 'x' })],
    ['another text', ISSUE, json({ body: 'y' })],
    ['another issue', 'POST https://api.github.com/repos/o/r/issues/13/comments', json({ body: 'x' })],
  ];
  for (const [what, line, sent] of rows)
    test(what, () => assert.equal(objectGrantCovers(grant, actionOf(line, sent)), true));
  const others: readonly Row[] = [
    ['another repository', 'POST https://api.github.com/repos/o/q/issues/12/comments', json({ body: 'x' })],
    ['another host', 'POST https://api.example.com/repos/o/r/issues/12/comments', json({ body: 'x' })],
    ['another port', 'POST https://api.github.com:8443/repos/o/r/issues/12/comments', json({ body: 'x' })],
    ['no encryption', 'POST http://api.github.com/repos/o/r/issues/12/comments', json({ body: 'x' })],
    ['another method', 'DELETE https://api.github.com/repos/o/r/issues/12/comments', {}],
    [
      'a method in a header',
      ISSUE,
      {
        ...json({ body: 'x' }),
        headers: { 'content-type': 'application/json', 'x-http-method-override': 'DELETE' },
      },
    ],
    ['another kind of place', 'POST https://api.github.com/repos/o/r/issues/12', json({ body: 'x' })],
    ['a query', `${ISSUE}?notify=all`, json({ body: 'x' })],
    ['a name that leads near', ISSUE, { ...json({ body: 'x' }), address: '127.0.0.1' }],
    ['what was not all looked at', ISSUE, { ...json({ body: 'x' }), input: { inspected: 'part' } }],
  ];
  for (const [what, line, sent] of others)
    test(`not: ${what}`, () => assert.equal(objectGrantCovers(grant, actionOf(line, sent)), false));
});

test('a grant for one call of an interface with one address covers no other call', () => {
  const aws = (action: string) =>
    actionOf('POST https://ec2.us-east-1.amazonaws.com/', form(`Action=${action}&InstanceId.1=i-1`));
  assert.equal(objectGrantCovers(granted(aws('RebootInstances'), 'free'), aws('RebootInstances')), true);
  assert.equal(objectGrantCovers(granted(aws('RebootInstances'), 'free'), aws('StopInstances')), false);
  const graphql = (field: string) =>
    actionOf('POST https://api.github.com/graphql', json({ query: `mutation { ${field}(id: 1) { ok } }` }));
  assert.equal(objectGrantCovers(granted(graphql('addStar'), 'free'), graphql('addStar')), true);
  assert.equal(objectGrantCovers(granted(graphql('addStar'), 'free'), graphql('addReaction')), false);
});

test('a grant for something dangerous covers the very address and body only', () => {
  const aws = (id: string) =>
    actionOf(
      'POST https://ec2.us-east-1.amazonaws.com/',
      form(`Action=TerminateInstances&InstanceId.1=${id}`),
    );
  const grant = granted(aws('i-1'), 'fixed');
  assert.equal(objectGrantCovers(grant, aws('i-1')), true);
  assert.equal(objectGrantCovers(grant, aws('i-2')), false);
});

test('a grant for a package covers no other package', () => {
  const publish = (name: string) => actionOf(`PUT https://registry.npmjs.org/${name}`, json({ name }));
  assert.equal(objectGrantCovers(granted(publish('mine'), 'free'), publish('mine')), true);
  assert.equal(objectGrantCovers(granted(publish('mine'), 'free'), publish('other')), false);
});

const view: StatementView = {
  verb: 'delete',
  reads: ['public.users'],
  writes: ['public.users'],
  tags: ['deletes'],
};
function statement(text: string, over: Partial<StatementView> = {}, user = 'app'): Action {
  return buildStatementAction(
    {
      ...submission,
      surface: 'http',
      place: { cwd: null, home: HOME, workspace: WORKSPACE, user: 'user' },
      own: [],
      by: null,
      question: {
        kind: 'statement',
        host: 'db.example',
        port: 5432,
        database: 'shop',
        user,
        credential: 'db',
        text,
        statements: [{ ...view, ...over }],
        payload: EMPTY_PAYLOAD,
      },
    } as never,
    hasher,
  );
}

describe('a grant for a statement', () => {
  const grant = granted(statement('delete from users where id = 1'), 'free');
  test('covers the same verb on the same tables', () =>
    assert.equal(objectGrantCovers(grant, statement('delete from users where id = 2')), true));
  const others: readonly (readonly [string, Action])[] = [
    [
      'another table',
      statement('delete from orders', { reads: ['public.orders'], writes: ['public.orders'] }),
    ],
    [
      'a table beside it',
      statement('delete from users using orders', { reads: ['public.orders', 'public.users'] }),
    ],
    ['another verb', statement('update users set a = 1', { verb: 'update', tags: [] })],
    ['every row', statement('delete from users', { tags: ['deletes', 'no-where'] })],
    ['another user', statement('delete from users where id = 1', {}, 'admin')],
    ['a function', statement('delete from users where f()', { calls: ['public.f'] })],
  ];
  for (const [what, action] of others)
    test(`does not cover ${what}`, () => assert.equal(objectGrantCovers(grant, action), false));
  test('for something dangerous covers the very statement only', () => {
    const fixed = granted(statement('drop table a'), 'fixed');
    assert.equal(objectGrantCovers(fixed, statement('drop table a')), true);
    assert.equal(objectGrantCovers(fixed, statement('drop table a cascade')), false);
  });
});

describe('in a decision', () => {
  const asks = rule('a.rule', 'step_up', { subject: 'action', match: { tools: ['http'] } });
  const comment = actionOf(ISSUE, json({ body: 'x' }));
  const grant = granted(comment, 'free');
  const carrying = (source: string, level: string) => ({
    payload: { level: 'PUBLIC', kinds: [], bytes: 1, inspected: 'whole' },
    flows: [{ source, level, because: 'x', age_ms: 1, matches: 1 }],
  });
  const nothing = { payload: { level: 'PUBLIC', kinds: [], bytes: 1, inspected: 'whole' }, flows: [] };

  test('lifts the question of its own rule and no other', () => {
    const given = facts(comment, { grants: [grant], data: nothing });
    assert.equal(decide([asks], given).result, 'ALLOW');
    assert.equal(decide([asks, { ...asks, id: 'a.other' as typeof asks.id }], given).result, 'STEP_UP');
    assert.equal(decide([{ ...asks, class: 'deny' }], given).result, 'DENY');
  });

  test('does not cover what was read elsewhere than when it was given', () => {
    const secret = carrying('path:/home/u/notes', 'CONFIDENTIAL');
    assert.equal(decide([asks], facts(comment, { grants: [grant], data: secret })).result, 'STEP_UP');
    const named = { ...grant, flows: ['path:/home/u/notes'] };
    assert.equal(decide([asks], facts(comment, { grants: [named], data: secret })).result, 'ALLOW');
    const other = carrying('path:/home/u/other', 'CONFIDENTIAL');
    assert.equal(decide([asks], facts(comment, { grants: [named], data: other })).result, 'STEP_UP');
    const { flows: _flows, ...late } = nothing;
    assert.equal(decide([asks], facts(comment, { grants: [grant], data: late })).result, 'STEP_UP');
  });

  test('the work’s own text counts for a rule about what is carried', () => {
    const work = carrying('path:/w/a.ts', 'INTERNAL');
    assert.equal(decide([asks], facts(comment, { grants: [grant], data: work })).result, 'ALLOW');
    const ofData = { ...asks, when: 'data.flows.exists(f, f.level == "INTERNAL")' };
    assert.equal(decide([ofData], facts(comment, { grants: [grant], data: work })).result, 'STEP_UP');
  });
});

test('says in words what it would cover', () => {
  const free = granted(actionOf(ISSUE, json({ body: 'x' })), 'free');
  assert.equal(
    patternText(free),
    'POST requests to https://api.github.com/repos/o/r/issues/*/comments, whatever they say',
  );
  const fixed = granted(actionOf('DELETE https://api.x.example:8443/users/7'), 'fixed');
  assert.equal(patternText(fixed), 'this very DELETE request to https://api.x.example:8443/users/7, again');
  const carrying = { ...free, flows: ['path:/home/u/notes'] };
  assert.match(
    patternText(carrying),
    /carrying nothing classified but what was read from path:\/home\/u\/notes$/,
  );
  assert.equal(
    patternText(granted(statement('delete from users where id = 1'), 'free')),
    'any `delete` statement on public.users in db.example:5432/shop',
  );
});
