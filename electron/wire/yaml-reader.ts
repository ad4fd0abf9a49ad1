import {
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseAllDocuments,
  type Scalar,
  type YAMLMap,
} from 'yaml';
import { type Place, type PolicyFault, type PolicyFaultCode, policyFault } from '../core/policy/fault.ts';
import { nearest } from '../core/policy/suggestion.ts';
import { err, ok, type Result } from '../core/result.ts';

/** Largest file, deepest nesting and longest list or map accepted; a policy is read by people. */
export const YAML_LIMITS = { characters: 1_000_000, depth: 12, items: 5000 } as const;

/** One YAML document, and where its offsets are in the file. */
export interface YamlSource {
  readonly root: Node;
  readonly text: string;
  /** Aliases and duplicate keys: they do not keep the rest from being read, so that all faults are named at once. */
  readonly faults: readonly PolicyFault[];
  place(offset: number): Place;
}

/** Deepest possible nesting by brackets and indentation, without parsing: the parser itself recurses. */
function bracketDepth(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (const char of text) {
    if (char === '[' || char === '{') deepest = Math.max(deepest, ++depth);
    else if (char === ']' || char === '}') depth = Math.max(0, depth - 1);
  }
  return deepest;
}

/** `- - - -` and `? ? ?` nest without brackets or indentation. */
const DASHES = /(?:[-?:]\s){20}/;

function message(text: string): string {
  const line = text.split('\n', 1)[0] ?? '';
  return (line.charAt(0).toLowerCase() + line.slice(1)).replace(/ at line \d+, column \d+:?$/, '');
}

/**
 * Parses exactly one YAML document: no anchors, aliases, tags or duplicate keys, within limits. Every fault has its
 * place.
 */
export function parseYaml(text: string, file: string): Result<YamlSource, readonly PolicyFault[]> {
  const start: Place = { file, line: 1, column: 1 };
  const refuse = (code: PolicyFaultCode, why: string) => err([{ ...policyFault(code, why), place: start }]);
  if (text.length > YAML_LIMITS.characters)
    return refuse('limit', `the file is longer than ${YAML_LIMITS.characters} characters`);
  // Brackets inside texts count too; no policy has hundreds of them open at once.
  if (bracketDepth(text) > 200 || DASHES.test(text)) return refuse('limit', 'the file nests too deeply');
  const lines = new LineCounter();
  const place = (offset: number): Place => {
    const { line, col } = lines.linePos(Math.min(offset, text.length));
    return { file, line: Math.max(1, line), column: Math.max(1, col) };
  };
  const documents = parseAllDocuments(text, {
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: true,
    version: '1.2',
    schema: 'core',
  });
  if (!Array.isArray(documents)) return refuse('yaml', 'the file is empty');
  const faults: PolicyFault[] = [];
  const add = (code: PolicyFaultCode, why: string, offset: number): void => {
    faults.push({ ...policyFault(code, why), place: place(offset) });
  };
  for (const document of documents)
    for (const problem of [...document.errors, ...document.warnings])
      add(
        problem.code === 'DUPLICATE_KEY' ? 'duplicate_key' : 'yaml',
        message(problem.message),
        problem.pos[0],
      );
  const [first, second] = documents;
  if (second !== undefined) add('multiple_documents', 'a policy file is one document', second.range[0]);
  const root = first?.contents ?? null;
  if (root === null && faults.length === 0) return refuse('yaml', 'the file is empty');
  if (root !== null) checkNode(root, 1, add);
  const readable = faults.every(({ code }) => code === 'alias' || code === 'duplicate_key');
  return root === null || !readable ? err(faults) : ok({ root, text, faults, place });
}

function checkNode(
  node: unknown,
  depth: number,
  add: (code: PolicyFaultCode, why: string, offset: number) => void,
): void {
  const at = (node as Node | null)?.range?.[0] ?? 0;
  if (depth > YAML_LIMITS.depth) {
    add('limit', 'the file nests too deeply', at);
    return;
  }
  if (isAlias(node)) add('alias', 'aliases are not allowed: write the value out', at);
  if (isScalar(node) || isMap(node) || isSeq(node)) {
    if (node.anchor !== undefined) add('alias', 'anchors are not allowed: write the value out', at);
    if (node.tag?.startsWith('!') === true) add('yaml', 'tags are not allowed', at);
  }
  if (isMap(node) || isSeq(node)) {
    if (node.items.length > YAML_LIMITS.items) {
      add('limit', `more than ${YAML_LIMITS.items} entries`, at);
      return;
    }
    for (const item of node.items) {
      if (isPair(item)) {
        checkNode(item.key, depth + 1, add);
        checkNode(item.value, depth + 1, add);
      } else checkNode(item, depth + 1, add);
    }
  }
}

/** Offset in the file of character `at` of a scalar's value, whatever its quoting and folding. */
export function offsetInScalar(source: YamlSource, node: Scalar, at: number): number {
  const [from = 0, to = 0] = node.range ?? [];
  const raw = source.text.slice(from, to);
  const value = String(node.value);
  const isBlock = node.type === 'BLOCK_LITERAL' || node.type === 'BLOCK_FOLDED';
  let i = isBlock ? raw.indexOf('\n') + 1 : node.type === 'PLAIN' ? 0 : 1;
  const skipBlanks = (): void => {
    while (i < raw.length && /\s/.test(raw.charAt(i))) i += 1;
  };
  if (isBlock) skipBlanks();
  for (let j = 0; j < at && j < value.length; j++) {
    if (/\s/.test(value.charAt(j))) {
      if (!/\s/.test(value.charAt(j + 1))) skipBlanks();
      continue;
    }
    // What the value does not have is an escape or an indentation.
    while (i < raw.length && raw.charAt(i) !== value.charAt(j)) i += 1;
    i += 1;
  }
  return Math.min(from + i, to);
}

/** Follows keys and indexes from a node; the last node that exists when the path leads nowhere. */
export function nodeAt(node: Node, path: readonly (string | number)[]): Node {
  let current: Node = node;
  for (const step of path) {
    const next: unknown =
      isMap(current) || isSeq(current)
        ? (current as { get(k: unknown, keep: true): unknown }).get(step, true)
        : null;
    if (!isScalar(next) && !isMap(next) && !isSeq(next)) return current;
    current = next;
  }
  return current;
}

/** Reads nodes into typed values and collects every fault with its place. */
export interface Reader {
  readonly source: YamlSource;
  readonly faults: PolicyFault[];
  readonly rule: string | null;
}

/** Records a fault at a node. */
export function faultAt(
  reader: Reader,
  node: Node | null,
  code: PolicyFaultCode,
  why: string,
  suggestion: string | null = null,
): undefined {
  // An alias is already named; what it stands for is not read.
  if (isAlias(node)) return undefined;
  const place = reader.source.place(node?.range?.[0] ?? 0);
  reader.faults.push({ ...policyFault(code, why, { rule: reader.rule, suggestion }), place });
  return undefined;
}

function describe(node: Node | null): string {
  if (isMap(node)) return 'a map';
  if (isSeq(node)) return 'a list';
  if (!isScalar(node) || node.value === null) return 'nothing';
  return `\`${String(node.value).slice(0, 40)}\``;
}

/** Text of at least one and at most `max` characters. */
export function readText(reader: Reader, node: Node, key: string, max: number): string | undefined {
  if (!isScalar(node) || typeof node.value !== 'string') {
    const hint = isScalar(node) && node.value !== null ? `"${String(node.source ?? node.value)}"` : null;
    return faultAt(reader, node, 'wrong_type', `\`${key}\` must be text, it is ${describe(node)}`, hint);
  }
  const { value } = node;
  if (value.trim() === '') return faultAt(reader, node, 'bad_value', `\`${key}\` is empty`);
  if (value.length > max)
    return faultAt(reader, node, 'limit', `\`${key}\` is longer than ${max} characters`);
  return value;
}

/** One of a closed list of words. */
export function readChoice<T extends string>(
  reader: Reader,
  node: Node,
  key: string,
  choices: readonly T[],
): T | undefined {
  const value = readText(reader, node, key, 200);
  if (value === undefined) return undefined;
  const chosen = choices.find((choice) => choice === value);
  if (chosen !== undefined) return chosen;
  const near = nearest(value, choices);
  const list = choices.length <= 8 ? `: one of ${choices.join(', ')}` : '';
  return faultAt(reader, node, 'bad_value', `there is no ${key} \`${value.slice(0, 40)}\`${list}`, near);
}

/** A finite number; a whole one when `integer`. */
export function readNumber(
  reader: Reader,
  node: Node,
  key: string,
  kind: 'number' | 'integer',
): number | undefined {
  const value = isScalar(node) ? node.value : null;
  if (
    typeof value !== 'number' ||
    !Number.isFinite(value) ||
    (kind === 'integer' && !Number.isSafeInteger(value))
  ) {
    const wanted = kind === 'integer' ? 'a whole number' : 'a number';
    return faultAt(reader, node, 'wrong_type', `\`${key}\` must be ${wanted}, it is ${describe(node)}`);
  }
  return value;
}

/** `true` or `false`. */
export function readBoolean(reader: Reader, node: Node, key: string): boolean | undefined {
  const value = isScalar(node) ? node.value : null;
  if (typeof value !== 'boolean')
    return faultAt(reader, node, 'wrong_type', `\`${key}\` must be true or false, it is ${describe(node)}`);
  return value;
}

/** A list, each element read by `read`; refused when empty, since an empty list never says what it looks like. */
export function readList<T>(
  reader: Reader,
  node: Node,
  key: string,
  read: (item: Node) => T | undefined,
): readonly T[] | undefined {
  if (!isSeq(node))
    return faultAt(reader, node, 'wrong_type', `\`${key}\` must be a list, it is ${describe(node)}`);
  if (node.items.length === 0)
    return faultAt(reader, node, 'bad_value', `\`${key}\` is an empty list: leave it out`);
  const out: T[] = [];
  for (const item of node.items) {
    const value = read(item as Node);
    if (value !== undefined) out.push(value);
  }
  return out;
}

/** Entries of a map by key; unknown, missing and empty keys are faults, all of them. */
export function readMap(
  reader: Reader,
  node: Node,
  what: string,
  keys: { readonly known: readonly string[]; readonly required: readonly string[] },
): ReadonlyMap<string, Node> | undefined {
  if (!isMap(node))
    return faultAt(reader, node, 'wrong_type', `${what} must be a map, it is ${describe(node)}`);
  const entries = new Map<string, Node>();
  for (const pair of (node as YAMLMap).items) {
    const keyNode = pair.key as Node | null;
    const key = isScalar(keyNode) ? String(keyNode.value) : '';
    if (!keys.known.includes(key)) {
      const missing = keys.known.filter((name) => !entries.has(name));
      faultAt(
        reader,
        keyNode,
        'unknown_key',
        `${what} has no key \`${key.slice(0, 60)}\``,
        nearest(key, missing),
      );
    } else if (pair.value === null || (isScalar(pair.value) && pair.value.value === null))
      faultAt(reader, keyNode, 'wrong_type', `\`${key}\` has no value`);
    else entries.set(key, pair.value as Node);
  }
  const present = new Set(node.items.map((pair) => (isScalar(pair.key) ? String(pair.key.value) : '')));
  for (const key of keys.required)
    if (!present.has(key)) faultAt(reader, node, 'missing_key', `${what} needs \`${key}\``);
  return entries;
}

/** Entries of a map, by key. */
export type Entries = ReadonlyMap<string, Node>;

/** Reads an optional key, or gives `otherwise` when it is absent or faulty (the fault is recorded). */
export function optional<T, U>(
  entries: Entries,
  key: string,
  otherwise: U,
  read: (node: Node, key: string) => T | undefined,
): T | U {
  const node = entries.get(key);
  return node === undefined ? otherwise : (read(node, key) ?? otherwise);
}

/** Reads text of at most `max` characters. */
export const text =
  (reader: Reader, max: number) =>
  (node: Node, key: string): string | undefined =>
    readText(reader, node, key, max);

/** Gives the faults that compiling found their places in the file. */
export function placeFaults(
  source: YamlSource,
  node: Node,
  faults: readonly PolicyFault[],
): readonly PolicyFault[] {
  return faults.map((fault) => {
    const target = nodeAt(node, fault.field);
    const offset =
      fault.at !== null && isScalar(target)
        ? offsetInScalar(source, target, fault.at)
        : (target.range?.[0] ?? 0);
    return { ...fault, place: source.place(offset) };
  });
}
