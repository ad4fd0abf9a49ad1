import { readdirSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { CompiledPolicy } from '../../electron/core/policy/compile.ts';
import type { PolicyFault } from '../../electron/core/policy/fault.ts';
import { transformNames } from '../../electron/core/policy/transform.ts';
import type { Result } from '../../electron/core/result.ts';
import type { Knowledge } from '../../electron/core/semantic/knowledge.ts';
import { loadKnowledge } from '../../electron/edge/knowledge-dir.ts';
import { loadPolicy, type PolicySource } from '../../electron/edge/policy-dir.ts';
import { resourcesDirectory } from '../../electron/edge/resources.ts';
import { placesFrom } from '../../electron/wire/places.ts';
import { checkLines } from '../../electron/wire/policy-report.ts';
import { visibleLine } from '../../electron/wire/terminal-text.ts';

/** Which files make a set. */
export interface PolicyChoice {
  readonly sources: readonly PolicySource[];
  /** For people: what it consists of. */
  readonly what: string;
}

const shipped = (): PolicySource => ({ directory: join(resourcesDirectory(), 'policies'), optional: false });

/** What the daemon of this installation arms: the packs that came with it and the person's own files. */
export function ownPolicy(): PolicyChoice {
  const directory = join(placesFrom(process.env, homedir()).config, 'policies');
  return {
    sources: [shipped(), { directory, optional: true }],
    what: `the packs that came with Countersign and ${visibleLine(directory)}`,
  };
}

/**
 * The set that is made of the files given: a whole set when one of them says what happens to what no rule speaks about
 * (`posture`), else rules to add, which are read together with the packs that came with Countersign, as the daemon would.
 */
export function policyOf(paths: readonly string[]): PolicyChoice {
  if (paths.length === 0) return ownPolicy();
  const given = paths.map((directory) => ({ directory, optional: false }));
  const names = paths.map(visibleLine).join(', ');
  return paths.some(bringsPosture)
    ? { sources: given, what: names }
    : { sources: [shipped(), ...given], what: `${names} with the packs that came with Countersign` };
}

/** Whether a file, or one of a directory, has a `posture` of its own; what cannot be read is left to the loader to refuse. */
function bringsPosture(path: string): boolean {
  try {
    if (!statSync(path).isDirectory()) return /^posture\s*:/m.test(readFileSync(path, 'utf8'));
    return readdirSync(path)
      .filter((name) => /\.ya?ml$/.test(name) && !name.startsWith('.'))
      .some((name) => bringsPosture(join(path, name)));
  } catch {
    return false;
  }
}

/** Loads a set as the daemon would. */
export function loadChoice(choice: PolicyChoice): Promise<Result<CompiledPolicy, readonly PolicyFault[]>> {
  return loadPolicy(choice.sources, { transforms: transformNames() });
}

/** Loads a set and the knowledge table, or says on standard error why not; null then. */
export async function loadJudgement(
  paths: readonly string[],
): Promise<{ readonly policy: CompiledPolicy; readonly knowledge: Knowledge; readonly what: string } | null> {
  const choice = policyOf(paths);
  const policy = await loadChoice(choice);
  if (!policy.ok) {
    process.stderr.write(`${checkLines(policy.error).join('\n')}\n`);
    return null;
  }
  const knowledge = loadKnowledge(join(resourcesDirectory(), 'knowledge'));
  if (!knowledge.ok) {
    process.stderr.write(
      `countersign: the knowledge table is unreadable: ${knowledge.error.where}: ${knowledge.error.message}\n`,
    );
    return null;
  }
  return { policy: policy.value, knowledge: knowledge.value, what: choice.what };
}
