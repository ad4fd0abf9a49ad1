import type { Node } from 'yaml';
import type { ClassifyRow, DestinationRow } from '../core/data/destination.ts';
import { postureFaults } from '../core/policy/compile.ts';
import { type PolicyFault, policyFault } from '../core/policy/fault.ts';
import type { PassThroughHost, Posture, Rule } from '../core/policy/rule.ts';
import { err, ok, type Result } from '../core/result.ts';
import { readClassify, readDestination } from './policy-data.ts';
import { type PolicyFileOptions, readRule } from './policy-rule.ts';
import {
  faultAt,
  nodeAt,
  optional,
  parseYaml,
  placeFaults,
  type Reader,
  readChoice,
  readList,
  readMap,
  readNumber,
  text,
  type YamlSource,
} from './yaml-reader.ts';

/** One policy file, parsed and checked; every rule in it compiles. */
export interface PolicyFile {
  readonly file: string;
  readonly pack: string;
  readonly version: string;
  readonly posture: Posture | null;
  readonly rules: readonly Rule[];
  /** Hosts whose TLS is passed on unopened. */
  readonly passThrough?: readonly PassThroughHost[];
  readonly classify: readonly ClassifyRow[];
  readonly destinations: readonly DestinationRow[];
}

const FILE_KEYS = {
  known: ['pack', 'version', 'description', 'posture', 'rules', 'classify', 'destinations', 'pass_through'],
  required: ['pack', 'version'],
};
const POSTURE_KEYS = {
  known: ['name', 'unmatched', 'why', 'minimum_confidence'],
  required: ['name', 'unmatched', 'why'],
};
const PACK_NAME = /^[a-z][a-z0-9-]{0,63}$/;
const VERSION = /^\d+\.\d+\.\d+(-[a-z0-9.]+)?$/;
function readPosture(reader: Reader, node: Node): Posture | undefined {
  const entries = readMap(reader, node, '`posture`', POSTURE_KEYS);
  if (entries === undefined) return undefined;
  const posture: Posture = {
    name: optional(entries, 'name', '', text(reader, 100)),
    unmatched: optional(entries, 'unmatched', 'DENY' as const, (inner, key) =>
      readChoice(reader, inner, key, ['ALLOW', 'STEP_UP', 'DENY'] as const),
    ),
    why: optional(entries, 'why', '', text(reader, 1000)),
    minimumConfidence: optional(entries, 'minimum_confidence', 0, (inner, key) =>
      readNumber(reader, inner, key, 'number'),
    ),
  };
  reader.faults.push(...placeFaults(reader.source, node, postureFaults(posture)));
  return posture;
}

const HOST_PATTERN =
  /^(?:\*\.)?(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?::[1-9][0-9]{0,4})?$/;

/** One place of `pass_through`: `api.example.org`, `*.example.org`, either with `:port`. A whole top-level domain is none. */
function readPassThrough(reader: Reader, node: Node): PassThroughHost | undefined {
  const value = text(reader, 300)(node, 'pass_through');
  if (value === undefined) return undefined;
  const [host = '', port] = value.split(':');
  const known = HOST_PATTERN.test(value) && (port === undefined || Number(port) <= 65535);
  if (known && !/^\*\.[^.]+$/.test(host)) return { host, port: port === undefined ? null : Number(port) };
  const message = `\`${value}\` is no host of \`pass_through\`: \`api.example.org\`, \`*.example.org\`, either with \`:443\``;
  faultAt(reader, node, 'bad_value', message);
  return undefined;
}

function duplicateFaults(
  rules: readonly (readonly [Rule, Node])[],
  source: YamlSource,
): readonly PolicyFault[] {
  const first = new Map<string, Rule>();
  return rules.flatMap(([rule, node]) => {
    const before = first.get(rule.id);
    if (before === undefined) {
      first.set(rule.id, rule);
      return [];
    }
    const message = `rule \`${rule.id}\` is already defined at ${before.source}`;
    const place = source.place(nodeAt(node, ['id']).range?.[0] ?? 0);
    return [{ ...policyFault('duplicate_rule', message, { rule: rule.id }), place }];
  });
}

/** In the order of the file, so that people can read them top to bottom. */
function inOrder(faults: readonly PolicyFault[]): readonly PolicyFault[] {
  const position = ({ place }: PolicyFault): number => (place?.line ?? 0) * 1e6 + (place?.column ?? 0);
  return [...faults].sort((a, b) => position(a) - position(b));
}

/**
 * Parses one policy file (docs/policy-format.md): strict, all faults at once, each with file, line and column, and a
 * suggestion where one is near. A file with any fault gives no rules at all.
 */
export function parsePolicyFile(
  source: string,
  fileName: string,
  options: PolicyFileOptions = {},
): Result<PolicyFile, readonly PolicyFault[]> {
  const yaml = parseYaml(source, fileName);
  if (!yaml.ok) return err(inOrder(yaml.error));
  const { root } = yaml.value;
  const reader: Reader = { source: yaml.value, faults: [...yaml.value.faults], rule: null };
  const entries = readMap(reader, root, 'a policy file', FILE_KEYS);
  if (entries === undefined) return err(reader.faults);
  const pack = optional(entries, 'pack', '', text(reader, 64));
  if (pack !== '' && !PACK_NAME.test(pack))
    faultAt(
      reader,
      nodeAt(root, ['pack']),
      'bad_value',
      'a pack name is a–z, 0–9 and `-`, starting with a letter',
    );
  const version = optional(entries, 'version', '', text(reader, 64));
  if (version !== '' && !VERSION.test(version))
    faultAt(reader, nodeAt(root, ['version']), 'bad_value', 'a version is three numbers', '1.0.0');
  optional(entries, 'description', null, text(reader, 2000));
  const posture = optional(entries, 'posture', null, (node) => readPosture(reader, node));
  const pairs = optional(entries, 'rules', [], (node, key) =>
    readList(reader, node, key, (item): readonly [Rule, Node] | undefined => {
      const rule = readRule(reader, item, options);
      return rule === undefined ? undefined : [rule, item];
    }),
  );
  const passThrough = optional(entries, 'pass_through', [], (node, key) =>
    readList(reader, node, key, (item) => readPassThrough(reader, item)),
  );
  const classify = optional(entries, 'classify', [], (node, key) =>
    readList(reader, node, key, (item) => readClassify(reader, item)),
  );
  const destinations = optional(entries, 'destinations', [], (node, key) =>
    readList(reader, node, key, (item) => readDestination(reader, item)),
  );
  // A file may hold rows only; one with neither says nothing, and most likely its key is mistyped.
  if (!['rules', 'classify', 'destinations', 'pass_through'].some((key) => entries.has(key)))
    faultAt(reader, root, 'missing_key', 'a policy file needs `rules`');
  reader.faults.push(...duplicateFaults(pairs, yaml.value));
  if (reader.faults.length > 0) return err(inOrder(reader.faults));
  return ok({
    file: fileName,
    pack,
    version,
    posture,
    rules: pairs.map(([rule]) => rule),
    ...(passThrough.length === 0 ? {} : { passThrough }),
    classify,
    destinations,
  });
}
