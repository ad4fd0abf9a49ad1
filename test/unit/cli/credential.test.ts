import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { loadCredentialTable } from '../../../electron/edge/credential-table.ts';
import { readAdd } from '../../../shims/cli/credential-add.ts';
import { findSecrets, maskedNpmrc, unknownSecretsNotice } from '../../../shims/cli/handed-secrets.ts';

const loaded = loadCredentialTable();
assert.ok(loaded.ok);
const table = loaded.value;
const NOW = Date.UTC(2026, 0, 1);
const add = (line: string) => readAdd(line.split(' '), table, NOW);

describe('`credential add`', () => {
  test('takes a token with its limits', () => {
    const read = add(
      'github --host api.github.com --env GITHUB_TOKEN --method get --path /repos/me/** --graphql query --ttl 30 --expires 30d',
    );
    assert.ok(read.ok, read.ok ? '' : read.error);
    assert.deepEqual(read.value.limits, {
      hosts: ['api.github.com'],
      methods: ['GET'],
      paths: ['/repos/me/**'],
      graphql: ['query'],
      ttl_seconds: 30,
    });
    assert.equal(read.value.expires_at, NOW + 30 * 86_400_000);
  });

  test('knows the hosts of a variable that the table knows', () => {
    const read = add('npm --env NPM_TOKEN');
    assert.deepEqual(read.ok && read.value.limits.hosts, ['registry.npmjs.org']);
  });

  test('takes keys of AWS, a GitHub app and a database with their settings', () => {
    const aws = add(
      'aws --kind aws --access-key-id AKIAIOSFODNN7EXAMPLE --role arn:aws:iam::1:role/x --read-only',
    );
    assert.deepEqual(aws.ok && aws.value.settings, {
      access_key_id: 'AKIAIOSFODNN7EXAMPLE',
      role: 'arn:aws:iam::1:role/x',
      read_only: true,
    });
    const app = add(
      'app --kind github-app --app-id 1 --installation-id 2 --permission contents:read --permission issues:write',
    );
    assert.deepEqual(app.ok && app.value.settings['permissions'], { contents: 'read', issues: 'write' });
    const database = add('shop --kind postgres --host db.example:6432 --database shop --user me');
    assert.deepEqual(database.ok && [database.value.limits.hosts, database.value.settings], [
      ['db.example:6432'],
      { host: 'db.example', port: 6432, database: 'shop', user: 'me' },
    ]);
  });

  for (const [what, line, why] of [
    ['no host', 'x', /--host/],
    ['an unknown kind', 'x --kind magic --host a.b', /--kind/],
    ['a host that is an address of a page', 'x --host https://a.b/c', /hosts/],
    ['a star in the middle of a host', 'x --host a.*.b', /hosts/],
    ['everybody’s host', 'x --host *', /hosts/],
    ['a method that is none', 'x --host a.b --method G-T', /method/],
    ['a path that is none', 'x --host a.b --path repos', /path/],
    ['an operation that is none', 'x --host a.b --graphql delete', /graphql/],
    ['an hour and a second', 'x --host a.b --ttl 3601', /ttl/],
    ['no date', 'x --host a.b --expires soon', /--expires/],
    ['a name with capitals', 'GitHub --host a.b', /name/],
  ] as const)
    test(`refuses ${what}`, () => {
      const read = add(line);
      assert.ok(!read.ok);
      assert.match(read.error, why);
    });

  test('does not take the secret from the command line, nor repeats it', () => {
    const read = add('github ghp_thisIsASecret --host api.github.com');
    assert.ok(!read.ok && !read.error.includes('ghp_'));
  });
});

describe('the secrets of an environment', () => {
  test('are those whose names are known; the rest is only counted', () => {
    const found = findSecrets(
      {
        ANTHROPIC_API_KEY: 'sk-ant-api03-abcdefghijkl',
        ANTHROPIC_BASE_URL: 'https://gateway.example',
        MY_SERVICE_TOKEN: 'abcdefghijklmnop',
        DATABASE_PASSWORD: 'correct horse battery',
        OPENAI_API_KEY: '',
        GITHUB_TOKEN: 'short',
        SSH_AUTH_SOCK: '/run/user/1000/agent',
        TOKENIZERS_PARALLELISM: 'true-and-long-enough',
        EDITOR: 'a-rather-long-editor',
      },
      '/nonexistent',
      table,
    );
    assert.deepEqual(found.secrets, [{ name: 'ANTHROPIC_API_KEY', value: 'sk-ant-api03-abcdefghijkl' }]);
    assert.deepEqual(found.settings, { ANTHROPIC_BASE_URL: 'https://gateway.example' });
    assert.deepEqual([...found.unknown].sort(), ['DATABASE_PASSWORD', 'MY_SERVICE_TOKEN']);
    assert.match(unknownSecretsNotice(found.unknown) ?? '', /^2 variables look like a secret/);
    assert.equal(unknownSecretsNotice([]), null);
  });

  test('of npm’s configuration are its tokens, and a copy of it has none of them', () => {
    const home = mkdtempSync(join(tmpdir(), 'csn-'));
    try {
      const token = `npm_${'a'.repeat(36)}`;
      const text = `save-exact=true\n//registry.npmjs.org/:_authToken=${token}\n//npm.corp.example/a/:_authToken = "corp-${token}"\n//x.example/:_authToken=\${NPM_TOKEN}\n`;
      writeFileSync(join(home, '.npmrc'), text);
      const found = findSecrets({}, home, table);
      assert.deepEqual(
        found.secrets.map(({ name }) => name),
        ['npmrc:registry.npmjs.org', 'npmrc:npm.corp.example/a'],
      );
      const masked = maskedNpmrc(text, { 'npmrc:registry.npmjs.org': 'PLACEHOLDER' });
      assert.ok(!masked.includes(token));
      assert.match(masked, /^save-exact=true\n\/\/registry\.npmjs\.org\/:_authToken=PLACEHOLDER\n; left out/);
      assert.match(masked, /x\.example\/:_authToken=\$\{NPM_TOKEN\}/);
    } finally {
      rmSync(home, { recursive: true, force: true });
    }
  });
});
