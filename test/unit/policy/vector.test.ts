import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { Surface } from '../../../electron/core/action.ts';
import type { JsonObject } from '../../../electron/core/brand.ts';
import type { Level } from '../../../electron/core/context.ts';
import type { EffectKind } from '../../../electron/core/effect.ts';
import type { Alignment, FactSet } from '../../../electron/core/facts.ts';
import { compile } from '../../../electron/core/policy/compile.ts';
import { evaluate } from '../../../electron/core/policy/evaluate.ts';
import { parsePolicyFile } from '../../../electron/wire/policy-file.ts';
import { assemblePolicySet } from '../../../electron/wire/policy-set.ts';
import { command, effect, facts, hasher, unknownWord, word } from './fixture.ts';

const FOLDER = new URL('../../vectors/evaluate/', import.meta.url);

/** A vector as test/vectors/evaluate/README.md describes it. */
interface Vector {
  readonly title: string;
  readonly cites: readonly string[];
  readonly policy: JsonObject;
  readonly facts: {
    readonly action: {
      readonly tool?: string;
      readonly operation?: string;
      readonly surface?: Surface;
      readonly cwd?: string | null;
      readonly parameters?: JsonObject;
      readonly parts_follow?: boolean;
      readonly gaps?: readonly string[];
      readonly commands?: readonly { readonly words: readonly (string | null)[] }[];
      readonly effects?: readonly {
        readonly kind: EffectKind;
        readonly command: number | null;
        readonly object: { readonly value: string | null; readonly labels: readonly string[] };
        readonly recursive?: boolean;
        readonly force?: boolean;
        readonly tags?: readonly string[];
      }[];
    };
    readonly request?: string | null;
    readonly history?: {
      readonly classes?: readonly Level[];
      readonly counts?: Readonly<Record<string, number>>;
    };
    readonly alignment?: { readonly scope: Alignment['scope'] };
  };
  readonly expect: {
    readonly decision: string;
    readonly rank: string;
    readonly rule: string | null;
    readonly commands: readonly number[];
    readonly missing?: readonly string[];
  };
}

function factsOf({ action, request, history, alignment }: Vector['facts']): FactSet {
  const { commands = [], effects = [], parts_follow: partsFollow = false, ...rest } = action;
  const base = facts({
    ...rest,
    partsFollow,
    commands: commands.map(({ words }, index) => {
      const [name = null, ...args] = words.map((text) => (text === null ? unknownWord : word(text)));
      return { ...command(name?.known === true ? name.text : '$X', { index }), args };
    }),
    effects: effects.map(({ kind, object, ...over }) =>
      effect(kind, object.value, { ...over, object: { labels: object.labels } }),
    ),
  });
  return {
    ...base,
    context: {
      ...base.context,
      request: request ?? null,
      classes: history?.classes ?? [],
      counts: history?.counts ?? {},
    },
    alignment: { ...base.alignment, scope: alignment?.scope ?? 'unknown' },
  };
}

const files = readdirSync(FOLDER).filter((name) => name.endsWith('.json'));

test('there are vectors', () => assert.ok(files.length >= 14));

for (const name of files) {
  const vector = JSON.parse(readFileSync(new URL(name, FOLDER), 'utf8')) as Vector;
  test(`${vector.cites.join(' ')} ${vector.title}`, () => {
    const file = parsePolicyFile(JSON.stringify(vector.policy), name);
    assert.ok(file.ok, file.ok ? '' : JSON.stringify(file.error));
    const set = assemblePolicySet([file.value], hasher);
    assert.ok(set.ok);
    const compiled = compile(set.value);
    assert.ok(compiled.ok);
    const decision = evaluate(compiled.value, factsOf(vector.facts));
    const { decision: result, rank, rule, commands, missing } = vector.expect;
    assert.deepEqual(
      [decision.result, decision.rank, decision.rule, decision.commands],
      [result, rank, rule, commands],
      decision.reason,
    );
    if (missing !== undefined)
      assert.deepEqual(
        decision.missing.map(({ path }) => path),
        missing,
      );
  });
}
