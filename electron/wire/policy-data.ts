import type { Node } from 'yaml';
import { LEVELS } from '../core/context.ts';
import {
  type ClassifyRow,
  DESTINATION_CATEGORIES,
  type DestinationRow,
  isHostPattern,
} from '../core/data/destination.ts';
import { faultAt, optional, type Reader, readChoice, readList, readMap, text } from './yaml-reader.ts';

const CLASSIFY_KEYS = {
  known: ['paths', 'hosts', 'tables', 'level', 'label', 'why'],
  required: ['level', 'label', 'why'],
};
const DESTINATION_KEYS = {
  known: ['hosts', 'category', 'accepts', 'why'],
  required: ['hosts', 'category', 'accepts', 'why'],
};

function readHosts(reader: Reader, node: Node, key: string): readonly string[] | undefined {
  return readList(reader, node, key, (item) => {
    const host = text(reader, 253)(item, key);
    if (host === undefined || isHostPattern(host)) return host;
    return faultAt(
      reader,
      item,
      'bad_value',
      `\`${host.slice(0, 60)}\` is no host: a name in lower case, \`*.\` before it for what lies below, \`:port\` after it`,
    );
  });
}

function readPaths(reader: Reader, node: Node, key: string): readonly string[] | undefined {
  return readList(reader, node, key, (item) => {
    const path = text(reader, 1000)(item, key);
    if (path === undefined || /^(?:\/|~\/|\*\*\/)/.test(path)) return path;
    return faultAt(reader, item, 'bad_value', 'a path begins with `/`, `~/` or `**/`');
  });
}

/** One row of `classify:` (docs/policy-format.md); undefined after a fault. */
export function readClassify(reader: Reader, node: Node): ClassifyRow | undefined {
  const entries = readMap(reader, node, 'a row of `classify`', CLASSIFY_KEYS);
  if (entries === undefined) return undefined;
  const row: ClassifyRow = {
    paths: optional(entries, 'paths', [], (inner, key) => readPaths(reader, inner, key)),
    hosts: optional(entries, 'hosts', [], (inner, key) => readHosts(reader, inner, key)),
    tables: optional(entries, 'tables', [], (inner, key) =>
      readList(reader, inner, key, (item) => text(reader, 300)(item, key)),
    ),
    level: optional(entries, 'level', 'RESTRICTED' as const, (inner, key) =>
      readChoice(reader, inner, key, LEVELS),
    ),
    label: optional(entries, 'label', '', text(reader, 100)),
    why: optional(entries, 'why', '', text(reader, 1000)),
  };
  if (!['paths', 'hosts', 'tables'].some((key) => entries.has(key)))
    return faultAt(reader, node, 'missing_key', 'a row of `classify` needs `paths`, `hosts` or `tables`');
  return row;
}

/** One row of `destinations:` (docs/policy-format.md); undefined after a fault. */
export function readDestination(reader: Reader, node: Node): DestinationRow | undefined {
  const entries = readMap(reader, node, 'a row of `destinations`', DESTINATION_KEYS);
  if (entries === undefined) return undefined;
  return {
    hosts: optional(entries, 'hosts', [], (inner, key) => readHosts(reader, inner, key)),
    category: optional(entries, 'category', 'public' as const, (inner, key) =>
      readChoice(reader, inner, key, DESTINATION_CATEGORIES),
    ),
    accepts: optional(entries, 'accepts', 'PUBLIC' as const, (inner, key) =>
      readChoice(reader, inner, key, LEVELS),
    ),
    why: optional(entries, 'why', '', text(reader, 1000)),
  };
}
