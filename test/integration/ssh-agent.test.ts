import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { generateKeyPairSync, sign as signWith } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Action } from '../../electron/core/action.ts';
import type { CredentialRecord } from '../../electron/core/credential.ts';
import { createSshMinter, sshAgentOf, sshSettings } from '../../electron/daemon/mint-ssh.ts';
import type { ProxyAnswer } from '../../electron/proxy/protocol-handler.ts';
import { createSshAgents, type SshAgents } from '../../electron/proxy/ssh-agent.ts';
import type { ProxyOutcome, ProxyQuestion } from '../../electron/wire/proxy-message.ts';
import { concat, fromBase64, sshString, sshUint32, toBase64 } from '../../electron/wire/ssh/bytes.ts';
import { openSshStage, type SshHost, type SshStage } from '../support/sshd.ts';

type SignQuestion = Extract<ProxyQuestion, { readonly kind: 'sign' }>;
const NOBODYS_ACTION = {} as Action;

interface Given {
  readonly hosts: readonly string[];
  readonly knownHosts: string;
  readonly settings?: Readonly<Record<string, string>>;
  readonly secret?: string;
  readonly paths?: readonly string[];
  readonly decide?: (question: SignQuestion) => 'ALLOW' | 'DENY';
}

interface OpenAgent {
  readonly socket: string;
  readonly questions: SignQuestion[];
  readonly refused: string[];
  readonly outcomes: ProxyOutcome[];
  close(): void;
}

function recordOf(stage: SshStage, key: string, given: Given): CredentialRecord {
  return {
    name: key.slice(stage.dir.length + 1),
    kind: 'ssh',
    env: [],
    limits: { hosts: given.hosts, methods: null, paths: given.paths ?? null, graphql: null, ttlSeconds: 30 },
    settings: {
      public_key: readFileSync(`${key}.pub`, 'utf8').trim(),
      known_hosts: given.knownHosts,
      ...given.settings,
    },
    shape: { prefix: '', length: 32, alphabet: 'alnum' },
    createdAt: 0,
    rotatedAt: null,
    expiresAt: null,
    revoked: false,
  };
}

let sockets = 0;

/** The real agent and the real minter, joined by a daemon of the test's own that decides. */
async function openAgent(stage: SshStage, key: string, given: Given): Promise<OpenAgent> {
  const record = recordOf(stage, key, given);
  const questions: SignQuestion[] = [];
  const refused: string[] = [];
  const outcomes: ProxyOutcome[] = [];
  const minter = createSshMinter();
  const agents: SshAgents = createSshAgents({
    async ask(_session, question): Promise<ProxyAnswer> {
      questions.push(question);
      const answer = { action: 'act_1', rule: null, receipt: null, reportEnd: true, swaps: [] };
      if (given.decide?.(question) === 'DENY')
        return { ...answer, result: 'DENY', message: 'a rule denies it' };
      const minted = await minter.mint({
        record,
        secret: { secret: given.secret ?? readFileSync(key, 'utf8'), sessionToken: null },
        action: NOBODYS_ACTION,
        question,
        now: Date.now(),
      });
      if (!minted.ok) return { ...answer, result: 'DENY', message: minted.error.message };
      const { secret, use } = minted.value;
      const swap = { minted: 'mint_1', placeholder: 'x', secret, use, expiresAt: Date.now() + 10_000 };
      return { ...answer, result: 'ALLOW', message: '', swaps: [swap] };
    },
    report: (_action, outcome) => void outcomes.push(outcome),
    refused: (_session, code, reason) => void refused.push(`${code}: ${reason}`),
    now: Date.now,
  });
  const socket = join(stage.dir, `agent-${++sockets}`);
  const settings = sshAgentOf('sess_1', socket, [record]);
  await agents.set(settings);
  return { socket, questions, refused, outcomes, close: () => agents.forget('sess_1') };
}

interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(command: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> {
  const [program = '', ...words] = command;
  const child: ChildProcess = spawn(program, words, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], HOME: '/nonexistent', ...env },
  });
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    stdout += chunk;
  });
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk;
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  return { code, stdout, stderr };
}

const sshOptions = (known: string): readonly string[] => [
  ...['-F', 'none', '-o', 'BatchMode=yes', '-o', 'IdentityFile=/nonexistent/key'],
  ...['-o', `UserKnownHostsFile=${known}`, '-o', 'GlobalKnownHostsFile=/dev/null'],
  ...['-o', 'StrictHostKeyChecking=yes', '-o', 'PreferredAuthentications=publickey'],
];

describe('the SSH agent of a session', () => {
  let stage: SshStage;
  let key: string;
  let a: SshHost;
  let b: SshHost;
  let known: string;
  const ssh = (agent: OpenAgent, host: SshHost, ...more: readonly string[]) =>
    run(
      [
        'ssh',
        ...sshOptions(known),
        '-p',
        String(host.port),
        ...more.slice(0, -1),
        `${host.user}@127.0.0.1`,
        more.at(-1) ?? '',
      ],
      { SSH_AUTH_SOCK: agent.socket },
    );

  before(async () => {
    stage = openSshStage();
    key = stage.key('first', '-t', 'ed25519');
    a = await stage.host([key]);
    b = await stage.host([key]);
    known = join(stage.dir, 'known');
    writeFileSync(known, a.knownHosts + b.knownHosts);
  });
  after(() => stage.close());

  test('logs a real client in to the host that its key is for', async () => {
    const agent = await openAgent(stage, key, { hosts: [a.entry], knownHosts: a.knownHosts });
    try {
      assert.equal(statSync(agent.socket).mode & 0o777, 0o600);
      const done = await ssh(agent, a, 'echo got in');
      assert.equal(done.stdout, 'got in\n', done.stderr + a.log());
      assert.deepEqual(agent.refused, []);
      const [question] = agent.questions;
      assert.equal(agent.questions.length, 1);
      assert.equal(question?.host, a.entry);
      assert.equal(question?.user, a.user);
      assert.equal(question?.credential, 'first');
      assert.deepEqual(
        agent.outcomes.map(({ result, used }) => [result, used]),
        [['succeeded', ['mint_1']]],
      );
    } finally {
      agent.close();
    }
    assert.ok(!existsSync(agent.socket));
  });

  test('signs nothing for another host, also one that accepts the key and that the client knows', async () => {
    const agent = await openAgent(stage, key, { hosts: [a.entry], knownHosts: a.knownHosts + b.knownHosts });
    try {
      const done = await ssh(agent, b, 'echo got in');
      assert.notEqual(done.code, 0);
      assert.equal(done.stdout, '');
      assert.deepEqual(agent.questions, []);
      assert.match(agent.refused.join('\n'), /a host that the key is not for/);
    } finally {
      agent.close();
    }
  });

  test('signs nothing for a host that shows another key than the known one', async () => {
    const [, type, other] = b.knownHosts.trim().split(' ');
    const agent = await openAgent(stage, key, {
      hosts: [a.entry],
      knownHosts: `[127.0.0.1]:${a.port} ${type} ${other}\n`,
    });
    try {
      assert.notEqual((await ssh(agent, a, 'echo got in')).code, 0);
      assert.deepEqual(agent.questions, []);
    } finally {
      agent.close();
    }
  });

  test('signs nothing when the daemon denies', async () => {
    const agent = await openAgent(stage, key, {
      hosts: [a.entry],
      knownHosts: a.knownHosts,
      decide: () => 'DENY',
    });
    try {
      assert.notEqual((await ssh(agent, a, 'echo got in')).code, 0);
      assert.equal(agent.questions.length, 1);
      assert.match(agent.refused.join('\n'), /a rule denies it/);
    } finally {
      agent.close();
    }
  });

  test('clones with git from the allowed host, and not from the other', async () => {
    const repository = join(stage.dir, 'repository');
    mkdirSync(repository);
    const git = (...words: readonly string[]) =>
      execFileSync('git', [
        '-c',
        'user.name=n',
        '-c',
        'user.email=e@example.org',
        '-C',
        repository,
        ...words,
      ]);
    git('init', '-q', '-b', 'main');
    writeFileSync(join(repository, 'file'), 'what is in it\n');
    git('add', 'file');
    git('commit', '-qm', 'first');
    if (process.getuid?.() === 0)
      execFileSync('chown', ['-R', `${stage.user.uid}:${stage.user.gid}`, repository]);
    const agent = await openAgent(stage, key, { hosts: [a.entry], knownHosts: a.knownHosts });
    try {
      const clone = (host: SshHost, to: string) =>
        run(
          [
            'git',
            'clone',
            '-q',
            `ssh://${host.user}@127.0.0.1:${host.port}${repository}`,
            join(stage.dir, to),
          ],
          {
            SSH_AUTH_SOCK: agent.socket,
            GIT_SSH_COMMAND: ['ssh', ...sshOptions(known)].join(' '),
          },
        );
      const done = await clone(a, 'clone-a');
      assert.equal(done.code, 0, done.stderr);
      assert.equal(readFileSync(join(stage.dir, 'clone-a/file'), 'utf8'), 'what is in it\n');
      assert.notEqual((await clone(b, 'clone-b')).code, 0);
      assert.ok(!existsSync(join(stage.dir, 'clone-b/file')));
    } finally {
      agent.close();
    }
  });

  test('signs nothing through a host that the agent was forwarded to, also for a host that is allowed', async () => {
    const agent = await openAgent(stage, key, {
      hosts: [a.entry, b.entry],
      knownHosts: a.knownHosts + b.knownHosts,
    });
    try {
      const onward = `ssh ${sshOptions('/dev/null').join(' ')} -o StrictHostKeyChecking=no -p ${b.port} ${b.user}@127.0.0.1 echo deep`;
      const done = await ssh(
        agent,
        a,
        '-A',
        `test -S "$SSH_AUTH_SOCK" && echo here; ${onward.replace('-o StrictHostKeyChecking=yes', '')}`,
      );
      assert.match(done.stdout, /^here$/m, done.stderr);
      assert.doesNotMatch(done.stdout, /deep/);
      assert.equal(agent.questions.length, 1, 'only the login to the first host');
      assert.match(agent.refused.join('\n'), /ssh_bind: .*forwarded/);
    } finally {
      agent.close();
    }
  });

  test('lists its keys, and takes, removes and locks none; signs no file', async () => {
    const agent = await openAgent(stage, key, { hosts: [a.entry], knownHosts: a.knownHosts });
    try {
      const add = (...words: readonly string[]) =>
        run(['ssh-add', ...words], { SSH_AUTH_SOCK: agent.socket });
      assert.equal((await add('-L')).stdout.trim(), readFileSync(`${key}.pub`, 'utf8').trim());
      const other = stage.key('other', '-t', 'ed25519');
      assert.notEqual((await add('-q', other)).code, 0);
      assert.notEqual((await add('-D')).code, 0);
      assert.notEqual((await add('-d', `${key}.pub`)).code, 0);
      assert.equal((await add('-L')).stdout.trim().split('\n').length, 1);
      const file = join(stage.dir, 'file');
      writeFileSync(file, 'text\n');
      const signed = await run(['ssh-keygen', '-Y', 'sign', '-n', 'git', '-f', `${key}.pub`, file], {
        SSH_AUTH_SOCK: agent.socket,
      });
      assert.notEqual(signed.code, 0);
      assert.ok(!existsSync(`${file}.sig`));
      assert.deepEqual(agent.questions, []);
    } finally {
      agent.close();
    }
  });

  for (const [label, options] of [
    ['ecdsa-256', ['-t', 'ecdsa', '-b', '256']],
    ['ecdsa-384', ['-t', 'ecdsa', '-b', '384']],
    ['ecdsa-521', ['-t', 'ecdsa', '-b', '521']],
    ['rsa', ['-t', 'rsa', '-b', '2048']],
    ['rsa-pkcs8', ['-t', 'rsa', '-b', '2048', '-m', 'PKCS8']],
    ['ecdsa-pem', ['-t', 'ecdsa', '-b', '256', '-m', 'PEM']],
  ] as const)
    test(`signs with a key of kind ${label}, whose host is hidden in known_hosts`, async () => {
      const own = stage.key(label, ...options);
      const host = await stage.host([own]);
      const file = join(stage.dir, `known-${label}`);
      writeFileSync(file, host.knownHosts);
      execFileSync('ssh-keygen', ['-q', '-H', '-f', file], { stdio: 'ignore' });
      const hidden = readFileSync(file, 'utf8');
      assert.match(hidden, /^\|1\|/);
      const agent = await openAgent(stage, own, { hosts: [host.entry], knownHosts: hidden });
      try {
        for (const algorithm of label.startsWith('rsa') ? ['rsa-sha2-256', 'rsa-sha2-512'] : [null]) {
          const chosen = algorithm === null ? [] : ['-o', `PubkeyAcceptedAlgorithms=${algorithm}`];
          const done = await run(
            [
              'ssh',
              ...sshOptions(file),
              ...chosen,
              '-p',
              String(host.port),
              `${host.user}@127.0.0.1`,
              'echo got in',
            ],
            { SSH_AUTH_SOCK: agent.socket },
          );
          assert.equal(done.stdout, 'got in\n', done.stderr + agent.refused.join('\n'));
        }
      } finally {
        agent.close();
      }
    });

  test('has the person’s own agent sign, which then holds the only private key', async () => {
    const socket = join(stage.dir, 'own-agent');
    const theirs = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' });
    const ended = new Promise((resolve) => theirs.once('close', resolve));
    try {
      for (let waits = 0; waits < 200 && !existsSync(socket); waits += 1)
        await new Promise((resolve) => setTimeout(resolve, 20));
      execFileSync('ssh-add', ['-q', key], { env: { PATH: process.env['PATH'], SSH_AUTH_SOCK: socket } });
      const given = {
        hosts: [a.entry],
        knownHosts: a.knownHosts,
        settings: { agent_socket: socket },
        secret: '',
      };
      const agent = await openAgent(stage, key, given);
      const done = await ssh(agent, a, 'echo got in');
      agent.close();
      assert.equal(done.stdout, 'got in\n', done.stderr + agent.refused.join('\n'));
    } finally {
      theirs.kill();
      await ended;
    }
  });

  test('a key with a passphrase, of another public half, or with a limit that cannot be kept signs nothing', async () => {
    const locked = join(stage.dir, 'locked');
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', 'passphrase', '-f', locked]);
    const other = stage.key('another', '-t', 'ed25519');
    for (const [more, why] of [
      [{ secret: readFileSync(locked, 'utf8') }, /passphrase/],
      [{ secret: readFileSync(other, 'utf8') }, /does not belong/],
      [{ secret: 'nothing of a key' }, /cannot be read/],
      [{ paths: ['/owner/repository'] }, /limit to paths/],
    ] as const) {
      const agent = await openAgent(stage, key, { hosts: [a.entry], knownHosts: a.knownHosts, ...more });
      try {
        assert.notEqual((await ssh(agent, a, 'echo got in')).code, 0);
        assert.match(agent.refused.join('\n'), why);
        assert.doesNotMatch(agent.refused.join('\n'), /PRIVATE/);
      } finally {
        agent.close();
      }
    }
  });
});

describe('what an SSH credential is made of', () => {
  let stage: SshStage;
  before(() => {
    stage = openSshStage();
  });
  after(() => stage.close());

  test('is completed by the public half of its key and what the person knows of its hosts', () => {
    const key = stage.key('whole', '-t', 'ed25519');
    const host = readFileSync(`${stage.key('host', '-t', 'ed25519')}.pub`, 'utf8')
      .split(' ')
      .slice(0, 2)
      .join(' ');
    const known = `# mine\nelse.example ${host}\none.example,*.lab.example ${host}\n[two.example]:2222 ${host}\n`;
    const made = sshSettings({}, readFileSync(key, 'utf8'), ['one.example', 'two.example:2222'], () => known);
    assert.ok(made.ok);
    assert.equal(
      made.value['public_key'],
      readFileSync(`${key}.pub`, 'utf8').split(' ').slice(0, 2).join(' '),
    );
    assert.equal(made.value['known_hosts'], `one.example,*.lab.example ${host}\n[two.example]:2222 ${host}`);
  });

  test('is refused for what is no host, no known host, no key, and an agent without a key’s name', () => {
    const key = readFileSync(stage.key('good', '-t', 'ed25519'), 'utf8');
    const line = readFileSync(join(stage.dir, 'good.pub'), 'utf8').split(' ').slice(0, 2).join(' ');
    const refusal = (
      hosts: readonly string[],
      secret: string,
      given: Readonly<Record<string, string>> = {},
    ) => {
      const made = sshSettings(given, secret, hosts, () => `one.example ${line}\n`);
      return made.ok ? 'made' : made.error;
    };
    assert.equal(refusal(['one.example'], key), 'made');
    assert.match(refusal(['*.example'], key), /no one host/);
    assert.match(refusal(['two.example'], key), /no key of `two.example` is known/);
    assert.match(refusal(['one.example:2222'], key), /no key of/);
    assert.match(refusal(['one.example'], 'nothing'), /cannot be read/);
    assert.match(refusal(['one.example'], '', { agent_socket: '/run/agent' }), /public_key/);
  });
});

/** Host keys and sessions of the test's own, so that whatever a hostile client could send is sent. */
function proofOf(seed: string) {
  const pair = generateKeyPairSync('ed25519');
  const raw = pair.publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
  const blob = concat(sshString('ssh-ed25519'), sshString(new Uint8Array(raw)));
  const sessionId = new Uint8Array(32).fill(seed.charCodeAt(0));
  const sign = (bytes: Uint8Array) =>
    concat(sshString('ssh-ed25519'), sshString(new Uint8Array(signWith(null, bytes, pair.privateKey))));
  return { blob, sessionId, sign, line: `ssh-ed25519 ${toBase64(blob)}` };
}

const extension = (name: string, ...parts: readonly Uint8Array[]) =>
  concat(Uint8Array.of(27), sshString(name), ...parts);
const bindOf = (hostKey: Uint8Array, sessionId: Uint8Array, signature: Uint8Array, forwarding = 0) =>
  extension(
    'session-bind@openssh.com',
    ...[hostKey, sessionId, signature].map(sshString),
    Uint8Array.of(forwarding),
  );

interface LoginChange {
  readonly service?: string;
  readonly method?: string;
  readonly signed?: number;
  readonly algorithm?: string;
  readonly hostKey?: Uint8Array;
  readonly type?: number;
  readonly user?: string;
  readonly tail?: Uint8Array;
}
const loginOf = (sessionId: Uint8Array, key: Uint8Array, change: LoginChange = {}) =>
  concat(
    sshString(sessionId),
    Uint8Array.of(change.type ?? 50),
    sshString(change.user ?? 'me'),
    sshString(change.service ?? 'ssh-connection'),
    sshString(
      change.method ?? (change.hostKey === undefined ? 'publickey' : 'publickey-hostbound-v00@openssh.com'),
    ),
    Uint8Array.of(change.signed ?? 1),
    sshString(change.algorithm ?? 'ssh-ed25519'),
    sshString(key),
    ...(change.hostKey === undefined ? [] : [sshString(change.hostKey)]),
    change.tail ?? new Uint8Array(0),
  );
const signOf = (key: Uint8Array, data: Uint8Array, flags = 0) =>
  concat(Uint8Array.of(13), sshString(key), sshString(data), sshUint32(flags));

/** Sends requests on one connection; the first byte of each answer (5 failure, 6 success, 12 keys, 14 a signature), `null` when it was closed. */
function talk(
  socket: string,
  requests: readonly Uint8Array[],
  raw = false,
): Promise<readonly (number | null)[]> {
  return new Promise((resolve) => {
    const connection = createConnection(socket);
    const answers: (number | null)[] = [];
    let heard = Buffer.alloc(0);
    const end = () => {
      connection.destroy();
      while (answers.length < requests.length) answers.push(null);
      resolve(answers);
    };
    connection.on('error', end);
    connection.on('close', end);
    connection.on('data', (chunk) => {
      heard = Buffer.concat([heard, chunk]);
      while (heard.length >= 4 && heard.length >= 4 + heard.readUInt32BE(0)) {
        answers.push(heard[4] ?? null);
        heard = heard.subarray(4 + heard.readUInt32BE(0));
      }
      if (answers.length === requests.length) end();
    });
    for (const request of requests)
      connection.write(raw ? request : concat(sshUint32(request.length), request));
    if (raw) connection.end();
  });
}

describe('an SSH agent that a hostile client talks to', () => {
  const one = proofOf('a');
  const two = proofOf('b');
  let stage: SshStage;
  let agent: OpenAgent;
  let own: Uint8Array;
  before(async () => {
    stage = openSshStage();
    const key = stage.key('key', '-t', 'ed25519');
    own = fromBase64(readFileSync(`${key}.pub`, 'utf8').split(' ')[1] ?? '') ?? new Uint8Array(0);
    const knownHosts = `one.example ${one.line}\ntwo.example ${two.line}\n@revoked * ${proofOf('c').line}\n`;
    agent = await openAgent(stage, key, { hosts: ['one.example'], knownHosts });
  });
  after(async () => {
    agent.close();
    await stage.close();
  });
  const good = () => bindOf(one.blob, one.sessionId, one.sign(one.sessionId));
  const login = (change?: LoginChange) => loginOf(one.sessionId, own, change);

  test('signs a login that is bound to the host, in both forms', async () => {
    assert.deepEqual(await talk(agent.socket, [good(), signOf(own, login())]), [6, 14]);
    assert.deepEqual(await talk(agent.socket, [good(), signOf(own, login({ hostKey: one.blob }))]), [6, 14]);
    assert.deepEqual(await talk(agent.socket, [good(), good(), signOf(own, login())]), [6, 6, 14]);
  });

  const rows: readonly (readonly [string, () => readonly Uint8Array[]])[] = [
    ['without a bind', () => [signOf(own, login())]],
    [
      'bound by a signature of another host',
      () => [bindOf(one.blob, one.sessionId, two.sign(one.sessionId)), signOf(own, login())],
    ],
    [
      'bound by a signature over another session',
      () => [bindOf(one.blob, one.sessionId, one.sign(two.sessionId)), signOf(own, login())],
    ],
    [
      'bound to a host that is not allowed',
      () => [
        bindOf(two.blob, two.sessionId, two.sign(two.sessionId)),
        signOf(own, loginOf(two.sessionId, own)),
      ],
    ],
    [
      'bound to the other host, for the session of the first',
      () => [bindOf(two.blob, two.sessionId, two.sign(two.sessionId)), signOf(own, login())],
    ],
    [
      'bound to both hosts',
      () => [good(), bindOf(two.blob, two.sessionId, two.sign(two.sessionId)), signOf(own, login())],
    ],
    [
      'bound after a bind that failed',
      () => [bindOf(one.blob, one.sessionId, two.sign(one.sessionId)), good(), signOf(own, login())],
    ],
    [
      'bound as forwarded',
      () => [bindOf(one.blob, one.sessionId, one.sign(one.sessionId), 1), signOf(own, login())],
    ],
    [
      'bound, and then forwarded',
      () => [good(), bindOf(one.blob, one.sessionId, one.sign(one.sessionId), 1), signOf(own, login())],
    ],
    ['of another session', () => [good(), signOf(own, loginOf(two.sessionId, own))]],
    ['that names another host', () => [good(), signOf(own, login({ hostKey: two.blob }))]],
    ['with another key inside than outside', () => [good(), signOf(own, loginOf(one.sessionId, two.blob))]],
    ['with a key that is not there', () => [good(), signOf(two.blob, loginOf(one.sessionId, two.blob))]],
    ['to another service', () => [good(), signOf(own, login({ service: 'ssh-userauth' }))]],
    ['by another method', () => [good(), signOf(own, login({ method: 'hostbased' }))]],
    ['that is only a probe', () => [good(), signOf(own, login({ signed: 0 }))]],
    ['of another message', () => [good(), signOf(own, login({ type: 51 }))]],
    ['with another algorithm', () => [good(), signOf(own, login({ algorithm: 'ssh-rsa' }))]],
    ['with bytes behind it', () => [good(), signOf(own, login({ tail: Uint8Array.of(0) }))]],
    ['with control characters in the user', () => [good(), signOf(own, login({ user: 'me\u001b[2K' }))]],
    ['that is empty', () => [good(), signOf(own, new Uint8Array(0))]],
    [
      'that is a signed file',
      () => [good(), signOf(own, concat(new Uint8Array([83, 83, 72, 83, 73, 71]), sshString('git')))],
    ],
    ['with flags that are none', () => [good(), signOf(own, login(), 0x80)]],
    ['after something malformed', () => [good(), Uint8Array.of(200), signOf(own, login())]],
  ];
  for (const [label, requests] of rows)
    test(`signs no login ${label}`, async () => {
      const before = agent.questions.length;
      const answers = await talk(agent.socket, requests());
      assert.notEqual(answers.at(-1), 14);
      assert.ok(!answers.includes(14));
      assert.equal(agent.questions.length, before, 'it did not even become a question');
    });

  test('answers what it never does with a failure, and goes on', async () => {
    const types = [1, 17, 18, 19, 20, 21, 22, 23, 25, 26, 0, 2, 99, 255].map((type) => Uint8Array.of(type));
    const extensions = [extension('query'), extension('restrict-destination-v00@openssh.com')];
    const answers = await talk(agent.socket, [...types, ...extensions, Uint8Array.of(11)]);
    assert.deepEqual(answers, [...types.map(() => 5), 5, 5, 12]);
  });

  test('closes on a length that is none, and survives every cut of a good conversation', async () => {
    for (const size of [0, 0xffff_ffff, 64 * 1024 + 1])
      assert.deepEqual(await talk(agent.socket, [sshUint32(size)], true), [null]);
    const whole = concat(
      ...[good(), signOf(own, login())].map((part) => concat(sshUint32(part.length), part)),
    );
    const before = agent.questions.length;
    for (let cut = 0; cut < whole.length; cut += 7) await talk(agent.socket, [whole.subarray(0, cut)], true);
    assert.equal(agent.questions.length, before, 'half a request is none');
    assert.deepEqual(await talk(agent.socket, [good(), signOf(own, login())]), [6, 14]);
  });

  test('a minter that a proxy lies to signs nothing', async () => {
    await talk(agent.socket, [good(), signOf(own, login())]);
    const question = agent.questions.at(-1);
    assert.ok(question !== undefined);
    const key = join(stage.dir, 'key');
    const record = recordOf(stage, key, {
      hosts: ['one.example'],
      knownHosts: `one.example ${one.line}\ntwo.example ${two.line}\n`,
    });
    const mint = async (changed: SignQuestion) =>
      (
        await createSshMinter().mint({
          record,
          secret: { secret: readFileSync(key, 'utf8'), sessionToken: null },
          action: NOBODYS_ACTION,
          question: changed,
          now: 0,
        })
      ).ok;
    assert.equal(await mint(question), true);
    const other = { hostKey: toBase64(two.blob), sessionId: toBase64(two.sessionId) };
    const lies: readonly Partial<SignQuestion>[] = [
      { user: 'root' },
      { host: 'two.example' },
      { key: toBase64(two.blob) },
      { data: toBase64(loginOf(two.sessionId, own)) },
      { data: toBase64(new Uint8Array(64)) },
      { flags: 1 },
      { bind: { ...question.bind, signature: toBase64(two.sign(one.sessionId)) } },
      { bind: { ...question.bind, hostKey: other.hostKey } },
      {
        host: 'two.example',
        data: toBase64(loginOf(two.sessionId, own)),
        bind: { ...other, signature: toBase64(two.sign(two.sessionId)) },
      },
    ];
    for (const lie of lies) assert.equal(await mint({ ...question, ...lie }), false, Object.keys(lie).join());
  });
});
