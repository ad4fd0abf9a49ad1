import assert from 'node:assert/strict';
import { createVerify, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { CredentialRecord } from '../../electron/core/credential.ts';
import { resign } from '../../electron/proxy/sigv4.ts';
import {
  actionOf,
  credentialStage,
  questionOf,
  recordOf,
  testKeychain,
  testStore,
} from '../support/credential-stage.ts';
import { sigv4Fault } from '../support/sigv4-check.ts';

interface Call {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}
interface Issuer {
  readonly base: string;
  readonly calls: Call[];
  close(): Promise<void>;
}

/** An issuer on loopback that answers as `answer` says and remembers what it was asked. */
async function issuer(
  answer: (call: Call) => readonly [status: number, body: string, headers?: Record<string, string>],
): Promise<Issuer> {
  const calls: Call[] = [];
  const server: Server = createServer(async (request: IncomingMessage, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const headers = Object.fromEntries(
      Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
    );
    const call = { method: request.method ?? '', url: request.url ?? '', headers, body };
    calls.push(call);
    const [status, text, more = {}] = answer(call);
    response.writeHead(status, { 'content-type': 'application/json', ...more });
    response.end(text);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    base: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

async function stageWith(record: Partial<CredentialRecord>, secret: string) {
  const root = mkdtempSync(join(tmpdir(), 'csn-'));
  const store = await testStore(join(root, 'credentials.json'), testKeychain());
  const added = await store.add(recordOf({ name: 'it', ...record }), { secret, sessionToken: null });
  assert.ok(added.ok);
  const stage = credentialStage(store);
  const { environment } = stage.service.open(stage.session, [], {});
  return {
    ...stage,
    environment,
    [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }),
  };
}
type Stage = Awaited<ReturnType<typeof stageWith>>;

function swaps(
  stage: Stage,
  placeholder: string,
  part: Parameters<typeof questionOf>[0],
  action = actionOf(stage.session.id),
) {
  const uses = [{ value: placeholder, where: 'header:authorization' }];
  return stage.service.swapsFor(stage.session, action, questionOf(part), uses);
}
const settle = () => new Promise((resolve) => setTimeout(resolve, 100));

describe('a GitHub app', () => {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString().trim();
  const now = Math.floor(Date.now() / 1000);

  /** As GitHub does: checks the app's token and gives one for the permissions that were asked for and no more. */
  function github(key: KeyObject = publicKey): Promise<Issuer> {
    let made = 0;
    return issuer((call) => {
      const bearer = (call.headers['authorization'] ?? '').replace(/^Bearer /, '');
      if (call.method === 'DELETE') return [204, ''];
      const [head = '', claims = '', signature = ''] = bearer.split('.');
      const right = createVerify('RSA-SHA256')
        .update(`${head}.${claims}`)
        .verify(key, signature, 'base64url');
      const read = (part: string) =>
        JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>;
      if (!right || read(head)['alg'] !== 'RS256') return [401, '{"message":"bad JWT"}'];
      const { iss, iat, exp } = read(claims);
      if (iss !== '77' || Number(iat) > now + 5 || Number(exp) - Number(iat) > 600)
        return [401, '{"message":"bad claims"}'];
      if (call.url !== '/app/installations/88/access_tokens') return [404, '{}'];
      made += 1;
      return [
        201,
        JSON.stringify({
          token: `ghs_installation${made}`,
          expires_at: new Date(Date.now() + 3_600_000).toISOString(),
        }),
      ];
    });
  }
  const record = (base: string, more: CredentialRecord['settings'] = {}): Partial<CredentialRecord> => ({
    kind: 'github-app',
    env: ['GITHUB_TOKEN'],
    limits: {
      hosts: ['api.github.com', 'github.com'],
      methods: null,
      paths: null,
      graphql: null,
      ttlSeconds: 60,
    },
    settings: { app_id: '77', installation_id: '88', api_base: base, ...more },
    shape: { prefix: 'ghs_', length: 40, alphabet: 'alnum', checksum: 'crc32' },
  });
  const asked = (call: Call | undefined) => JSON.parse(call?.body ?? '{}') as unknown;

  for (const [what, part, wanted] of [
    [
      'a fetch reads the content of one repository',
      { host: 'github.com', path: '/me/site.git/info/refs', query: [['service', 'git-upload-pack']] },
      { permissions: { contents: 'read' }, repositories: ['site'] },
    ],
    [
      'a push writes the content of one repository',
      { host: 'github.com', method: 'POST', path: '/me/site.git/git-receive-pack' },
      { permissions: { contents: 'write' }, repositories: ['site'] },
    ],
    [
      'reading issues reads issues',
      { host: 'api.github.com', path: '/repos/me/site/issues/1' },
      { permissions: { issues: 'read' }, repositories: ['site'] },
    ],
    [
      'opening a pull request writes pull requests',
      { host: 'api.github.com', method: 'POST', path: '/repos/me/site/pulls' },
      { permissions: { pull_requests: 'write' }, repositories: ['site'] },
    ],
    [
      'looking at a repository reads its metadata',
      { host: 'api.github.com', path: '/repos/me/site' },
      { permissions: { metadata: 'read' }, repositories: ['site'] },
    ],
  ] as const)
    test(`gets a token of its own for one action: ${what}`, async () => {
      const server = await github();
      using stage = await stageWith(record(server.base), pem);
      const made = await swaps(stage, stage.environment['GITHUB_TOKEN'] ?? '', part);
      await server.close();
      assert.ok(made.ok, made.ok ? '' : made.error.message);
      assert.equal(made.value[0]?.secret, 'ghs_installation1');
      assert.deepEqual(asked(server.calls[0]), wanted);
      assert.ok(!JSON.stringify(stage.drafts).includes('ghs_'), 'no receipt holds a token');
    });

  test('gets another token for the next action, and the first is ended when its action is over', async () => {
    const server = await github();
    using stage = await stageWith(record(server.base), pem);
    const placeholder = stage.environment['GITHUB_TOKEN'] ?? '';
    const action = actionOf(stage.session.id);
    const part = { host: 'api.github.com', path: '/repos/me/site/issues' };
    const first = await swaps(stage, placeholder, part, action);
    const second = await swaps(stage, placeholder, part);
    assert.ok(first.ok && second.ok);
    assert.notEqual(first.value[0]?.secret, second.value[0]?.secret);
    await stage.service.used(stage.session, action.id, [first.value[0]?.minted ?? '']);
    await settle();
    const ended = server.calls.filter((call) => call.method === 'DELETE');
    assert.deepEqual(
      ended.map((call) => [call.url, call.headers['authorization']]),
      [['/installation/token', 'Bearer ghs_installation1']],
    );
    await server.close();
  });

  for (const [what, more, part, why] of [
    [
      'a write with permissions that only read',
      { permissions: { contents: 'read' } },
      { host: 'github.com', method: 'POST', path: '/me/site.git/git-receive-pack' },
      /contents:write, which it does not have/,
    ],
    [
      'what it has no permission for',
      { permissions: { contents: 'write' } },
      { host: 'api.github.com', path: '/repos/me/site/actions/secrets' },
      /secrets:read/,
    ],
    [
      'a write of which it is not known what it needs',
      {},
      { host: 'api.github.com', method: 'POST', path: '/user/repos' },
      /not known which permission/,
    ],
    [
      'a repository of another account',
      { account: 'me' },
      { host: 'api.github.com', path: '/repos/you/site' },
      /installed for `me`/,
    ],
  ] as const)
    test(`gets no token for ${what}, and GitHub is not asked`, async () => {
      const server = await github();
      using stage = await stageWith(record(server.base, more), pem);
      const made = await swaps(stage, stage.environment['GITHUB_TOKEN'] ?? '', part);
      await server.close();
      assert.ok(!made.ok && made.error.finding === 'minter');
      assert.match(made.error.message, why);
      assert.equal(server.calls.length, 0);
    });

  test('gets nothing when its key is not the app’s, and the key stands nowhere', async () => {
    const server = await github(generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey);
    using stage = await stageWith(record(server.base), pem);
    const made = await swaps(stage, stage.environment['GITHUB_TOKEN'] ?? '', {
      host: 'api.github.com',
      path: '/repos/me/site',
    });
    await server.close();
    assert.ok(!made.ok && /refused a token \(401\)/.test(made.error.message));
    assert.ok(!JSON.stringify(stage.drafts).includes('PRIVATE KEY'));
  });

  test('is not led to another host by a redirect, nor asked in the clear', async () => {
    const other = await issuer(() => [201, '{}']);
    const server = await issuer(() => [
      307,
      '',
      { location: `${other.base}/app/installations/88/access_tokens` },
    ]);
    using stage = await stageWith(record(server.base), pem);
    const made = await swaps(stage, stage.environment['GITHUB_TOKEN'] ?? '', {
      host: 'api.github.com',
      path: '/repos/me/site',
    });
    assert.ok(!made.ok);
    assert.equal(other.calls.length, 0);
    await server.close();
    await other.close();
    using plain = await stageWith(record('http://github.example'), pem);
    const clear = await swaps(plain, plain.environment['GITHUB_TOKEN'] ?? '', {
      host: 'api.github.com',
      path: '/repos/me/site',
    });
    assert.ok(!clear.ok && /in the clear/.test(clear.error.message));
  });
});

describe('keys of AWS', () => {
  const LONG = { id: 'AKIAIOSFODNN7EXAMPLE', secret: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' };
  const MADE = { id: 'ASIAMADEFORONEACTION', secret: 'madeSecret/ForOneAction', token: 'made+token/==' };
  const sts = () =>
    issuer((call) => {
      const fault = sigv4Fault(call, (id) => (id === LONG.id ? LONG.secret : null));
      if (fault !== null)
        return [403, `<Error><Code>SignatureDoesNotMatch</Code><Message>${fault}</Message></Error>`];
      return [
        200,
        `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>${MADE.id}</AccessKeyId><SecretAccessKey>${MADE.secret}</SecretAccessKey><SessionToken>${MADE.token}</SessionToken><Expiration>${new Date(Date.now() + 900_000).toISOString()}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`,
      ];
    });
  const record = (settings: CredentialRecord['settings']): Partial<CredentialRecord> => ({
    kind: 'aws',
    env: ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'],
    limits: { hosts: ['*.amazonaws.com'], methods: null, paths: null, graphql: null, ttlSeconds: 60 },
    settings: { access_key_id: LONG.id, ...settings },
    shape: { prefix: 'AKIA', length: 20, alphabet: 'upper' },
  });
  const authorization = (placeholder: string, service: string, day: string) =>
    `AWS4-HMAC-SHA256 Credential=${placeholder}/${day}/eu-west-1/${service}/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=${'0'.repeat(64)}`;
  const amzDate = new Date().toISOString().replace(/[-:]|\.\d{3}/g, '');
  const s3 = (placeholder: string, more: Parameters<typeof questionOf>[0]) => ({
    host: 'data.s3.eu-west-1.amazonaws.com',
    headers: [['authorization', authorization(placeholder, 's3', amzDate.slice(0, 8))]] as const,
    ...more,
  });

  for (const [what, part, actions, resources] of [
    [
      'reading an object',
      { path: '/a/b.txt' },
      ['s3:GetObject', 's3:GetObjectVersion'],
      ['arn:aws:s3:::data/a/b.txt'],
    ],
    [
      'listing a bucket',
      { path: '/', query: [['list-type', '2']] },
      ['s3:ListBucket'],
      ['arn:aws:s3:::data'],
    ],
    ['writing an object', { path: '/a', method: 'PUT' }, ['s3:PutObject'], ['arn:aws:s3:::data/a']],
    [
      'writing an object with a star in its name',
      { path: '/a*', method: 'PUT' },
      ['s3:PutObject'],
      ['arn:aws:s3:::data/a${*}'],
    ],
  ] as const)
    test(`become a session of STS that allows one action and nothing else: ${what}`, async () => {
      const server = await sts();
      using stage = await stageWith(
        record({ role: 'arn:aws:iam::1:role/agent', sts_endpoint: server.base, region: 'eu-west-1' }),
        LONG.secret,
      );
      const placeholder = stage.environment['AWS_ACCESS_KEY_ID'] ?? '';
      const made = await swaps(stage, placeholder, s3(placeholder, part as Parameters<typeof questionOf>[0]));
      await server.close();
      assert.ok(made.ok, made.ok ? '' : made.error.message);
      const form = new URLSearchParams(server.calls[0]?.body);
      assert.deepEqual(
        [form.get('Action'), form.get('RoleArn'), form.get('DurationSeconds')],
        ['AssumeRole', 'arn:aws:iam::1:role/agent', '900'],
      );
      assert.deepEqual(JSON.parse(form.get('Policy') ?? ''), {
        Version: '2012-10-17',
        Statement: [{ Effect: 'Allow', Action: actions, Resource: resources }],
      });
      const [swap] = made.value;
      assert.ok(swap !== undefined && swap.secret === MADE.secret);
      // What the proxy sends holds at AWS with the made keys, and with no others.
      const request = {
        method: 'GET',
        host: 'data.s3.eu-west-1.amazonaws.com',
        path: '/a/b.txt',
        bodySha256: null,
        headers: [
          ['host', 'data.s3.eu-west-1.amazonaws.com'],
          ['x-amz-date', amzDate],
          ['x-amz-content-sha256', 'UNSIGNED-PAYLOAD'],
          ['authorization', authorization(placeholder, 's3', amzDate.slice(0, 8))],
        ],
      } as const;
      const signed = await resign(request, swap, Date.now());
      assert.ok(signed.ok);
      const arrived = {
        method: 'GET',
        url: signed.value.path,
        headers: Object.fromEntries(signed.value.headers),
        body: '',
      };
      assert.equal(
        sigv4Fault(arrived, (id) => (id === MADE.id ? MADE.secret : null)),
        null,
      );
      assert.equal(arrived.headers['x-amz-security-token'], MADE.token);
      for (const text of [LONG.secret, MADE.secret, MADE.token, placeholder])
        assert.ok(!JSON.stringify(stage.drafts).includes(text), 'no receipt holds a key');
    });

  test('that only read sign no write, and STS is not asked', async () => {
    const server = await sts();
    using stage = await stageWith(
      record({ role: 'r', sts_endpoint: server.base, read_only: true }),
      LONG.secret,
    );
    const placeholder = stage.environment['AWS_ACCESS_KEY_ID'] ?? '';
    const write = await swaps(stage, placeholder, s3(placeholder, { path: '/a', method: 'DELETE' }));
    assert.ok(!write.ok && /only reads/.test(write.error.message));
    assert.equal(server.calls.length, 0);
    assert.ok((await swaps(stage, placeholder, s3(placeholder, { path: '/a' }))).ok);
    await server.close();
  });

  test('that only read sign no operation that could be read in two ways', async () => {
    using stage = await stageWith(record({ read_only: true }), LONG.secret);
    const placeholder = stage.environment['AWS_ACCESS_KEY_ID'] ?? '';
    const ec2 = (
      fields: readonly (readonly [string, string])[],
      query: readonly (readonly [string, string])[] = [],
    ) =>
      swaps(stage, placeholder, {
        host: 'ec2.eu-west-1.amazonaws.com',
        method: 'POST',
        query,
        body: { kind: 'form', fields },
        headers: [['authorization', authorization(placeholder, 'ec2', amzDate.slice(0, 8))]],
      });
    assert.ok((await ec2([['Action', 'DescribeInstances']])).ok);
    assert.ok(!(await ec2([['Action', 'TerminateInstances']])).ok);
    assert.ok(!(await ec2([['Action', 'TerminateInstances']], [['Action', 'DescribeInstances']])).ok);
    assert.ok(!(await ec2([])).ok);
  });

  test('are not used when STS refuses, whose words are not passed on', async () => {
    const server = await issuer(() => [
      403,
      `<Error><Code>AccessDenied</Code><Message>${LONG.secret}</Message></Error>`,
    ]);
    using stage = await stageWith(record({ role: 'r', sts_endpoint: server.base }), LONG.secret);
    const placeholder = stage.environment['AWS_ACCESS_KEY_ID'] ?? '';
    const made = await swaps(stage, placeholder, s3(placeholder, { path: '/a' }));
    await server.close();
    assert.ok(!made.ok && /STS refused \(403 AccessDenied\)/.test(made.error.message));
    assert.ok(!JSON.stringify([made, stage.drafts]).includes(LONG.secret));
  });
});
