import { z } from 'zod';
import type { EffectKind, ObjectKind } from '../../core/effect.ts';
import type {
  HttpCall,
  HttpDeed,
  HttpFamily,
  NamedTest,
  VerbSource,
} from '../../core/semantic/http-knowledge.ts';

const words = z
  .union([z.string(), z.array(z.string())])
  .transform((value) => (typeof value === 'string' ? [value] : value));
const tests = z.record(z.string(), z.string()).optional();

const callSchema = z.strictObject({
  on: words,
  headers: tests,
  query: tests,
  fields: tests,
  operation: z.string().optional(),
  does: words.optional(),
  verb: z.string().optional(),
  mild: z.string().optional(),
  analysis: z.literal('git-push').optional(),
});

/** One family in a knowledge file (docs/vocabulary.md, "The knowledge files"). */
export const httpFamilySchema = z.strictObject({
  family: z.string(),
  hosts: words.optional(),
  labels: words.optional(),
  calls: z.array(callSchema),
});

/** How a family's words become kinds and patterns; each throws the refusal of the file that is read. */
export interface FamilyReader {
  readonly kind: (text: string) => EffectKind;
  readonly object: (text: string) => ObjectKind;
  readonly pattern: (text: string) => RegExp;
  readonly refuse: (message: string) => Error;
}

/** Builds one family from its entry. Throws what the reader refuses with. */
export function familyOf(entry: z.infer<typeof httpFamilySchema>, reader: FamilyReader): HttpFamily {
  return {
    name: entry.family,
    hosts: entry.hosts === undefined ? null : entry.hosts.map((host) => hostName(host, reader)),
    labels: entry.labels ?? [],
    calls: entry.calls.flatMap((call) => call.on.map((on) => callOf(on, call, reader))),
  };
}

function hostName(text: string, reader: FamilyReader): string {
  if (!/^[a-z0-9.*:-]+$/.test(text)) throw reader.refuse(`\`${text}\` is no pattern of a host`);
  return text;
}

function callOf(on: string, call: z.infer<typeof callSchema>, reader: FamilyReader): HttpCall {
  const found = /^(\*|[A-Z]+(?:,[A-Z]+)*) (\/\S*)$/.exec(on);
  if (found === null) throw reader.refuse(`\`${on}\` is no \`METHODS /path\``);
  const [, methods = '', path = ''] = found;
  if (call.does === undefined && call.verb === undefined && call.analysis === undefined)
    throw reader.refuse(`\`${on}\` does nothing`);
  return {
    methods: methods === '*' ? null : methods.split(','),
    ...pathPattern(path, reader),
    headers: testsOf(call.headers, reader),
    query: testsOf(call.query, reader),
    fields: testsOf(call.fields, reader),
    operation: call.operation ?? null,
    does: (call.does ?? []).map((text) => deedOf(text, reader)),
    verb: call.verb === undefined ? null : verbSource(call.verb, reader),
    mild: call.mild === undefined ? null : reader.pattern(call.mild),
    analysis: call.analysis ?? null,
  };
}

function testsOf(
  entries: Readonly<Record<string, string>> | undefined,
  reader: FamilyReader,
): readonly NamedTest[] {
  return Object.entries(entries ?? {}).map(([name, text]) => ({ name, pattern: reader.pattern(text) }));
}

/** `*` and `{name}` are one segment (within one: any of its characters), `**` and `{name**}` any number of them. */
function pathPattern(
  text: string,
  reader: FamilyReader,
): { readonly path: RegExp; readonly names: readonly string[] } {
  if (/\{(?![a-z]+(?:\*\*)?\})/.test(text)) throw reader.refuse(`\`${text}\` is no pattern of a path`);
  const names: string[] = [];
  const source = text
    .match(/\/\*\*$|\/\*\*\/|\/\*(?=\/|$)|\{[a-z]+(?:\*\*)?\}|\*\*|\*|[^*{}/]+|[}/]/g)
    ?.map((token) => {
      if (token === '/**') return '(?:/.*)?';
      if (token === '/**/') return '/(?:.*/)?';
      if (token === '/*') return '/[^/]+';
      if (token === '**') return '.*';
      if (token === '*') return '[^/]*';
      if (!token.startsWith('{')) return escaped(token);
      names.push(token.replace(/[{}*]/g, ''));
      return token.endsWith('**}') ? '(.+)' : '([^/]+)';
    })
    .join('');
  return { path: new RegExp(`^${source ?? ''}$`), names };
}

function deedOf(text: string, reader: FamilyReader): HttpDeed {
  const [head = '', ...tokens] = text.split(/\s+/).filter((token) => token !== '');
  let deed: HttpDeed = {
    effect: reader.kind(head),
    object: 'url',
    value: null,
    labels: [],
    tags: [],
    recursive: false,
    force: false,
    many: false,
    reversible: 'unknown',
  };
  for (const token of tokens) {
    if (token.startsWith('as:')) deed = { ...deed, object: reader.object(token.slice(3)) };
    else if (token.startsWith('=')) deed = { ...deed, value: token.slice(1) };
    else if (token.startsWith('#')) deed = { ...deed, tags: [...deed.tags, token.slice(1)] };
    else if (token.startsWith('+')) deed = { ...deed, labels: [...deed.labels, token.slice(1)] };
    else if (token === 'recursive' || token === 'force' || token === 'many')
      deed = { ...deed, [token]: true };
    else if (token === 'irreversible') deed = { ...deed, reversible: 'no' };
    else if (token === 'reversible') deed = { ...deed, reversible: 'yes' };
    else throw reader.refuse(`\`${token}\` is no part of a deed`);
  }
  return deed;
}

function verbSource(text: string, reader: FamilyReader): VerbSource {
  if (text === 'segment' || text === 'graphql') return { kind: text };
  const found = /^(field|header):([\w.-]+)$/.exec(text);
  if (found === null) throw reader.refuse(`\`${text}\` says no place of a verb`);
  return { kind: found[1] === 'field' ? 'field' : 'header', name: found[2] ?? '' };
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&');
}
