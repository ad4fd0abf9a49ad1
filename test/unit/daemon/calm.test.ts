import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Calm } from '../../../electron/wire/calm.ts';
import { sessionOpenedSchema } from '../../../electron/wire/control.ts';
import { mintAgentKey } from '../../../shims/cli/agent-key.ts';
import { callFor } from '../../../shims/cli/control-client.ts';
import { installation } from '../../support/installation.ts';

/** What a session's opening says is calm, under the packs and one more. */
async function calmUnder(
  pack: string | null,
): Promise<{ readonly calm: Calm; readonly work: string; readonly home: string }> {
  const place = installation();
  try {
    if (pack !== null) {
      const directory = join(place.places.config, 'policies');
      mkdirSync(directory, { recursive: true });
      writeFileSync(join(directory, 'more.yaml'), `pack: more\nversion: 1.0.0\ndescription: More.\n${pack}`);
    }
    await place.startDaemon();
    const control = await place.control();
    const opened = await callFor(
      control,
      {
        type: 'session.open',
        intent: null,
        workspace: place.work,
        argv: ['x'],
        runner_pid: process.pid,
        agent: { product: 'x', version: null, binary_hash: null, public_key: mintAgentKey().publicKey },
        assurance: 'cooperative',
        guard: null,
      },
      sessionOpenedSchema,
    );
    control.close();
    assert.ok(opened.ok, opened.ok ? '' : opened.error.message);
    assert.ok(opened.value.calm !== null);
    return { calm: opened.value.calm, work: place.work, home: place.home };
  } finally {
    await place.dispose();
  }
}

const rule = (match: string, more = '') =>
  `rules:\n  - {id: m.x, title: X, why: Not here., class: deny, risk: low, subject: effect, match: ${match}${more}}\n`;

test('under the packs the workspace is calm, and what rules name is not', async () => {
  const { calm, work, home } = await calmUnder(null);
  for (const kind of ['write', 'delete', 'move'] as const) assert.ok(calm[kind].includes(work), kind);
  assert.ok(!calm.write.includes(home) && calm.write.every((root) => !home.startsWith(`${root}/`)));
  for (const name of ['id_rsa', 'sitecustomize.py', 'claude.md'])
    assert.ok(calm.change.names.includes(name), name);
  assert.ok(calm.change.folders.includes('.git'));
  assert.ok(calm.change.exact.includes(`${home}/.bashrc`));
  assert.ok(calm.read.paths.includes(`${home}/.ssh`) && calm.read.names.includes('.env'));
  assert.ok(!calm.read.paths.includes('/usr/lib') && !calm.change.names.includes('package.json'));
});

for (const [what, pack, kinds] of [
  ['a rule about every write', rule('{effects: [write]}'), ['delete', 'move']],
  ['a rule about the workspace', rule('{effects: [delete], labels: [workspace]}'), ['write', 'move']],
  [
    'a rule about the session’s past',
    rule('{effects: [write]}', ', when: "session.assurance == \'cooperative\'"'),
    ['delete', 'move'],
  ],
] as const)
  test(`${what} leaves only what it does not speak about calm`, async () => {
    const { calm, work } = await calmUnder(pack);
    assert.deepEqual(
      (['write', 'delete', 'move'] as const).filter((kind) => calm[kind].includes(work)),
      kinds,
    );
  });

test('a rule that asks for a label makes the names that carry it asked about', async () => {
  const { calm } = await calmUnder(rule('{effects: [write], labels: [package-manifest]}'));
  assert.ok(calm.change.names.includes('package.json'));
});
