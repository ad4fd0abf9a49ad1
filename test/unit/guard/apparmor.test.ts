import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';

const PROFILE = readFileSync(
  join(resolve(import.meta.dirname, '../../..'), 'resources/apparmor/countersign-guard'),
  'utf8',
);
const RULES = PROFILE.replace(/^\s*#.*$/gm, '')
  .replace(/\s+/g, ' ')
  .trim();

test('the AppArmor profile gives one fixed path of root’s user namespaces, and nothing else', () => {
  assert.equal(
    RULES,
    'abi <abi/4.0>, include <tunables/global> profile countersign-guard /usr/lib/countersign/countersign-guard flags=(unconfined) { userns, include if exists <local/countersign-guard> }',
  );
});

test('the AppArmor parser takes the profile, where there is one', () => {
  const version = spawnSync('apparmor_parser', ['-V'], { encoding: 'utf8' });
  // Without a parser the words above are all that can be held; AppArmor is not part of every system.
  if (version.error) return assert.match(RULES, /\{ userns, include/);
  const major = Number(/version (\d+)/.exec(version.stdout)?.[1] ?? 0);
  // Parsers before 4.0 know neither `userns` nor its ABI: they hold the rest of the grammar.
  const text = major >= 4 ? PROFILE : PROFILE.replace('abi <abi/4.0>,', '').replace('userns,', '');
  const parsed = spawnSync('apparmor_parser', ['-Q', '--skip-kernel-load', '--skip-cache'], {
    input: text,
    encoding: 'utf8',
  });
  assert.equal(parsed.status, 0, parsed.stderr);
  const broken = spawnSync('apparmor_parser', ['-Q', '--skip-kernel-load', '--skip-cache'], {
    input: text.replace('}', ''),
    encoding: 'utf8',
  });
  assert.notEqual(broken.status, 0);
});
