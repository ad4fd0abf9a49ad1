// T9: no secret that an agent handles is in anything that we write, show or send: a dozen of them go through a real daemon and a real
// command line, and then all of it is searched.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Installation, installation } from '../support/installation.ts';

// Made here and put together, so that no scanner takes this file for a leak.
const made = (prefix: string, body: string) => `${prefix}${body}`;
const SECRETS: Readonly<Record<string, string>> = {
  header: made('gh', 'p_Q7wZk2Lx9VbN4tRm8YcH1sJd6FgP3aEu5TiO'),
  url: 'Xk7-pq9Zw2mT4r',
  named: made('tok', 'R8vN3mQ5zL1xW7yB'),
  assigned: 'Hq4Tz8Wn2Lp6Vx9Rk',
  aws: 'wKq7rXUtnFEMIbK7MDENGabPxRfiCYzQvTn3Lm8Ws',
  body: 'Mb5Vt9Zq1Xc7Lw3Rn',
  sql: 'Gd8Kp2Yx6Qw4Nt1Zs',
  flag: 'Tn6Rv1Xz9Lq3Wb7Kp',
  slack: made('xox', 'b-7482915036-Lw9QzXv3TnRk5Pb1'),
  jwt: 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJxN3daazJMeCJ9.Zk3vTq8Wn5Lp1XrB7Ym2Cs',
  model: made('sk', '-ant-api03-Vt5Zq9Xc1Lw7Rn3Mb8Kp2Yx6Qw4Nt'),
  request: made('gl', 'pat-Wn2Lp6Vx9RkHq4Tz8Mb5V'),
  cookie: 'sid9Lq3Wb7KpTn6Rv1Xz',
  file: made('npm', '_Zs8Gd2Kp6Yx4Qw1NtVt5Zq9Xc3Lw7Rn8Mb2K'),
  encoded: made('gh', 'o_Rk5Pb1Lw9QzXv3Tn7Yc2Hs8Jd4Fg6Pa1Eu3T'),
  key: 'MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDQ7wZk2Lx9VbN4',
  unknown: 'Vx3Nq8Tw5Zk1Rm7Lp',
};
const s = (name: keyof typeof SECRETS & string): string => SECRETS[name] ?? '';

const LINES: readonly string[] = [
  `true -H "Authorization: Bearer ${s('header')}"`,
  `curl -m 1 https://bob:${s('url')}@127.0.0.1:9/repo`,
  `true --token ${s('named')}`,
  `API_TOKEN=${s('assigned')} true`,
  `true aws_secret_access_key ${s('aws').slice(0, 40)}`,
  `curl -m 1 -d '{"password":"${s('body')}"}' http://127.0.0.1:9/login`,
  `true -c "ALTER USER app PASSWORD '${s('sql')}'"`,
  `true --password=${s('flag')}`,
  `true ${s('slack')} ${s('jwt')} ${s('model')}`,
  `curl -m 1 -H "Cookie: session=${s('cookie')}" http://127.0.0.1:9/`,
  `cat notes.txt | grep -c x`,
  `echo ${Buffer.from(`token=${s('encoded')}`).toString('base64')} | base64 -d > /dev/null`,
  `cat <<'EOT' > key.pem\n-----BEGIN PRIVATE KEY-----\n${s('key')}\n-----END PRIVATE KEY-----\nEOT`,
  // Stopped, deferred and asked about: what is said about them is shown and kept as well.
  `rm -rf / --token=${s('unknown')}`,
  `$NOTHING --password ${s('unknown')}`,
];

/** A secret as it is, and as others would write it. */
function spellings(secret: string): readonly string[] {
  const bytes = Buffer.from(secret);
  // Within other text base64 has three alignments; the ends of each depend on the neighbours.
  const aligned = [0, 1, 2].map((shift) => {
    const text = Buffer.concat([Buffer.alloc(shift, 'x'), bytes]).toString('base64');
    return text.slice(shift === 0 ? 0 : 4, -4);
  });
  return [
    secret,
    encodeURIComponent(secret),
    bytes.toString('hex'),
    bytes.toString('hex').toUpperCase(),
    ...aligned,
  ];
}

function filesBelow(folder: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

describe('secrets that an agent handles', () => {
  let home: Installation;
  /** Everything that was said, by what said it. */
  const said = new Map<string, Buffer>();
  before(async () => {
    home = installation();
    mkdirSync(home.work, { recursive: true });
    writeFileSync(join(home.work, 'notes.txt'), `//registry.example/:_authToken=${s('file')}\nx\n`);
  });
  after(() => home.dispose());

  const leaks = (): readonly string[] => {
    const found: string[] = [];
    for (const [where, bytes] of said)
      for (const [name, secret] of Object.entries(SECRETS))
        for (const spelling of spellings(secret))
          if (spelling.length >= 10 && bytes.includes(spelling)) found.push(`${name} is in ${where}`);
    return [...new Set(found)];
  };

  test('are in nothing that is written, shown, sent or exported', { timeout: 120_000 }, async () => {
    const daemon = await home.startDaemon({
      COUNTERSIGN_APPROVAL_MS: '1500',
      COUNTERSIGN_DEFERRAL_MS: '1500',
    });
    for (const [at, line] of LINES.entries()) {
      const done = await home.cli(
        ['run', '--intent', `try it with ${s('request')}`, '--', 'bash', '-c', line],
        { env: { SERVICE_TOKEN: s('assigned') }, timeoutMs: 30_000 },
      );
      said.set(`line ${at}`, Buffer.from(done.stdout + done.stderr));
    }
    const approvals = home.cli([
      'run',
      '--',
      'bash',
      '-c',
      `rm -rf ${home.home}/Documents --token=${s('unknown')}`,
    ]);
    const deadline = Date.now() + 10_000;
    let asked = '';
    while (Date.now() < deadline && !asked.includes('"origin"')) {
      const control = await home.control();
      const reply = await control.call({ type: 'approvals.list' });
      asked = JSON.stringify(reply);
      control.close();
    }
    assert.match(asked, /\[redacted: token\]/);
    said.set('approvals', Buffer.from(asked));
    const waited = await approvals;
    said.set('waiting', Buffer.from(waited.stdout + waited.stderr));

    // What is no action at all: a stranger's line on the door that anybody may knock at.
    said.set('refusal', await knock(home.places.submitSocket, `{"token":"${s('header')}","v":`));
    for (const args of [
      ['status'],
      ['receipts', 'list'],
      ['receipts', 'list', '--json'],
      ['verify'],
      ['export', '--out', '-'],
    ]) {
      const done = await home.cli(args);
      said.set(args.join(' '), Buffer.from(done.stdout + done.stderr));
      if (args[0] === 'verify') assert.equal(done.code, 0, done.stdout + done.stderr);
    }
    for (const path of filesBelow(home.root).filter((path) => !path.startsWith(home.work)))
      said.set(path, readFileSync(path));
    said.set('log', Buffer.from(daemon.log()));
    assert.ok(
      [...said.keys()].some((path) => path.endsWith('ledger.db-wal')),
      'the ledger was looked at',
    );

    assert.deepEqual(leaks(), []);
    // The words around them are there: what happened can be told.
    const all = Buffer.concat([...said.values()]).toString('latin1');
    for (const detector of ['github-token', 'url-password', 'password', 'token', 'private-key', 'cookie'])
      assert.ok(all.includes(`[redacted: ${detector}]`), `${detector} was never seen`);
    assert.ok(all.includes('"$commit"'), 'what was taken out is committed to');
  });

  test('would be found if they were there: the search sees a secret that is written as it is', () => {
    said.set('a plant', Buffer.from(`x${Buffer.from(`zz${s('header')}zz`).toString('base64')}x`));
    assert.deepEqual(leaks(), ['header is in a plant']);
    said.delete('a plant');
  });
});

/** Says one line to a door and hears what it answers. */
function knock(socketPath: string, line: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect(socketPath, () => socket.end(`${line}\n`));
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('close', () => resolve(Buffer.concat(chunks)));
    socket.on('error', reject);
  });
}
