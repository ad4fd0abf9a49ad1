import canonicalize from 'canonicalize';
import { CANARY_RULE } from '../core/policy/canary.ts';
import { type PolicyFault, policyFault } from '../core/policy/fault.ts';
import type { PolicySet, Posture, Rule } from '../core/policy/rule.ts';
import type { Hasher } from '../core/ports.ts';
import { err, ok, type Result } from '../core/result.ts';
import type { PolicyFile } from './policy-file.ts';

/** Version of what the hash covers; a change of meaning changes every hash. */
const HASHED_FORMAT = 1;

function fileFault(file: string, fault: PolicyFault): PolicyFault {
  return { ...fault, place: { file, line: 1, column: 1 } };
}

function packFaults(files: readonly PolicyFile[]): readonly PolicyFault[] {
  const first = new Map<string, PolicyFile>();
  return files.flatMap((file) => {
    const before = first.get(file.pack);
    first.set(file.pack, before ?? file);
    if (before === undefined) return [];
    const message = `pack \`${file.pack}\` is already defined in ${before.file}`;
    return [fileFault(file.file, policyFault('duplicate_pack', message))];
  });
}

function ruleFaults(files: readonly PolicyFile[]): readonly PolicyFault[] {
  const first = new Map<string, Rule>();
  return files.flatMap((file) =>
    file.rules.flatMap((rule) => {
      const before = first.get(rule.id);
      first.set(rule.id, before ?? rule);
      if (before === undefined) return [];
      const message = `rule \`${rule.id}\` is already defined at ${before.source}`;
      const line = Number(/:(\d+)$/.exec(rule.source)?.[1] ?? 1);
      const fault = policyFault('duplicate_rule', message, { rule: rule.id });
      return [{ ...fault, place: { file: file.file, line, column: 1 } }];
    }),
  );
}

function thePosture(files: readonly PolicyFile[]): Result<Posture, PolicyFault> {
  const withPosture = files.filter((file) => file.posture !== null);
  const [only, second] = withPosture;
  if (only === undefined || only.posture === null)
    return err(policyFault('posture', 'no file has a `posture`: what happens to what no rule speaks about?'));
  if (second !== undefined) {
    const message = `\`posture\` is already given in ${only.file}; exactly one file may have it`;
    return err(fileFault(second.file, policyFault('posture', message)));
  }
  return ok(only.posture);
}

/** The part of a rule that means something: not where it was written. */
function hashedRule({ source: _source, ...rule }: Rule): Omit<Rule, 'source'> {
  return rule;
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/**
 * Joins files into one set (AARM R3): unique packs and rule ids, exactly one posture, the built-in canary added. The
 * hash is SHA-256 of the RFC 8785 form of the posture and the rules by id, so it depends on what they say and on
 * neither order, file names nor comments.
 */
export function assemblePolicySet(
  files: readonly PolicyFile[],
  hasher: Hasher,
): Result<PolicySet, readonly PolicyFault[]> {
  const ordered = [...files].sort((a, b) => compareText(a.pack, b.pack) || compareText(a.file, b.file));
  const posture = thePosture(ordered);
  const faults = [...packFaults(ordered), ...ruleFaults(ordered), ...(posture.ok ? [] : [posture.error])];
  if (faults.length > 0 || !posture.ok) return err(faults);
  const rules = [...ordered.flatMap((file) => file.rules), CANARY_RULE].sort((a, b) =>
    compareText(a.id, b.id),
  );
  const passThrough = ordered.flatMap((file) => file.passThrough ?? []);
  // What a set does not have is no part of its hash: those without stay the same.
  const opened = passThrough.length === 0 ? {} : { passThrough };
  const classify = inOrder(ordered.flatMap((file) => file.classify));
  const destinations = inOrder(ordered.flatMap((file) => file.destinations));
  const hashed = canonicalize({
    v: HASHED_FORMAT,
    posture: posture.value,
    rules: rules.map(hashedRule),
    ...opened,
    // Absent when there are none, so that a set without rows has the hash it always had.
    ...(classify.length > 0 ? { classify } : {}),
    ...(destinations.length > 0 ? { destinations } : {}),
  });
  if (hashed === undefined) throw new Error('a policy set has no canonical form');
  return ok({
    version: versionOf(ordered),
    hash: hasher.sha256(hashed),
    rules,
    posture: posture.value,
    ...opened,
    classify,
    destinations,
  });
}

/** Rows by their canonical text: the order they were written in means nothing. */
function inOrder<T>(rows: readonly T[]): readonly T[] {
  return rows
    .map((row) => ({ row, text: canonicalize(row) ?? '' }))
    .sort((a, b) => compareText(a.text, b.text))
    .map(({ row }) => row);
}

/** `13 packs 1.0.0, mine 2.1.0`: the packs of the commonest version counted, the others named; the hash says the rest. */
function versionOf(files: readonly PolicyFile[]): string {
  const byVersion = new Map<string, string[]>();
  for (const { pack, version } of files) byVersion.set(version, [...(byVersion.get(version) ?? []), pack]);
  const groups = [...byVersion].sort(([a, x], [b, y]) => y.length - x.length || compareText(a, b));
  return groups
    .map(([version, packs], index) =>
      index === 0 && packs.length > 3
        ? `${packs.length} packs ${version}`
        : packs.map((pack) => `${pack} ${version}`).join(', '),
    )
    .join(', ');
}
