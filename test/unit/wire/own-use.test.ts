import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { loadKnowledge } from '../../../electron/edge/knowledge-dir.ts';
import { keepsItsOwn, readsItsOwn, scriptReadsItsOwn } from '../../../electron/wire/own-use.ts';

const loaded = loadKnowledge(join(import.meta.dirname, '../../../resources/knowledge'));
assert.ok(loaded.ok);
const { paths } = loaded.value;
const HOME = '/home/ada';

const ssh = (line: string, variables: readonly string[] = ['PATH', 'HOME', 'LANG']) =>
  keepsItsOwn({ program: '/usr/bin/ssh', argv: ['ssh', ...line.split(' ')], variables });

describe('ssh keeps its keys to itself', () => {
  for (const line of [
    'host',
    'ada@host uptime',
    '-p 22 -l ada host',
    '-p2222 -vT host',
    '-i /home/ada/.ssh/id_ed25519 host',
    // As git, rsync and scp start it.
    "-o SendEnv=GIT_PROTOCOL git@github.com git-upload-pack 'a/b.git'",
    '-oForwardAgent=no -oPermitLocalCommand=no -oClearAllForwardings=yes -oRemoteCommand=none -oRequestTTY=no -l ada -s -- host sftp',
    '-o BatchMode=yes -o StrictHostKeyChecking=accept-new host',
    // What follows the command's first word is the other machine's.
    'host grep -F x',
    'host -- -F x',
  ])
    test(`started with \`${line}\``, () => assert.ok(ssh(line)));
});

describe('ssh may hand its keys on', () => {
  for (const line of [
    '-F /home/ada/.ssh/id_ed25519 host',
    '-F/home/ada/.ssh/id_ed25519 host',
    '-vF /home/ada/.ssh/id_ed25519 host',
    'host -F /home/ada/.ssh/id_ed25519',
    '-- host -F /home/ada/.ssh/id_ed25519',
    '-o Include=/home/ada/.ssh/id_ed25519 host',
    '-oinclude=/home/ada/.ssh/id_ed25519 host',
    '-4o Include=/home/ada/.ssh/id_ed25519 host',
    '-I /w/evil.so host',
    '-o PKCS11Provider=/w/evil.so host',
    '-o SecurityKeyProvider=/w/evil.so host',
    '-o AddKeysToAgent=yes host',
    '-o IdentityAgent=/w/agent.sock host',
    '-o ProxyCommand=x -o PKCS11Provider=/w/evil.so host',
    '-E /w/log host',
    '-o host',
    '--new host',
  ])
    test(`started with \`${line}\``, () => assert.ok(!ssh(line)));

  for (const variable of [
    'LD_PRELOAD',
    'LD_AUDIT',
    'LD_LIBRARY_PATH',
    'GCONV_PATH',
    'OPENSSL_CONF',
    'OPENSSL_MODULES',
    'KRB5_CONFIG',
    'SSH_AUTH_SOCK',
    'SSH_SK_PROVIDER',
  ])
    test(`with \`${variable}\` in its environment`, () => assert.ok(!ssh('host', ['PATH', variable])));

  test('but not for what every shell has', () => {
    assert.ok(ssh('host', ['PATH', 'SSH_CONNECTION', 'SSH_TTY', 'SSL_CERT_FILE', 'COUNTERSIGN_SESSION']));
  });
});

for (const program of [
  '/usr/bin/ssh-keygen',
  '/usr/bin/ssh-add',
  '/usr/bin/git',
  '/usr/bin/gh',
  '/usr/bin/kubectl',
])
  test(`nothing is own use for \`${program}\``, () => {
    assert.ok(!keepsItsOwn({ program, argv: [program, 'host'], variables: [] }));
    assert.ok(!readsItsOwn(program, `${HOME}/.ssh/id_rsa`, HOME));
  });

test('what is ssh’s own lies right in its folder', () => {
  const reads = (path: string) => readsItsOwn('/usr/bin/ssh', path, HOME);
  assert.ok(reads(`${HOME}/.ssh/id_ed25519`));
  for (const path of [
    `${HOME}/.ssh/backup/id_rsa`,
    `${HOME}/.netrc`,
    `${HOME}/.ssh`,
    '/home/eve/.ssh/id_rsa',
  ])
    assert.ok(!reads(path), path);
});

test('an installed package manager reads its own settings, and no other’s', () => {
  const place = { cwd: null, home: HOME, workspace: `${HOME}/work`, user: 'ada' };
  const npm = '/usr/lib/node_modules/npm/bin/npm-cli.js';
  const reads = (script: string, path: string) => scriptReadsItsOwn(script, path, place, paths);
  assert.ok(reads(npm, `${HOME}/.npmrc`));
  assert.ok(!reads(npm, `${HOME}/.netrc`));
  assert.ok(!reads(npm, '/home/eve/.npmrc'));
  assert.ok(!reads(`${HOME}/work/npm/npm-cli.js`, `${HOME}/.npmrc`));
  assert.ok(!reads('/tmp/npm/npm-cli.js', `${HOME}/.npmrc`));
});
