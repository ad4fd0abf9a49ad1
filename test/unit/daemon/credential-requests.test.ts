import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ReceiptDraft } from '../../../electron/core/ports.ts';
import { ok } from '../../../electron/core/result.ts';
import { createMinterRegistry } from '../../../electron/daemon/credential-minter.ts';
import { onCredential } from '../../../electron/daemon/credential-requests.ts';
import { tokenMinter } from '../../../electron/daemon/mint-token.ts';
import { loadCredentialTable } from '../../../electron/edge/credential-table.ts';
import { type CredentialRequest, credentialListSchema } from '../../../electron/wire/credential-control.ts';
import { credentialStage, testKeychain, testStore } from '../../support/credential-stage.ts';

async function door() {
  const root = mkdtempSync(join(tmpdir(), 'csn-'));
  const store = await testStore(join(root, 'credentials.json'), testKeychain());
  const stage = credentialStage(store);
  const table = loadCredentialTable();
  assert.ok(table.ok);
  const drafts: ReceiptDraft[] = [];
  const ports = {
    mediation: {
      clock: { now: () => 1000 },
      ledger: {
        append: async (draft: ReceiptDraft) => {
          drafts.push(draft);
          return ok({ receipt: { id: 'rct_test' } } as never);
        },
      },
    },
    store,
    service: stage.service,
    minters: createMinterRegistry([tokenMinter]),
    table: table.value,
    kept: 'keychain',
    changed: () => undefined,
  } as const;
  return {
    store,
    drafts,
    ask: (request: CredentialRequest) => onCredential(ports, request),
    [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }),
  };
}

const ADD: Extract<CredentialRequest, { type: 'credential.add' }> = {
  type: 'credential.add',
  request: '1',
  name: 'it',
  kind: 'token',
  env: [],
  limits: { hosts: ['api.example'], methods: null, paths: null, graphql: null, ttl_seconds: 60 },
  settings: {},
  shape: null,
  expires_at: null,
  secret: 'the-secret-of-this-test',
  session_token: null,
};

test('answers and records without the secret, whatever is asked', async () => {
  using at = await door();
  const replies = [
    await at.ask(ADD),
    await at.ask({ type: 'credential.list', request: '2' }),
    await at.ask({ type: 'credential.test', request: '3', name: 'it' }),
    await at.ask({
      type: 'credential.rotate',
      request: '4',
      name: 'it',
      secret: 'the-secret-of-this-test-2',
      session_token: null,
      access_key_id: null,
    }),
    await at.ask({ type: 'credential.revoke', request: '5', name: 'it' }),
    await at.ask({ type: 'credential.remove', request: '6', name: 'it' }),
  ];
  assert.ok(
    replies.every((reply) => reply.ok),
    JSON.stringify(replies),
  );
  assert.ok(!JSON.stringify([replies, at.drafts]).includes('the-secret-of-this-test'));
  assert.deepEqual(
    at.drafts.map((draft) => draft.body['event']),
    ['added', 'rotated', 'revoked', 'removed'],
  );
  assert.ok(replies[1]?.ok && credentialListSchema.safeParse(replies[1].value).success);
});

test('keeps a database’s password as the address that its minter opens', async () => {
  using at = await door();
  const settings = { host: 'db.example', port: 6432, database: 'shop', user: 'me' };
  const limits = { ...ADD.limits, hosts: ['db.example:6432'] };
  assert.ok((await at.ask({ ...ADD, kind: 'postgres', settings, limits, secret: 'p@ss/word' })).ok);
  const kept = await at.store.secret('it');
  assert.equal(kept.ok && kept.value.secret, 'postgres://me:p%40ss%2Fword@db.example:6432/shop');
});

test('gives a token the look of its provider’s where its variable is known', async () => {
  using at = await door();
  await at.ask({ ...ADD, env: ['GITHUB_TOKEN'], secret: `ghp_${'a'.repeat(36)}` });
  assert.deepEqual(at.store.records()[0]?.shape, {
    prefix: 'ghp_',
    length: 40,
    alphabet: 'alnum',
    checksum: 'crc32',
  });
});

const REFUSED: readonly (readonly [string, CredentialRequest])[] = [
  ['a kind without what it needs', { ...ADD, kind: 'aws' }],
  ['a host that would be everybody’s', { ...ADD, limits: { ...ADD.limits, hosts: ['*.com'] } }],
  ['an expiry in the past', { ...ADD, expires_at: 999 }],
  ['one variable twice', { ...ADD, env: ['A', 'A'] }],
];
for (const [what, request] of REFUSED)
  test(`refuses ${what}, and keeps nothing`, async () => {
    using at = await door();
    const reply = await at.ask(request);
    assert.equal(reply.ok, false);
    assert.deepEqual([at.store.records(), at.drafts], [[], []]);
  });

for (const type of ['credential.remove', 'credential.revoke', 'credential.test'] as const)
  test(`says that there is none for ${type} of an unknown name`, async () => {
    using at = await door();
    const reply = await at.ask({ type, request: '1', name: 'nobody' });
    assert.ok(!reply.ok && reply.error.code === 'missing');
    assert.deepEqual(at.drafts, []);
  });
