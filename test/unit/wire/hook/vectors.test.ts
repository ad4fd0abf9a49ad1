import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { HOOK_ADAPTERS } from '../../../../electron/wire/hook/agents.ts';
import { HOOK_AGENTS, type HookReply, type HookVerdict } from '../../../../electron/wire/hook/event.ts';
import { readPayload } from '../../../../electron/wire/hook/payload.ts';

/** Payloads from the agents' own documentation, and what each means (test/vectors/hook). */
const VECTORS = join(import.meta.dirname, '../../../vectors/hook');

interface Vector {
  readonly source: string;
  readonly event: string;
  readonly payload: object;
  readonly scene?: object;
  readonly deed?: object;
  readonly fault?: string;
  /** `stdout`: the JSON that is written; null for nothing. */
  readonly answers?: Readonly<
    Record<
      HookVerdict['result'],
      { readonly stdout: object | null; readonly stderr: string; readonly status: number }
    >
  >;
}

const VERDICTS: Readonly<Record<HookVerdict['result'], HookVerdict>> = {
  ALLOW: { result: 'ALLOW' },
  DENY: { result: 'DENY', reason: 'no' },
  MODIFY: { result: 'MODIFY', reason: 'why', commandLine: 'ls' },
};

for (const agent of HOOK_AGENTS) {
  const folder = join(VECTORS, agent);
  for (const name of readdirSync(folder).sort()) {
    test(`reads and answers ${agent}/${name} as its contract says`, () => {
      const vector = JSON.parse(readFileSync(join(folder, name), 'utf8')) as Vector;
      const payload = readPayload(JSON.stringify(vector.payload));
      assert.ok(payload.ok);
      const read = HOOK_ADAPTERS[agent].read(vector.event, payload.value);
      if (vector.fault !== undefined) {
        assert.equal(read.ok, false);
        assert.equal(read.ok ? null : read.error.code, vector.fault);
        return;
      }
      assert.ok(read.ok);
      if (vector.scene !== undefined) assert.deepEqual(read.value.scene, vector.scene);
      assert.deepEqual(read.value.deed, vector.deed);
      const { deed } = read.value;
      if (deed.kind !== 'before' || vector.answers === undefined) return;
      for (const [result, expected] of Object.entries(vector.answers)) {
        const reply: HookReply = HOOK_ADAPTERS[agent].answer(
          vector.event,
          deed,
          VERDICTS[result as HookVerdict['result']],
        );
        const stdout = reply.stdout === '' ? null : (JSON.parse(reply.stdout) as object);
        assert.deepEqual({ ...reply, stdout }, expected, result);
      }
    });
  }
}

test('every agent has vectors', () => {
  assert.deepEqual(readdirSync(VECTORS).sort(), [...HOOK_AGENTS].sort());
});
