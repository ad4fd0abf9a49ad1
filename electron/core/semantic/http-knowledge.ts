import type { EffectKind, ObjectKind } from '../effect.ts';

/** A test on one named value of a request: a header, a query parameter or a field of its body. */
export interface NamedTest {
  readonly name: string;
  readonly pattern: RegExp;
}

/** One thing that a request does; its object is the request's URL where no value is given. */
export interface HttpDeed {
  readonly effect: EffectKind;
  readonly object: ObjectKind;
  /** Name of the object, `{name}` standing for a stretch of the path; null: the URL. */
  readonly value: string | null;
  readonly labels: readonly string[];
  readonly tags: readonly string[];
  readonly recursive: boolean;
  readonly force: boolean;
  readonly many: boolean;
  readonly reversible: 'yes' | 'no' | 'unknown';
}

/** Where a call's verb stands, when the address does not say what is done: `Action=DeleteUser`, `x-amz-target`, a GraphQL field. */
export type VerbSource =
  | { readonly kind: 'field' | 'header'; readonly name: string }
  | { readonly kind: 'segment' }
  | { readonly kind: 'graphql' };

/** One kind of request of a family. */
export interface HttpCall {
  /** Upper case; null: any. */
  readonly methods: readonly string[] | null;
  readonly path: RegExp;
  /** Names of the path's captures, in order. */
  readonly names: readonly string[];
  readonly headers: readonly NamedTest[];
  readonly query: readonly NamedTest[];
  readonly fields: readonly NamedTest[];
  /** The action's operation; null: the method in lower case. */
  readonly operation: string | null;
  readonly does: readonly HttpDeed[];
  readonly verb: VerbSource | null;
  /** Words that sound worse than they are: `removeStar`. They count as uploads. */
  readonly mild: RegExp | null;
  /** What the address alone cannot say. */
  readonly analysis: 'git-push' | null;
}

/** What is known of one service's requests. */
export interface HttpFamily {
  readonly name: string;
  /** Host names, `*` for any characters; null: any host, told by its calls alone. */
  readonly hosts: readonly string[] | null;
  /** Given to every object of its requests. */
  readonly labels: readonly string[];
  readonly calls: readonly HttpCall[];
}

/** Families by the hosts that they name, so that finding those of one request costs a few look-ups. */
export interface HttpIndex {
  readonly exact: ReadonlyMap<string, readonly HttpFamily[]>;
  /** The longest pattern first: what says more of a name is nearer to it. */
  readonly patterns: readonly (readonly [RegExp, HttpFamily])[];
  readonly anywhere: readonly HttpFamily[];
}

/** Builds the index once. */
export function indexFamilies(families: readonly HttpFamily[]): HttpIndex {
  const exact = new Map<string, HttpFamily[]>();
  const patterns: (readonly [string, HttpFamily])[] = [];
  for (const family of families)
    for (const host of family.hosts ?? []) {
      if (host.includes('*')) patterns.push([host, family]);
      else exact.set(host, [...(exact.get(host) ?? []), family]);
    }
  return {
    exact,
    patterns: patterns
      .sort(([a], [b]) => b.length - a.length)
      .map(([host, family]) => [hostPattern(host), family] as const),
    anywhere: families.filter((family) => family.hosts === null),
  };
}

function hostPattern(text: string): RegExp {
  return new RegExp(`^${text.replaceAll('.', '\\.').replaceAll('*', '[a-z0-9.-]+')}$`);
}

/** Families that name a host, the nearest first, then those that name none. */
export function familiesOf(index: HttpIndex, host: string): readonly HttpFamily[] {
  const named = new Set(index.exact.get(host) ?? []);
  for (const [pattern, family] of index.patterns) if (pattern.test(host)) named.add(family);
  return [...named, ...index.anywhere];
}
