import { LEVELS, type Level } from '../context.ts';
import { globMatches } from '../policy/pattern.ts';

export const DESTINATION_CATEGORIES = ['internal', 'trusted', 'model', 'public'] as const;
export type DestinationCategory = (typeof DESTINATION_CATEGORIES)[number];

/** A row of `destinations:` (docs/policy-format.md): what may go to these hosts. */
export interface DestinationRow {
  /** `example.org`, `*.example.org`, with `:port` for one port only. Lower case. */
  readonly hosts: readonly string[];
  readonly category: DestinationCategory;
  /** The highest level that may go there. */
  readonly accepts: Level;
  readonly why: string;
}

/** A row of `classify:`: what is read there has at least this level. */
export interface ClassifyRow {
  /** Globs of absolute paths; `~/` is the home. */
  readonly paths: readonly string[];
  readonly hosts: readonly string[];
  readonly tables: readonly string[];
  readonly level: Level;
  readonly label: string;
  readonly why: string;
}

const PATTERN = /^(\*\.)?[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?(:[0-9]{1,5})?$|^\[[0-9a-f:.]+\](:[0-9]{1,5})?$/;

/** True for what `hosts:` may hold. */
export function isHostPattern(text: string): boolean {
  const port = /:([0-9]+)$/.exec(text)?.[1];
  return (
    text.length <= 253 &&
    PATTERN.test(text) &&
    !text.includes('..') &&
    (port === undefined || (Number(port) > 0 && Number(port) < 65_536))
  );
}

/** How closely a pattern names a host: -1 not at all; a port, then an exact name, then the longest `*.` suffix. */
function closeness(pattern: string, host: string, port: number | null): number {
  const colon = /^(.*?)(?::([0-9]+))?$/.exec(pattern);
  const name = (colon?.[1] ?? pattern).replace(/^\[|\]$/g, '');
  const wanted = colon?.[2];
  if (wanted !== undefined && Number(wanted) !== port) return -1;
  const bonus = wanted === undefined ? 0 : 2000;
  if (!name.startsWith('*.')) return name === host ? 1000 + bonus : -1;
  return host.endsWith(name.slice(1)) ? name.length + bonus : -1;
}

/**
 * The row that names a host most closely; null when none does. Of rows that name it equally closely the one that accepts least counts, so that the order of
 * rows and files never matters.
 */
export function destinationOf(
  rows: readonly DestinationRow[],
  host: string,
  port: number | null,
): DestinationRow | null {
  let best: DestinationRow | null = null;
  let bestAt = -1;
  for (const row of rows) {
    for (const pattern of row.hosts) {
      const at = closeness(pattern, host, port);
      if (at < 0 || at < bestAt) continue;
      if (at === bestAt && best !== null && LEVELS.indexOf(row.accepts) >= LEVELS.indexOf(best.accepts))
        continue;
      best = row;
      bestAt = at;
    }
  }
  return best;
}

/** Rows that classify one thing that was read, the highest level first. */
export function classifyRowsOf(
  rows: readonly ClassifyRow[],
  what: { readonly kind: 'path' | 'host' | 'table'; readonly value: string },
  home: string,
): readonly ClassifyRow[] {
  const { kind, value } = what;
  const fits = (row: ClassifyRow): boolean => {
    if (kind === 'host')
      return row.hosts.some((pattern) => closeness(pattern, value.toLowerCase(), null) >= 0);
    if (kind === 'table') return row.tables.some((pattern) => globMatches(value, pattern));
    return row.paths.some((pattern) =>
      globMatches(value, pattern.startsWith('~/') ? `${home}${pattern.slice(1)}` : pattern),
    );
  };
  return rows.filter(fits).sort((a, b) => LEVELS.indexOf(b.level) - LEVELS.indexOf(a.level));
}
