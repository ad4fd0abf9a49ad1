import { isScalar, type Node } from 'yaml';
import type { Surface } from '../core/action.ts';
import type { Json, RuleId } from '../core/brand.ts';
import type { EffectKind } from '../core/effect.ts';
import { compileRule } from '../core/policy/compile.ts';
import type { PolicyFault } from '../core/policy/fault.ts';
import type {
  Match,
  ParameterConstraint,
  Risk,
  Rule,
  RuleClass,
  Subject,
  Transform,
} from '../core/policy/rule.ts';
import {
  faultAt,
  nodeAt,
  optional,
  placeFaults,
  type Reader,
  readBoolean,
  readChoice,
  readList,
  readMap,
  readNumber,
  readText,
  text,
} from './yaml-reader.ts';

/** What the reader cannot know by itself. */
export interface PolicyFileOptions {
  /** Names a `modify` may use; any name when absent. */
  readonly transforms?: readonly string[];
}

const CLASSES: readonly RuleClass[] = ['forbidden', 'deny', 'step_up', 'defer', 'modify', 'allow'];
const RISKS: readonly Risk[] = ['low', 'medium', 'high', 'critical'];
const SUBJECTS: readonly Subject[] = ['action', 'command', 'effect'];

/** Complete by type: a kind added to the vocabulary must be added here. */
const EFFECT_KINDS: Readonly<Record<EffectKind, true>> = {
  read: true,
  write: true,
  delete: true,
  move: true,
  permission: true,
  execute: true,
  download: true,
  upload: true,
  connect: true,
  listen: true,
  install: true,
  uninstall: true,
  publish: true,
  privilege: true,
  persist: true,
  configure: true,
  kill: true,
  account: true,
  history: true,
  discover: true,
  send: true,
  spend: true,
};

const SURFACES: Readonly<Record<Surface, true>> = {
  shell: true,
  guard: true,
  http: true,
  mcp: true,
  hook: true,
  sdk: true,
  file: true,
  code: true,
};

const RULE_KEYS = {
  known: [
    'id',
    'title',
    'why',
    'class',
    'priority',
    'risk',
    'subject',
    'rank',
    'unless_aligned',
    'match',
    'when',
    'parameters',
    'modify',
    'approvers',
    'timeout_ms',
    'resolvers',
    'instead',
    'references',
    'expires_at',
  ],
  required: ['id', 'title', 'why', 'class'],
};
const MATCH_KEYS = {
  known: ['surfaces', 'tools', 'operations', 'programs', 'effects', 'labels', 'tags'],
  required: [],
};
const CONSTRAINT_KEYS = {
  known: [
    'path',
    'required',
    'type',
    'min',
    'max',
    'min_length',
    'max_length',
    'pattern',
    'allow',
    'block',
    'secret',
  ],
  required: ['path'],
};
const CONSTRAINT_TYPES = ['string', 'number', 'integer', 'boolean', 'array', 'object'] as const;

const INSTANT = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2}))?$/;
/** Rules of this prefix are built in; no file may define or shadow one. */
const BUILT_IN = 'countersign.';

const texts =
  (reader: Reader, max: number) =>
  (node: Node, key: string): readonly string[] | undefined =>
    readList(reader, node, key, (item) => readText(reader, item, key, max));

function choices<T extends string>(reader: Reader, among: Readonly<Record<T, true>>) {
  const names = Object.keys(among) as T[];
  return (node: Node, key: string): readonly T[] | undefined =>
    readList(reader, node, key, (item) => readChoice(reader, item, key.replace(/s$/, ''), names));
}

/** Drops keys whose value is absent, so that optional properties stay absent. */
function compact<T extends object>(value: { readonly [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(value).filter(([, inner]) => inner !== undefined)) as T;
}

function readMatch(reader: Reader, node: Node): Match | undefined {
  const entries = readMap(reader, node, '`match`', MATCH_KEYS);
  if (entries === undefined) return undefined;
  const words = texts(reader, 200);
  return compact<Match>({
    surfaces: optional(entries, 'surfaces', undefined, choices(reader, SURFACES)),
    tools: optional(entries, 'tools', undefined, words),
    operations: optional(entries, 'operations', undefined, words),
    programs: optional(entries, 'programs', undefined, words),
    effects: optional(entries, 'effects', undefined, choices(reader, EFFECT_KINDS)),
    labels: optional(entries, 'labels', undefined, words),
    tags: optional(entries, 'tags', undefined, words),
  });
}

/** Any JSON value; the document has no aliases or tags, so this terminates and is plain. */
function jsonOf(node: Node): Json {
  return JSON.parse(JSON.stringify(node.toJSON() ?? null)) as Json;
}

function readConstraint(reader: Reader, node: Node): ParameterConstraint | undefined {
  const entries = readMap(reader, node, 'a parameter', CONSTRAINT_KEYS);
  if (entries === undefined) return undefined;
  const number = (kind: 'number' | 'integer') => (inner: Node, key: string) =>
    readNumber(reader, inner, key, kind);
  const boolean = (inner: Node, key: string) => readBoolean(reader, inner, key);
  const values = (inner: Node, key: string) => readList(reader, inner, key, jsonOf);
  return compact<ParameterConstraint>({
    path: optional(entries, 'path', '', text(reader, 500)),
    required: optional(entries, 'required', undefined, boolean),
    type: optional(entries, 'type', undefined, (inner, key) =>
      readChoice(reader, inner, key, CONSTRAINT_TYPES),
    ),
    min: optional(entries, 'min', undefined, number('number')),
    max: optional(entries, 'max', undefined, number('number')),
    minLength: optional(entries, 'min_length', undefined, number('integer')),
    maxLength: optional(entries, 'max_length', undefined, number('integer')),
    pattern: optional(entries, 'pattern', undefined, text(reader, 1000)),
    allow: optional(entries, 'allow', undefined, values),
    block: optional(entries, 'block', undefined, values),
    secret: optional(entries, 'secret', undefined, boolean),
  });
}

function readTransform(reader: Reader, node: Node, options: PolicyFileOptions): Transform | undefined {
  const entries = readMap(reader, node, '`modify`', { known: ['name', 'arguments'], required: ['name'] });
  if (entries === undefined) return undefined;
  const { transforms } = options;
  const name = optional(entries, 'name', undefined, (inner, key) =>
    transforms === undefined ? readText(reader, inner, key, 100) : readChoice(reader, inner, key, transforms),
  );
  const given = entries.get('arguments');
  const args = given === undefined ? {} : jsonOf(given);
  if (args === null || typeof args !== 'object' || Array.isArray(args))
    return faultAt(reader, given ?? node, 'wrong_type', '`arguments` must be a map');
  return name === undefined ? undefined : { name, arguments: args as Readonly<Record<string, Json>> };
}

/** Milliseconds since the epoch of an ISO 8601 instant or day (UTC). */
function readInstant(reader: Reader, node: Node, key: string): number | undefined {
  const value = readText(reader, node, key, 40);
  if (value === undefined) return undefined;
  const at = INSTANT.test(value) ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(at))
    return faultAt(
      reader,
      node,
      'bad_value',
      `\`${key}\` must be a day or an instant with its zone`,
      '2027-01-31T00:00:00Z',
    );
  return at;
}

/** What a rule is about when it does not say: the narrowest thing its `match` names. */
function inferSubject(match: Match): Subject {
  if (match.effects !== undefined || match.labels !== undefined || match.tags !== undefined) return 'effect';
  return match.programs !== undefined ? 'command' : 'action';
}

/** Reads and compiles one rule; its faults, with their places, go to the reader. */
export function readRule(outer: Reader, node: Node, options: PolicyFileOptions): Rule | undefined {
  const idNode = nodeAt(node, ['id']);
  const named = isScalar(idNode) && typeof idNode.value === 'string' ? idNode.value.slice(0, 100) : null;
  const reader: Reader = { ...outer, rule: named };
  const before = reader.faults.length;
  const entries = readMap(reader, node, 'a rule', RULE_KEYS);
  if (entries === undefined) return undefined;
  const words = texts(reader, 200);
  const match = optional(entries, 'match', {}, (inner) => readMatch(reader, inner));
  const choice =
    <T extends string>(among: readonly T[]) =>
    (inner: Node, key: string): T | undefined =>
      readChoice(reader, inner, key, among);
  const integer = (inner: Node, key: string) => readNumber(reader, inner, key, 'integer');
  const { file, line } = reader.source.place(node.range?.[0] ?? 0);
  const rank = optional(entries, 'rank', undefined, choice(['compositional', 'static'] as const));
  const unlessAligned = optional(entries, 'unless_aligned', undefined, (inner, key) =>
    readBoolean(reader, inner, key),
  );
  const rule: Rule = {
    id: optional(entries, 'id', '', text(reader, 80)) as RuleId,
    title: optional(entries, 'title', '', text(reader, 200)),
    why: optional(entries, 'why', '', text(reader, 1000)),
    class: optional(entries, 'class', 'deny' as const, choice(CLASSES)),
    priority: optional(entries, 'priority', 0, integer),
    risk: optional(entries, 'risk', 'medium' as const, choice(RISKS)),
    subject: optional(entries, 'subject', inferSubject(match), choice(SUBJECTS)),
    match,
    when: optional(entries, 'when', null, text(reader, 10_000)),
    parameters: optional(entries, 'parameters', [], (inner, key) =>
      readList(reader, inner, key, (item) => readConstraint(reader, item)),
    ),
    modify: optional(entries, 'modify', null, (inner) => readTransform(reader, inner, options)),
    approvers: optional(entries, 'approvers', [], words),
    timeoutMs: optional(entries, 'timeout_ms', null, integer),
    resolvers: optional(entries, 'resolvers', [], words),
    instead: optional(entries, 'instead', null, text(reader, 1000)),
    references: optional(entries, 'references', [], texts(reader, 500)),
    expiresAt: optional(entries, 'expires_at', null, (inner, key) => readInstant(reader, inner, key)),
    ...(rank === undefined ? {} : { rank }),
    ...(unlessAligned === undefined ? {} : { unlessAligned }),
    source: `${file}:${line}`,
  };
  if (rule.id.startsWith(BUILT_IN))
    faultAt(reader, idNode, 'bad_value', `ids starting with \`${BUILT_IN}\` are built in`);
  if (rule.timeoutMs !== null && (rule.timeoutMs < 1000 || rule.timeoutMs > 86_400_000))
    faultAt(
      reader,
      nodeAt(node, ['timeout_ms']),
      'bad_value',
      '`timeout_ms` lies between one second and one day',
    );
  if (
    rule.class === 'allow' &&
    rule.when === null &&
    rule.parameters.length === 0 &&
    Object.keys(match).length === 0
  )
    faultAt(reader, node, 'bad_value', 'this rule allows everything; a default belongs into `posture`');
  // What is only half read would be judged wrongly; its own faults are already named.
  const unread = reader.faults.length > before;
  const compiled = compileRule(rule);
  if (!compiled.ok) {
    const certain = ({ code, field }: PolicyFault): boolean =>
      code === 'expression' || code === 'pattern' || (field[0] === 'parameters' && field.length > 1);
    const further = unread ? compiled.error.filter(certain) : compiled.error;
    reader.faults.push(...placeFaults(reader.source, node, further));
  }
  return rule;
}
