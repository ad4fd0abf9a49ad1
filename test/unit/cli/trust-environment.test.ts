import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { openAuthority } from '../../../electron/edge/authority.ts';
import { certificatesIn } from '../../../electron/edge/extra-roots.ts';
import { trustEnvironment, writeTrust } from '../../../shims/cli/trust-environment.ts';

let root = '';
let ours = '';
let persons = '';
before(async () => {
  root = mkdtempSync(join(tmpdir(), 'csn-trust-'));
  const make = async (name: string) => {
    mkdirSync(join(root, name));
    const made = await openAuthority({
      dir: join(root, name),
      kept: 'memory',
      keychain: null,
      passphraseFile: null,
      now: Date.now(),
    });
    assert.ok(made.ok);
    return made.value.certificatePem;
  };
  ours = await make('ours');
  persons = await make('persons');
});
after(() => rmSync(root, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }));

function written(name: string, env: Readonly<Record<string, string>>) {
  mkdirSync(join(root, name));
  const files = writeTrust(join(root, name), ours, env);
  assert.ok(files.ok);
  return files.value;
}

test('what the person trusted in a variable is trusted beside our authority, and the system’s roots with it', () => {
  const file = join(root, 'corporate.pem');
  writeFileSync(file, `some words\n${persons}`);
  const files = written('one', { GIT_SSL_CAINFO: file });
  const bundle = certificatesIn(readFileSync(files.bundle, 'utf8'));
  for (const pem of [ours, persons]) assert.ok(bundle.includes(certificatesIn(pem)[0] ?? ''));
  assert.ok(bundle.length > 10);
  assert.equal(certificatesIn(readFileSync(files.extra, 'utf8')).length, 2);
  const env = trustEnvironment(files, null, { GIT_SSL_CAINFO: file });
  assert.equal(env['GIT_SSL_CAINFO'], files.bundle);
  assert.equal(env['SSL_CERT_FILE'], files.bundle);
  assert.equal(env['NODE_EXTRA_CA_CERTS'], files.extra);
});

test('a session that the guard holds has no proxy variables, and one without it has ours alone', () => {
  const files = written('two', {});
  const person = { HTTPS_PROXY: 'http://corporate:3128', no_proxy: '*', JAVA_TOOL_OPTIONS: '-Xmx1g' };
  const guarded = trustEnvironment(files, null, person);
  for (const name of ['HTTPS_PROXY', 'https_proxy', 'ALL_PROXY', 'no_proxy', 'NO_PROXY'])
    assert.equal(guarded[name], undefined, name);
  assert.ok('HTTPS_PROXY' in guarded, 'taken out, not left as it was');
  const open = trustEnvironment(files, { session: 'sess_a', port: 4321, token: 't0k-en_' }, person);
  for (const name of ['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'https_proxy', 'ALL_PROXY', 'all_proxy'])
    assert.equal(open[name], 'http://sess_a:t0k-en_@127.0.0.1:4321', name);
  assert.doesNotMatch(open['NO_PROXY'] ?? '', /\*/);
  assert.match(open['JAVA_TOOL_OPTIONS'] ?? '', /^-Xmx1g .*trustStore=/);
});

test('wget keeps the person’s settings, and neither a password nor a way round', () => {
  const rc = join(root, 'wgetrc');
  writeFileSync(rc, 'tries = 3\nhttp_password = hunter2\nuse_proxy = off\nca_certificate = /x\n');
  const text = readFileSync(written('three', { WGETRC: rc }).wget, 'utf8');
  assert.match(text, /tries = 3/);
  assert.doesNotMatch(text, /hunter2|use_proxy|\/x\n/);
  assert.match(text, /ca_certificate = .*bundle\.pem\n$/);
});
