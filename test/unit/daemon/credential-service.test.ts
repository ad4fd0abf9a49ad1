import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { CredentialRecord } from '../../../electron/core/credential.ts';
import { ok } from '../../../electron/core/result.ts';
import type { Minter } from '../../../electron/daemon/credential-minter.ts';
import {
  actionOf,
  type CredentialStage,
  credentialStage,
  questionOf,
  recordOf,
  testKeychain,
  testStore,
} from '../../support/credential-stage.ts';

const SECRET = 'tok_0123456789abcdefghijTheRealOne';
const AUTHORIZATION = 'header:authorization';

async function stageOf(part: Partial<CredentialRecord> = {}, minters?: readonly Minter[]) {
  const root = mkdtempSync(join(tmpdir(), 'csn-'));
  const keychain = testKeychain();
  const store = await testStore(join(root, 'credentials.json'), keychain);
  const record = recordOf({ name: 'service', env: ['SERVICE_TOKEN'], ...part });
  const added = await store.add(record, { secret: SECRET, sessionToken: null });
  assert.ok(added.ok, added.ok ? '' : added.error.message);
  const stage = credentialStage(store, minters);
  const { environment } = stage.service.open(stage.session, [], {});
  return {
    ...stage,
    store,
    keychain,
    record,
    environment,
    placeholder: environment['SERVICE_TOKEN'] ?? '',
    [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }),
  };
}

/** No receipt holds the secret, nor a placeholder. */
function assertSilent(stage: CredentialStage, ...texts: readonly string[]): void {
  const written = JSON.stringify(stage.drafts);
  for (const text of texts) assert.ok(!written.includes(text), 'a receipt holds what is secret');
}

const asked = (
  stage: CredentialStage & { readonly placeholder: string },
  part: Parameters<typeof questionOf>[0] = {},
  where = AUTHORIZATION,
) => {
  const question = questionOf(part);
  const uses = [{ value: stage.placeholder, where }];
  return {
    fact: () => stage.service.judge(stage.session, question, uses),
    swaps: (action = actionOf(stage.session.id)) =>
      stage.service.swapsFor(stage.session, action, question, uses),
  };
};

test('gives each session and credential another placeholder in the shape of the secret', async () => {
  using stage = await stageOf();
  const other = stage.service.open(stage.sessionOf('sess_othertest'), [], {}).environment['SERVICE_TOKEN'];
  assert.match(stage.placeholder, /^tok_[0-9A-Za-z]{36}$/);
  assert.notEqual(stage.placeholder, other);
  assert.deepEqual(stage.service.placeholdersOf(stage.session.id), [stage.placeholder]);
});

test('mints for one action: bound to its digest and host, for seconds, with a receipt before it is given', async () => {
  using stage = await stageOf();
  stage.at(1_700_000_000_000);
  const action = actionOf(stage.session.id);
  const swaps = await asked(stage).swaps(action);
  assert.ok(swaps.ok);
  const [swap] = swaps.value;
  assert.deepEqual(
    [swap?.secret, swap?.placeholder, swap?.expiresAt],
    [SECRET, stage.placeholder, 1_700_000_060_000],
  );
  const minted = stage.drafts.find((draft) => draft.body['event'] === 'minted');
  assert.equal(minted?.kind, 'credential');
  assert.deepEqual(
    [minted?.body['minted'], minted?.body['digest'], minted?.body['host'], minted?.body['action']],
    [swap?.minted, action.digest, 'api.example', action.id],
  );
  assertSilent(stage, SECRET, stage.placeholder);
});

test('mints another credential for the next action', async () => {
  using stage = await stageOf();
  const [first, second] = [await asked(stage).swaps(), await asked(stage).swaps()];
  assert.ok(first.ok && second.ok);
  assert.notEqual(first.value[0]?.minted, second.value[0]?.minted);
});

test('records what was really sent, once, and when it was last used', async () => {
  using stage = await stageOf();
  const action = actionOf(stage.session.id);
  const swaps = await asked(stage).swaps(action);
  assert.ok(swaps.ok);
  const id = swaps.value[0]?.minted ?? '';
  assert.equal(stage.service.lastUsed('service'), null);
  // Another session cannot say so, and nobody can twice.
  await stage.service.used(stage.sessionOf('sess_othertest'), action.id, [id]);
  await stage.service.used(stage.session, action.id, [id, 'mint_forged']);
  await stage.service.used(stage.session, action.id, [id]);
  const told = stage.drafts.filter((draft) => draft.body['event'] === 'used');
  assert.deepEqual(
    told.map((draft) => draft.body['used']),
    [[{ minted: id, credential: 'service' }]],
  );
  assert.notEqual(stage.service.lastUsed('service'), null);
});

test('gives nothing when the use cannot be recorded', async () => {
  using stage = await stageOf();
  stage.failLedger('no space left');
  const swaps = await asked(stage).swaps();
  assert.ok(!swaps.ok && swaps.error.finding === 'unavailable');
});

describe('a placeholder is not swapped', () => {
  for (const [what, part, where, finding] of [
    ['for another host', { host: 'evil.example' }, AUTHORIZATION, 'exfiltration'],
    [
      'for a host whose Host header says another',
      { oddities: ['host-mismatch'] },
      AUTHORIZATION,
      'exfiltration',
    ],
    ['for a host whose TLS name is another', { oddities: ['sni-mismatch'] }, AUTHORIZATION, 'exfiltration'],
    ['for its host in the clear', { scheme: 'http', port: 80 }, AUTHORIZATION, 'exfiltration'],
    ['in the address', {}, 'query:q', 'exfiltration'],
    ['in the body', { method: 'POST' }, 'body', 'exfiltration'],
    ['in a header that is shown to others', {}, 'header:referer', 'exfiltration'],
    ['for a write with one that only reads', { method: 'DELETE' }, AUTHORIZATION, 'limits'],
  ] as const)
    test(what, async () => {
      using stage = await stageOf({
        limits: {
          hosts: ['api.example'],
          methods: ['GET', 'POST'],
          paths: null,
          graphql: null,
          ttlSeconds: 60,
        },
      });
      const use = asked(stage, part, where);
      const fact = use.fact();
      const swaps = await use.swaps();
      assert.ok(!swaps.ok);
      assert.equal(swaps.error.finding, finding);
      assert.ok(!swaps.error.message.includes(SECRET) && !swaps.error.message.includes(stage.placeholder));
      if (finding === 'exfiltration')
        assert.ok(
          fact?.['host_allowed'] === false || fact?.['place_allowed'] === false,
          JSON.stringify(fact),
        );
      else assert.deepEqual([fact?.['host_allowed'], fact?.['within_limits']], [true, false]);
      const refused = stage.drafts.filter((draft) => draft.body['event'] === 'refused');
      assert.ok(refused.length > 0 && refused.every((draft) => draft.kind === 'credential'));
      assert.ok(!stage.events().includes('minted'));
      assertSilent(stage, SECRET, stage.placeholder);
    });

  test('when one of two in a request stands where it does not belong', async () => {
    using stage = await stageOf();
    const question = questionOf({});
    const uses = [
      { value: stage.placeholder, where: AUTHORIZATION },
      { value: stage.placeholder, where: 'body' },
    ];
    assert.equal(stage.service.judge(stage.session, question, uses)?.['place_allowed'], false);
    const swaps = await stage.service.swapsFor(stage.session, actionOf(stage.session.id), question, uses);
    assert.ok(!swaps.ok && swaps.error.finding === 'exfiltration');
  });

  test('in a session that it was not made for', async () => {
    using stage = await stageOf();
    const other = stage.sessionOf('sess_othertest');
    stage.service.open(other, [], {});
    const uses = [{ value: stage.placeholder, where: AUTHORIZATION }];
    const swaps = await stage.service.swapsFor(other, actionOf(other.id), questionOf({}), uses);
    assert.ok(!swaps.ok && swaps.error.finding === 'unknown');
  });

  test('after its session ended', async () => {
    using stage = await stageOf();
    stage.service.forget(stage.session.id);
    const swaps = await asked(stage).swaps();
    assert.ok(!swaps.ok && swaps.error.finding === 'unknown');
    assert.deepEqual(stage.service.placeholdersOf(stage.session.id), []);
  });

  test('once the credential was revoked', async () => {
    using stage = await stageOf();
    await stage.store.replace({ ...stage.record, revoked: true }, null);
    const swaps = await asked(stage).swaps();
    assert.ok(!swaps.ok && swaps.error.finding === 'revoked');
  });

  test('once the credential was removed', async () => {
    using stage = await stageOf();
    await stage.store.remove('service');
    const swaps = await asked(stage).swaps();
    assert.ok(!swaps.ok && swaps.error.finding === 'revoked');
  });

  test('once the credential expired', async () => {
    using stage = await stageOf({ expiresAt: Date.now() + 60_000 });
    stage.at(Date.now() + 60_001);
    const swaps = await asked(stage).swaps();
    assert.ok(!swaps.ok && swaps.error.finding === 'expired');
  });

  test('while the keychain is locked, and is again once it is not', async () => {
    using stage = await stageOf();
    stage.keychain.locked = true;
    const swaps = await asked(stage).swaps();
    assert.ok(!swaps.ok && swaps.error.finding === 'unavailable');
    assert.match(swaps.error.message, /keychain does not open.*unlock it/);
    stage.keychain.locked = false;
    assert.ok((await asked(stage).swaps()).ok);
  });

  test('when it is revoked while it is being minted, and what was minted is ended', async () => {
    let ended = 0;
    let during: () => Promise<unknown> = async () => undefined;
    const slow: Minter = {
      kind: 'token',
      mint: async ({ secret }) => {
        await during();
        return ok({
          secret: secret.secret,
          use: { kind: 'replace' },
          expiresAt: null,
          scope: 'x',
          end: async () => {
            ended += 1;
          },
        });
      },
    };
    using stage = await stageOf({}, [slow]);
    during = () => stage.store.replace({ ...stage.record, revoked: true }, null);
    const swaps = await asked(stage).swaps();
    assert.ok(!swaps.ok && swaps.error.finding === 'revoked');
    assert.equal(ended, 1);
  });

  test('when its minter quotes the secret: the reason does not', async () => {
    const careless: Minter = {
      kind: 'token',
      mint: async ({ secret }) => ({
        ok: false,
        error: { code: 'issuer', message: `bad key ${secret.secret}` },
      }),
    };
    using stage = await stageOf({}, [careless]);
    const swaps = await asked(stage).swaps();
    assert.ok(!swaps.ok && swaps.error.finding === 'minter' && !swaps.error.message.includes(SECRET));
    assertSilent(stage, SECRET);
  });
});

test('ends what was minted once its seconds are over, or its session is', async () => {
  let ended = 0;
  const ending: Minter = {
    kind: 'token',
    mint: async ({ secret }) =>
      ok({
        secret: secret.secret,
        use: { kind: 'replace' },
        expiresAt: null,
        scope: 'x',
        end: async () => {
          ended += 1;
        },
      }),
  };
  using stage = await stageOf({}, [ending]);
  await asked(stage).swaps();
  stage.elapse(59_000);
  assert.equal(ended, 0);
  stage.elapse(2_000);
  assert.equal(ended, 1);
  await asked(stage).swaps();
  stage.service.forget(stage.session.id);
  assert.equal(ended, 2);
});

describe('secrets of the person’s own environment', () => {
  const KEY = `sk-ant-api03-${'a1B2'.repeat(23)}xyz`;

  test('become placeholders of the same look, for their provider’s host only', async () => {
    using stage = await stageOf();
    const session = stage.sessionOf('sess_handed01');
    const { environment } = stage.service.open(session, [{ name: 'ANTHROPIC_API_KEY', value: KEY }], {});
    const placeholder = environment['ANTHROPIC_API_KEY'] ?? '';
    assert.match(placeholder, /^sk-ant-api03-[\w-]{95}$/);
    assert.notEqual(placeholder, KEY);
    const uses = [{ value: placeholder, where: 'header:x-api-key' }];
    const swap = (host: string) =>
      stage.service.swapsFor(session, actionOf(session.id), questionOf({ host, method: 'POST' }), uses);
    const own = await swap('api.anthropic.com');
    assert.ok(own.ok && own.value[0]?.secret === KEY);
    const other = await swap('api.openai.com');
    assert.ok(!other.ok && other.error.finding === 'exfiltration');
    assertSilent(stage, KEY, placeholder);
  });

  test('belong to where the person said that the provider is, and nowhere else', async () => {
    using stage = await stageOf();
    const session = stage.sessionOf('sess_handed02');
    const { environment } = stage.service.open(session, [{ name: 'ANTHROPIC_API_KEY', value: KEY }], {
      ANTHROPIC_BASE_URL: 'https://gateway.corp.example:8443/anthropic',
    });
    const uses = [{ value: environment['ANTHROPIC_API_KEY'] ?? '', where: 'header:x-api-key' }];
    const swap = (host: string, port: number) =>
      stage.service.swapsFor(session, actionOf(session.id), questionOf({ host, port }), uses);
    assert.ok((await swap('gateway.corp.example', 8443)).ok);
    assert.ok(!(await swap('api.anthropic.com', 443)).ok);
  });

  test('are not replaced where a credential of the store has their variable', async () => {
    using stage = await stageOf({ name: 'gh', env: ['GITHUB_TOKEN'] });
    const session = stage.sessionOf('sess_handed03');
    const { environment } = stage.service.open(
      session,
      [{ name: 'GITHUB_TOKEN', value: `ghp_${'x'.repeat(36)}` }],
      {},
    );
    const uses = [{ value: environment['GITHUB_TOKEN'] ?? '', where: AUTHORIZATION }];
    const swaps = await stage.service.swapsFor(session, actionOf(session.id), questionOf({}), uses);
    assert.ok(swaps.ok && swaps.value[0]?.secret === SECRET);
  });

  test('of npm’s configuration go to their registry alone', async () => {
    using stage = await stageOf();
    const session = stage.sessionOf('sess_handed04');
    const name = 'npmrc:registry.npmjs.org';
    const { environment } = stage.service.open(session, [{ name, value: `npm_${'y'.repeat(36)}` }], {});
    const uses = [{ value: environment[name] ?? '', where: AUTHORIZATION }];
    const swap = (host: string) =>
      stage.service.swapsFor(session, actionOf(session.id), questionOf({ host }), uses);
    assert.ok((await swap('registry.npmjs.org')).ok);
    assert.ok(!(await swap('registry.evil.example')).ok);
  });

  test('are forgotten with their session', async () => {
    using stage = await stageOf();
    const session = stage.sessionOf('sess_handed05');
    const { environment } = stage.service.open(session, [{ name: 'ANTHROPIC_API_KEY', value: KEY }], {});
    stage.service.forget(session.id);
    const uses = [{ value: environment['ANTHROPIC_API_KEY'] ?? '', where: 'header:x-api-key' }];
    const question = questionOf({ host: 'api.anthropic.com' });
    assert.ok(!(await stage.service.swapsFor(session, actionOf(session.id), question, uses)).ok);
  });

  test('that no table knows are not handed over in vain', async () => {
    using stage = await stageOf();
    const session = stage.sessionOf('sess_handed06');
    const { environment } = stage.service.open(
      session,
      [{ name: 'MY_OWN_SECRET', value: 'x'.repeat(40) }],
      {},
    );
    assert.deepEqual(Object.keys(environment), ['SERVICE_TOKEN']);
  });
});

test('a secret part of a key of AWS is never put anywhere', async () => {
  using stage = await stageOf();
  const session = stage.sessionOf('sess_awstest01');
  const { environment } = stage.service.open(
    session,
    [
      { name: 'AWS_ACCESS_KEY_ID', value: 'AKIAIOSFODNN7EXAMPLE' },
      { name: 'AWS_SECRET_ACCESS_KEY', value: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' },
    ],
    {},
  );
  assert.match(environment['AWS_ACCESS_KEY_ID'] ?? '', /^AKIA[A-Z2-7]{16}$/);
  const uses = [{ value: environment['AWS_SECRET_ACCESS_KEY'] ?? '', where: AUTHORIZATION }];
  const question = questionOf({ host: 's3.eu-west-1.amazonaws.com' });
  assert.equal(stage.service.judge(session, question, uses)?.['place_allowed'], false);
  assert.ok(!(await stage.service.swapsFor(session, actionOf(session.id), question, uses)).ok);
});
