import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { effectsOf } from '../../../../electron/core/semantic/effects.ts';
import { loadKnowledge } from '../../../../electron/edge/knowledge-dir.ts';
import { normalizeCommandLine } from '../../../../electron/wire/shell/normalize.ts';

const knowledge = loadKnowledge(join(import.meta.dirname, '../../../../resources/knowledge'));

function loosens(commandLine: string): boolean {
  assert.ok(knowledge.ok);
  const place = { cwd: '/w', home: '/home/ada', workspace: '/w', user: 'ada' };
  const read = normalizeCommandLine({
    commandLine,
    dialect: 'bash',
    cwd: '/w',
    home: place.home,
    variables: {},
  });
  assert.ok(read.ok);
  return effectsOf(read.value.commands, place, knowledge.value).some((e) =>
    e.tags.includes('interception-off'),
  );
}

for (const line of [
  'trap - DEBUG',
  "trap '' DEBUG",
  'trap DEBUG',
  "trap -- 'echo' SIGDEBUG",
  'trap - EXIT debug',
  't=trap; $t - DEBUG',
  'builtin trap - DEBUG',
  'command trap - DEBUG',
  'set +T',
  'set +eT',
  'set +o functrace',
  'x=+T; set $x',
  'enable -f /usr/lib/bash/rm rm',
  'enable -n trap',
  '__csn_stub=f',
  'f() { __csn_stub=f; ls; }; f',
  'declare -g __csn_entered=x',
  'declare -n mine=__csn_stub',
  'printf -v __csn_stub f',
  'read __csn_stub <<< f',
  'unset -f __csn_debug',
  '__csn_prompt',
])
  test(`takes the interception away: ${line}`, () => assert.ok(loosens(line)));

for (const line of [
  "trap 'rm -f tmp' EXIT",
  'trap -p DEBUG',
  'trap - INT TERM',
  'set -euo pipefail',
  'set +e',
  'set -- DEBUG +T2',
  'set -T',
  'enable -p',
  'grep -rn __csn_ shims',
  'export NODE_ENV=test',
  "ssh build 'trap - DEBUG'",
])
  test(`leaves the interception alone: ${line}`, () => assert.ok(!loosens(line)));
