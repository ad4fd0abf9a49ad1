import type { Action } from '../core/action.ts';
import type { Effect, EffectKind, ObjectKind } from '../core/effect.ts';
import { hostOf } from '../core/semantic/objects.ts';

/**
 * Whether what leaves is what a command was said to do elsewhere: `npm publish` names a package, `git push` a ref, `terraform destroy` an
 * infrastructure, and what the proxy sees is requests. Pure. Whether anybody was asked, and what the request carries, is for effect-within.ts.
 */

/** Objects of commands that are not on this machine, and have no host in their names. */
const REMOTE: ReadonlySet<ObjectKind> = new Set([
  'package',
  'ref',
  'repository',
  'cloud',
  'table',
  'database',
  'container',
]);
/** Kinds that only bring something there or back. */
const TRANSPORT: ReadonlySet<EffectKind> = new Set(['connect', 'download', 'upload', 'discover']);
/** Tags that say how something was seen, and nothing of what it does. */
const NEUTRAL: ReadonlySet<string> = new Set([
  ...['by-http', 'by-verb', 'source-out', 'statement', 'catalog', 'force-unknown'],
]);
/** What a host is, for what a command may have meant by speaking to it. */
const FAMILIES: readonly string[] = [
  ...['trusted-registry', 'container-registry', 'code-host', 'cloud-resource', 'model-hub', 'cluster'],
];

/** True for an object that only a request or a statement touches. */
export function isRemote({ object }: Effect): boolean {
  return REMOTE.has(object.kind);
}

/**
 * True when every effect of a request, a statement or a connection is what one of `said` announced: the same kind of deed on the same thing,
 * with no tag that was not said, and else only what brings it there.
 */
export function isSaidElsewhere(said: readonly Effect[], action: Action): boolean {
  if (action.effects.length === 0 || action.commands.length > 0 || action.gaps.length > 0) return false;
  return action.effects.every((effect) =>
    said.some((one) => (TRANSPORT.has(effect.kind) ? carries(one, effect) : does(one, effect))),
  );
}

function tagsSaid(said: Effect, effect: Effect): boolean {
  return effect.tags.every((tag) => NEUTRAL.has(tag) || said.tags.includes(tag));
}

/** What brings a deed to where it is done: the same host, or a host of the family that the deed speaks to. */
function carries(said: Effect, effect: Effect): boolean {
  if (!tagsSaid(said, effect)) return false;
  if (said.object.kind === 'url' || said.object.kind === 'host')
    return sameHost(said.object.value, effect.object.value);
  if (effect.object.kind === 'table' || effect.object.kind === 'database')
    return said.object.kind === 'table' || said.object.kind === 'database';
  const families = familiesOf(said);
  return effect.object.labels.some((label) => families.includes(label));
}

function does(said: Effect, effect: Effect): boolean {
  if (said.kind !== effect.kind || !tagsSaid(said, effect) || effect.object.many) return false;
  const { kind, value } = said.object;
  const other = effect.object;
  switch (kind) {
    case 'url':
    case 'host':
      return sameHost(value, other.value) && below(value, other.value);
    case 'package':
      // `npm publish` says what it publishes in a file: whichever name is in it.
      return (
        said.tags.includes('registry') &&
        other.kind === 'package' &&
        (value === 'manifest' || said.object.labels.includes('local-package') || sameName(value, other.value))
      );
    case 'ref':
      return other.kind === 'ref' && branch(value) === branch(other.value);
    case 'repository':
      // `git push` without a branch pushes those that follow one; to delete or rewrite one it would say so.
      return other.kind === 'ref' || other.kind === 'repository';
    case 'cloud':
      return other.labels.some((label) => familiesOf(said).includes(label)) && named(said, other.value);
    case 'table':
      return other.kind === 'table' && lastName(value) === lastName(other.value);
    case 'database':
      return other.kind === 'database';
    case 'container':
      return other.value.endsWith(value.replace(/:[^/]*$/, '').replace(/^[^/]*\.[^/]*\//, ''));
    default:
      return false;
  }
}

/** Families of hosts that doing this speaks to. */
function familiesOf({ object, tags }: Effect): readonly string[] {
  const own = object.labels.filter((label) => FAMILIES.includes(label));
  switch (object.kind) {
    case 'package':
      return tags.includes('registry') ? ['trusted-registry'] : own;
    case 'ref':
    case 'repository':
      return ['code-host'];
    case 'container':
      return ['container-registry'];
    case 'cloud':
      // A repository of a code host is a cloud's resource in the words of commands, but not all of a cloud's are the code host's.
      return own.includes('code-host') ? ['code-host'] : own;
    default:
      return own;
  }
}

/** `repo delete o/r` says which; `infrastructure` is all that the tool manages, and what an interface takes in its body nobody sees in the URL. */
function named(said: Effect, value: string): boolean {
  if (!said.object.labels.includes('code-host') || said.kind !== 'delete') return true;
  const place = value.replace(/[/?]+$/, '');
  return said.object.value.split(/\s+/).some((word) => place === word || place.endsWith(`/${word}`));
}

function sameHost(a: string, b: string): boolean {
  const host = hostOf(a);
  return host !== '' && host === hostOf(b);
}

/** The path that was said, or one below it. */
function below(said: string, value: string): boolean {
  const path = pathOf(said);
  const other = pathOf(value);
  return path === '' || other === path || other.startsWith(`${path}/`);
}

function pathOf(url: string): string {
  return (/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*([^?#]*)/i.exec(url)?.[1] ?? '').replace(/\/+$/, '');
}

function sameName(a: string, b: string): boolean {
  return a.replace(/(.)@[^/]*$/, '$1') === b;
}

/** The branch at the other end of `+main`, `HEAD:main`, `:old`, `refs/heads/main`. */
function branch(ref: string): string {
  return ref
    .slice(ref.lastIndexOf(':') + 1)
    .replace(/^\+/, '')
    .replace(/^refs\/(?:heads|tags)\//, '');
}

function lastName(table: string): string {
  return table
    .slice(table.lastIndexOf('.') + 1)
    .replaceAll('"', '')
    .toLowerCase();
}
