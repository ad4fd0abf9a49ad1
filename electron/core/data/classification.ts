import { LEVELS, type Level } from '../context.ts';
import type { Effect } from '../effect.ts';
import { type ClassifyRow, classifyRowsOf } from './destination.ts';

/** Why something counts as RESTRICTED that nothing speaks about. */
export const UNCLASSIFIED = 'nothing classifies it';

/** What one read brought into the session: its level and what said so (AARM R2.b). */
export interface Classified {
  readonly level: Level;
  readonly source: string;
  readonly because: string;
}

const RESTRICTED = ['secret', 'account-db', 'kernel', 'self'];
const CONFIDENTIAL = ['home', 'home-root', 'startup', 'agent-config', 'log'];
const INTERNAL = ['workspace', 'temp', 'vcs-internal', 'ci', 'hooks', 'build-artifact', 'cache'];
const PUBLIC = ['system', 'device'];

/** Rows of policy's `classify:` and the home that `~/` in them means. */
export interface ClassifyRows {
  readonly rows: readonly ClassifyRow[];
  readonly home: string;
}

/**
 * Classifies what an effect reads by policy's own rows, else by the labels of its object; null when it reads nothing. A row may lower what labels say,
 * but not of what they call RESTRICTED.
 * INVARIANT (unknown is highest): what nothing classifies is RESTRICTED (R2.c).
 */
export function classifyRead(effect: Effect, policy: ClassifyRows | null = null): Classified | null {
  if (effect.kind !== 'read' && effect.kind !== 'download') return null;
  const { object } = effect;
  if (object.kind === 'none' || object.kind === 'code') return null;
  const source = `${object.kind}:${object.value}`;
  const by = (level: Level, because: string): Classified => ({ level, source, because });
  const carries = (labels: readonly string[]) => labels.find((label) => object.labels.includes(label));
  const restricted = carries(RESTRICTED);
  if (restricted !== undefined) return by('RESTRICTED', `label ${restricted}`);
  const row = rowOf(effect, policy);
  if (row !== null) return by(row.level, `${row.label}: ${row.why}`);
  if (effect.kind === 'download') return by('PUBLIC', 'fetched from the network');
  if (object.kind !== 'path') return by('INTERNAL', `a ${object.kind}`);
  // The workspace may lie in the home: the nearer label decides.
  const internal = carries(INTERNAL);
  if (internal !== undefined) return by('INTERNAL', `label ${internal}`);
  const confidential = carries(CONFIDENTIAL);
  if (confidential !== undefined) return by('CONFIDENTIAL', `label ${confidential}`);
  const open = carries(PUBLIC);
  if (open !== undefined && object.known) return by('PUBLIC', `label ${open}`);
  return by('RESTRICTED', UNCLASSIFIED);
}

function rowOf({ object }: Effect, policy: ClassifyRows | null): ClassifyRow | null {
  if (policy === null || policy.rows.length === 0 || object.kind === 'none' || !object.known) return null;
  const { rows, home } = policy;
  const of = (kind: 'path' | 'host' | 'table', value: string) =>
    classifyRowsOf(rows, { kind, value }, home)[0] ?? null;
  switch (object.kind) {
    case 'path':
      return of('path', object.value);
    case 'host':
      return of('host', object.value);
    case 'url':
      return of('host', /^[a-z+]+:\/\/([^/:?#]+)/i.exec(object.value)?.[1] ?? object.value);
    case 'table':
      return of('table', object.value);
    default:
      return null;
  }
}

/** The higher of two levels. */
export function higherLevel(a: Level, b: Level): Level {
  return LEVELS.indexOf(a) >= LEVELS.indexOf(b) ? a : b;
}

/** What an action's reads bring into the session, one entry a level, at most one source each (bounded by the levels). */
export function classifyReads(
  effects: readonly Effect[],
  policy: ClassifyRows | null = null,
): readonly Classified[] {
  const byLevel = new Map<Level, Classified>();
  for (const effect of effects) {
    const classified = classifyRead(effect, policy);
    if (classified !== null && !byLevel.has(classified.level)) byLevel.set(classified.level, classified);
  }
  return [...byLevel.values()];
}
