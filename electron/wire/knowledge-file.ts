import { parseDocument } from 'yaml';
import { z } from 'zod';
import type { EffectKind, ObjectKind } from '../core/effect.ts';
import { err, ok, type Result } from '../core/result.ts';
import { ANALYSES } from '../core/semantic/analyses.ts';
import type {
  CallMeaning,
  Deed,
  KnowledgeParts,
  Program,
  Selector,
  Usage,
  VerbMeaning,
  WordTest,
} from '../core/semantic/knowledge.ts';
import type { PathEntry } from '../core/semantic/path-index.ts';
import { familyOf, httpFamilySchema } from './http/family-file.ts';

/** Why a knowledge file was refused; `where` is `file: path.in.the.file`. */
export interface KnowledgeFault {
  readonly code: 'syntax' | 'shape' | 'deed' | 'pattern' | 'too_large' | 'duplicate';
  readonly where: string;
  readonly message: string;
}

const MAX_BYTES = 1 << 20;

const KINDS: readonly string[] = [
  'read',
  'write',
  'delete',
  'move',
  'permission',
  'execute',
  'download',
  'upload',
  'connect',
  'listen',
  'install',
  'uninstall',
  'publish',
  'privilege',
  'persist',
  'configure',
  'kill',
  'account',
  'history',
  'discover',
  'send',
  'spend',
] satisfies readonly EffectKind[];
const OBJECTS: readonly string[] = [
  'path',
  'host',
  'url',
  'package',
  'ref',
  'repository',
  'process',
  'service',
  'table',
  'database',
  'device',
  'user',
  'container',
  'cloud',
  'code',
  'system',
  'none',
] satisfies readonly ObjectKind[];

const words = z
  .union([z.string(), z.array(z.string())])
  .transform((value) => (typeof value === 'string' ? [value] : value));
const flagTable = z.record(z.string(), words).optional();
const test = z.strictObject({
  operand: z.number().int().optional(),
  any: z.string().optional(),
  value: z.string().optional(),
  is: z.string().optional(),
});
const deedSchema = z.union([
  z.string(),
  z.strictObject({
    do: z.string(),
    where: z.array(test).optional(),
    unless: z.array(test).optional(),
    each: z.string().optional(),
    at_least: z.number().int().optional(),
    at_most: z.number().int().optional(),
  }),
]);
const usageSchema = z.strictObject({
  flags: flagTable,
  values: flagTable,
  does: z.array(deedSchema).optional(),
});
const programSchema = z.strictObject({
  names: words,
  flags: flagTable,
  values: flagTable,
  does: z.array(deedSchema).optional(),
  dash_words: z.boolean().optional(),
  keyed: z.boolean().optional(),
  strict_order: z.boolean().optional(),
  subcommands: z.record(z.string(), z.union([usageSchema, z.array(deedSchema)])).optional(),
  verbs: z
    .strictObject({
      depth: z.number().int().min(1).max(8),
      flags: z.boolean().optional(),
      object: z.string(),
      labels: words.optional(),
    })
    .optional(),
  analyses: words.optional(),
});
const fileSchema = z.strictObject({
  programs: z.array(programSchema).optional(),
  verbs: z.array(z.strictObject({ words, effect: z.string(), tags: words.optional() })).optional(),
  calls: z
    .array(
      z.strictObject({
        names: words,
        languages: words.optional(),
        effect: z.string().optional(),
        shell: z.boolean().optional(),
        argument: z.number().int().min(0).optional(),
        object: z.string().optional(),
        recursive: z.boolean().optional(),
        labels: words.optional(),
        tags: words.optional(),
        arguments: z.string().optional(),
      }),
    )
    .optional(),
  paths: z
    .array(
      z.strictObject({
        labels: words,
        under: words.optional(),
        exact: words.optional(),
        named: words.optional(),
        folder: words.optional(),
        except: words.optional(),
      }),
    )
    .optional(),
  services: z.array(z.strictObject({ labels: words, names: words })).optional(),
  hosts: z.array(z.strictObject({ labels: words, names: words })).optional(),
  packages: z.array(z.strictObject({ labels: words, names: words })).optional(),
  http: z.array(httpFamilySchema).optional(),
});

/** Parses one knowledge file. Refuses unknown keys, unknown kinds, bad patterns, duplicate keys and files over 1 MiB. */
export function parseKnowledgeFile(text: string, fileName: string): Result<KnowledgeParts, KnowledgeFault> {
  if (text.length > MAX_BYTES)
    return err({ code: 'too_large', where: fileName, message: 'larger than 1 MiB' });
  const document = parseDocument(text, { uniqueKeys: true, strict: true });
  const broken = document.errors[0];
  if (broken !== undefined)
    return err({ code: 'syntax', where: fileName, message: broken.message.split('\n')[0] ?? 'not YAML' });
  let plain: unknown;
  try {
    plain = document.toJS({ maxAliasCount: 50 });
  } catch (cause) {
    return err({
      code: 'syntax',
      where: fileName,
      message: cause instanceof Error ? cause.message : 'not YAML',
    });
  }
  const parsed = fileSchema.safeParse(plain);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    return err({
      code: 'shape',
      where: `${fileName}: ${issue?.path.join('.') ?? ''}`,
      message: issue?.message ?? 'wrong shape',
    });
  }
  try {
    return ok(partsOf(parsed.data, fileName));
  } catch (cause) {
    if (cause instanceof Error && 'fault' in cause) return err(cause.fault as KnowledgeFault);
    throw cause;
  }
}

/** Joins the parts of several files; refuses a program that two entries describe. */
export function joinKnowledge(files: readonly KnowledgeParts[]): Result<KnowledgeParts, KnowledgeFault> {
  const programs = files.flatMap((file) => file.programs);
  const seen = new Set<string>();
  for (const [name] of programs) {
    if (seen.has(name))
      return err({ code: 'duplicate', where: name, message: `program \`${name}\` is described twice` });
    seen.add(name);
  }
  return ok({
    programs,
    verbs: files.flatMap((file) => file.verbs),
    calls: files.flatMap((file) => file.calls),
    paths: files.flatMap((file) => file.paths),
    services: files.flatMap((file) => file.services),
    hosts: files.flatMap((file) => file.hosts),
    packages: files.flatMap((file) => file.packages),
    http: files.flatMap((file) => file.http),
  });
}

/** Only thrown and caught in this file: it carries a refusal out of nested mapping. */
function refusal(fault: KnowledgeFault): Error & { readonly fault: KnowledgeFault } {
  return Object.assign(new Error(fault.message), { fault });
}

function partsOf(file: z.infer<typeof fileSchema>, fileName: string): KnowledgeParts {
  const names = (rows: readonly { labels: readonly string[]; names: readonly string[] }[] | undefined) =>
    (rows ?? []).flatMap((row) => row.names.map((name) => [name.toLowerCase(), row.labels] as const));
  return {
    programs: (file.programs ?? []).flatMap((entry) => {
      const program = programOf(entry, `${fileName}: ${entry.names[0] ?? '?'}`);
      return entry.names.map((name) => [name.toLowerCase(), program] as const);
    }),
    verbs: (file.verbs ?? []).flatMap((row) => {
      const meaning: VerbMeaning = { effect: kindOf(row.effect, `${fileName}: verbs`), tags: row.tags ?? [] };
      return row.words.map((word) => [word, meaning] as const);
    }),
    calls: (file.calls ?? []).flatMap((row) => {
      const where = `${fileName}: calls.${row.names[0] ?? '?'}`;
      return row.names.map(
        (name): CallMeaning => ({
          name,
          languages: row.languages ?? [],
          effect: row.effect === undefined ? null : kindOf(row.effect, where),
          shell: row.shell ?? false,
          argument: row.argument ?? 0,
          object: objectKindOf(row.object ?? 'path', where),
          recursive: row.recursive ?? false,
          labels: row.labels ?? [],
          tags: row.tags ?? [],
          arguments: row.arguments === undefined ? null : patternOf(row.arguments, where),
        }),
      );
    }),
    paths: (file.paths ?? []).map(
      (row): PathEntry => ({
        labels: row.labels,
        under: row.under ?? [],
        exact: row.exact ?? [],
        named: row.named ?? [],
        folder: row.folder ?? [],
        except: row.except ?? [],
      }),
    ),
    services: names(file.services),
    hosts: names(file.hosts),
    packages: names(file.packages),
    http: (file.http ?? []).map((entry) =>
      familyOf(entry, {
        kind: (text) => kindOf(text, `${fileName}: http.${entry.family}`),
        object: (text) => objectKindOf(text, `${fileName}: http.${entry.family}`),
        pattern: (text) => patternOf(text, `${fileName}: http.${entry.family}`),
        refuse: (message) => refusal({ code: 'deed', where: `${fileName}: http.${entry.family}`, message }),
      }),
    ),
  };
}

function programOf(entry: z.infer<typeof programSchema>, where: string): Program {
  const own = usageOf(entry, where);
  const subcommands = new Map<string, Usage>();
  let depth = 0;
  for (const [keys, value] of Object.entries(entry.subcommands ?? {})) {
    const usage = usageOf(Array.isArray(value) ? { does: value } : value, `${where} ${keys}`);
    for (const key of keys.split(',').map((part) => part.trim())) {
      if (subcommands.has(key))
        throw refusal({ code: 'duplicate', where, message: `subcommand \`${key}\` is described twice` });
      subcommands.set(key, usage);
      depth = Math.max(depth, key.split(' ').length);
    }
  }
  for (const name of entry.analyses ?? [])
    if (!Object.hasOwn(ANALYSES, name))
      throw refusal({ code: 'shape', where, message: `no analysis is called \`${name}\`` });
  return {
    ...own,
    dashWords: entry.dash_words ?? false,
    keyed: entry.keyed ?? false,
    strictOrder: entry.strict_order ?? false,
    subcommands,
    depth,
    verbs:
      entry.verbs === undefined
        ? null
        : {
            depth: entry.verbs.depth,
            flags: entry.verbs.flags ?? false,
            object: objectKindOf(entry.verbs.object, where),
            labels: entry.verbs.labels ?? [],
          },
    analyses: entry.analyses ?? [],
  };
}

function usageOf(entry: z.infer<typeof usageSchema>, where: string): Usage {
  const flags = new Map<string, string>([
    ['--help', 'help'],
    ['--version', 'help'],
  ]);
  const values = new Map<string, string>();
  for (const [group, list] of Object.entries(entry.flags ?? {}))
    for (const flag of list) flags.set(flag, group);
  for (const [group, list] of Object.entries(entry.values ?? {}))
    for (const flag of list) values.set(flag, group);
  return { flags, values, does: (entry.does ?? []).map((deed, at) => deedOf(deed, `${where} does.${at}`)) };
}

function deedOf(deed: z.infer<typeof deedSchema>, where: string): Deed {
  const full = typeof deed === 'string' ? { do: deed } : deed;
  const tokens = full.do.split(/\s+/).filter((token) => token !== '');
  const effect = kindOf(tokens[0] ?? '', where);
  const selector = selectorOf(tokens[1] ?? '', where);
  const lists: Record<'#' | '+' | '?' | '&' | '!', string[]> = {
    '#': [],
    '+': [],
    '?': [],
    '&': [],
    '!': [],
  };
  let object: ObjectKind = selector.kind === 'none' ? 'none' : 'path';
  let value = '';
  let recursive: boolean | null = null;
  let force: boolean | null = null;
  let many = false;
  let reversible: Deed['reversible'] = 'unknown';
  for (const token of tokens.slice(2)) {
    const head = token[0];
    if (head === '#' || head === '+' || head === '?' || head === '&' || head === '!')
      lists[head].push(token.slice(1));
    else if (token.startsWith('as:')) object = objectKindOf(token.slice(3), where);
    else if (head === '=') value = token.slice(1);
    else if (token === 'recursive') recursive = true;
    else if (token === 'force') force = true;
    else if (token === 'many') many = true;
    else if (token === 'irreversible') reversible = 'no';
    else if (token === 'reversible') reversible = 'yes';
    else throw refusal({ code: 'deed', where, message: `\`${token}\` is no part of a deed` });
  }
  return {
    effect,
    on: selector,
    object,
    value,
    labels: lists['+'],
    tags: lists['#'],
    with: lists['?'],
    withAll: lists['&'],
    without: lists['!'],
    where: 'where' in full ? (full.where ?? []).map((row) => testOf(row, where)) : [],
    whereNot: 'unless' in full ? (full.unless ?? []).map((row) => testOf(row, where)) : [],
    each: 'each' in full && full.each !== undefined ? patternOf(full.each, where) : null,
    operandsAtLeast: ('at_least' in full ? full.at_least : undefined) ?? 0,
    operandsAtMost: ('at_most' in full ? full.at_most : undefined) ?? Number.MAX_SAFE_INTEGER,
    recursive,
    force,
    many,
    reversible,
  };
}

function selectorOf(text: string, where: string): Selector {
  if (text === 'operands') return { kind: 'operands', from: 0, to: null };
  if (text === 'last') return { kind: 'operands', from: -1, to: null };
  if (text === 'but-last') return { kind: 'operands', from: 0, to: -1 };
  if (text === 'cwd' || text === 'none') return { kind: text };
  const range = /^operands:(\d+)\.\.(-?\d+)?$/.exec(text);
  if (range !== null)
    return { kind: 'operands', from: Number(range[1]), to: range[2] === undefined ? null : Number(range[2]) };
  const one = /^operand:(\d+)$/.exec(text);
  if (one !== null) return { kind: 'operands', from: Number(one[1]), to: Number(one[1]) + 1 };
  const value = /^value:([\w?-]+)$/.exec(text);
  if (value !== null) return { kind: 'value', group: value[1] ?? '' };
  throw refusal({ code: 'deed', where, message: `\`${text}\` selects no words` });
}

function testOf(row: z.infer<typeof test>, where: string): WordTest {
  if (row.any !== undefined) return { at: 'any', pattern: patternOf(row.any, where) };
  if (row.is === undefined) throw refusal({ code: 'deed', where, message: 'a test needs `any` or `is`' });
  if (row.operand !== undefined) return { at: row.operand, pattern: patternOf(row.is, where) };
  if (row.value !== undefined) return { at: { value: row.value }, pattern: patternOf(row.is, where) };
  throw refusal({ code: 'deed', where, message: 'a test needs `any`, `operand` or `value`' });
}

function patternOf(source: string, where: string): RegExp {
  try {
    return new RegExp(source);
  } catch {
    throw refusal({ code: 'pattern', where, message: `\`${source}\` is no regular expression` });
  }
}

function kindOf(text: string, where: string): EffectKind {
  if (!KINDS.includes(text))
    throw refusal({ code: 'deed', where, message: `\`${text}\` is no kind of effect` });
  return text as EffectKind;
}

function objectKindOf(text: string, where: string): ObjectKind {
  if (!OBJECTS.includes(text))
    throw refusal({ code: 'deed', where, message: `\`${text}\` is no kind of object` });
  return text as ObjectKind;
}
