import { UNKNOWN_TEXT, type Word } from '../command.ts';
import type { EffectObject, ObjectKind } from '../effect.ts';
import { type Knowledge, labelsOfName } from './knowledge.ts';
import { looksLikePath, type Place, seePath } from './paths.ts';

/** Where a command's objects are: this machine, another one, or inside a container. */
export type Where = 'here' | 'remote' | 'container';

/** The object of an effect that touches nothing nameable. */
export const NO_OBJECT: EffectObject = { kind: 'none', value: '', known: true, many: false, labels: [] };

/** Names a word as an object of the given kind and labels it (docs/vocabulary.md). */
export function objectOf(
  word: Word,
  kind: ObjectKind,
  extra: readonly string[],
  where: Where,
  place: Place,
  knowledge: Knowledge,
): EffectObject {
  switch (kind) {
    case 'path':
    case 'device':
      return pathObject(word, kind, extra, where, place, knowledge);
    case 'url':
    case 'host':
      return hostObject(word, kind, extra, knowledge);
    case 'process':
    case 'service':
      return nameObject(word, kind, [
        ...extra,
        ...labelsOfName(knowledge.services, bareService(word.text)),
        ...(/^\/(?:System\/)?Library\/LaunchDaemons\//.test(word.text) ? ['system-daemon'] : []),
      ]);
    case 'package':
      return nameObject(word, kind, [...extra, ...packageLabels(word.text, knowledge)]);
    case 'ref':
      return nameObject(word, kind, [...extra, ...refLabels(word.text)]);
    case 'none':
      return { ...NO_OBJECT, labels: extra };
    default:
      return nameObject(word, kind, extra);
  }
}

/** An object given by name alone, known for certain. */
export function fixedObject(kind: ObjectKind, value: string, labels: readonly string[]): EffectObject {
  return { kind, value, known: true, many: false, labels };
}

function nameObject(word: Word, kind: ObjectKind, labels: readonly string[]): EffectObject {
  return {
    kind,
    value: word.text,
    known: word.known,
    many: word.glob,
    labels: word.known ? labels : [...labels, 'unknown'],
  };
}

function pathObject(
  word: Word,
  kind: ObjectKind,
  extra: readonly string[],
  where: Where,
  place: Place,
  knowledge: Knowledge,
): EffectObject {
  if (where === 'container') {
    return { kind, value: word.text, known: word.known, many: word.glob, labels: [...extra, 'container'] };
  }
  const seen = seePath(word.text, word.glob, place, knowledge.paths);
  let labels = extra.length > 0 ? [...seen.labels, ...extra] : seen.labels;
  // Another machine has its own workspace and homes; what is a root or a secret here is one there.
  if (where === 'remote')
    labels = [
      ...labels.filter((label) => !label.startsWith('workspace') && label !== 'above-workspace'),
      'remote',
    ];
  return { kind, value: seen.value, known: seen.known, many: seen.many, labels };
}

function bareService(name: string): string {
  const base = name.slice(name.lastIndexOf('/') + 1);
  return base.replace(/\.(?:service|socket|timer|plist|target)$/, '').replace(/@.*$/, '');
}

function packageLabels(name: string, knowledge: Knowledge): readonly string[] {
  const labels = [...labelsOfName(knowledge.packages, name)];
  if (/^(?:https?|git|git\+\w+|ssh|ftp):/i.test(name) || /\.git(?:[#@]|$)/.test(name)) {
    labels.push('from-url');
    if (/^(?:http|ftp):/i.test(name)) labels.push('cleartext');
  } else if (looksLikePath(name) || name.startsWith('.')) labels.push('local-package');
  return labels;
}

const PROTECTED =
  /^(?:\+?(?:[^:]*:)?)?(?:refs\/heads\/)?(?:main|master|trunk|develop|production|prod|stable|release(?:[/-].*)?)$/;

function refLabels(name: string): readonly string[] {
  const labels: string[] = [];
  if (PROTECTED.test(name)) labels.push('protected-ref');
  return labels;
}

function hostObject(
  word: Word,
  kind: ObjectKind,
  extra: readonly string[],
  knowledge: Knowledge,
): EffectObject {
  const labels = [...extra];
  const text = word.text;
  const host = hostOf(text);
  if (!word.known && (host === '' || host.includes(UNKNOWN_TEXT))) labels.push('unknown');
  else {
    const named = labelsOfName(knowledge.hosts, host);
    labels.push(...named);
    const number = numericHost(host);
    if (number !== null) labels.push(...addressLabels(number));
    else if (host.includes(':'))
      labels.push(
        /^(?:::1|::)$/.test(host) ? 'loopback' : /^f[cde]/.test(host) ? 'private-network' : 'internet',
      );
    else if (
      named.length === 0 ||
      !named.some((label) => label === 'loopback' || label === 'metadata' || label === 'private-network')
    )
      labels.push(host === '' ? 'unknown' : host.includes('.') ? 'internet' : 'private-network');
  }
  if (/^(?:http|ftp|ws):/i.test(text) && !labels.includes('loopback')) labels.push('cleartext');
  return { kind, value: text, known: word.known, many: word.glob, labels };
}

/** The host of a URL, `user@host:path`, `host:port` or host; lower case, without brackets. */
export function hostOf(text: string): string {
  let rest = text;
  const scheme = rest.indexOf('://');
  if (scheme >= 0) rest = rest.slice(scheme + 3);
  rest = rest.split(/[/?#\\]/, 1)[0] ?? '';
  rest = rest.slice(rest.lastIndexOf('@') + 1);
  if (rest.startsWith('[')) return rest.slice(1, rest.indexOf(']')).toLowerCase();
  const colon = rest.indexOf(':');
  if (colon >= 0 && rest.indexOf(':', colon + 1) < 0) rest = rest.slice(0, colon);
  return rest.toLowerCase().replace(/\.$/, '');
}

/** An IPv4 address in any of the spellings that resolvers accept: dotted, decimal, hex, octal, short forms. */
function numericHost(host: string): number | null {
  const mapped = host.startsWith('::ffff:') ? host.slice(7) : host;
  if (!/^(?:0x[\da-f]+|\d+)(?:\.(?:0x[\da-f]+|\d+)){0,3}$/.test(mapped)) return null;
  const parts = mapped
    .split('.')
    .map((part) =>
      /^0x/.test(part)
        ? Number.parseInt(part, 16)
        : /^0\d/.test(part)
          ? Number.parseInt(part, 8)
          : Number(part),
    );
  let value = 0;
  for (const [at, part] of parts.entries()) {
    if (at < parts.length - 1) value += part * 256 ** (3 - at);
    else value += part;
  }
  return parts.length === 1 && host.length < 4 ? null : value;
}

function addressLabels(address: number): readonly string[] {
  const a = Math.floor(address / 2 ** 24);
  const b = Math.floor(address / 2 ** 16) % 256;
  if (address === 0xa9fea9fe || address === 0x646464c8) return ['metadata'];
  if (a === 127 || address === 0) return ['loopback'];
  if (
    a === 10 ||
    (a === 192 && b === 168) ||
    (a === 172 && b >= 16 && b < 32) ||
    (a === 100 && b >= 64 && b < 128)
  )
    return ['private-network', 'raw-address'];
  if (a === 169 && b === 254) return ['metadata'];
  return ['internet', 'raw-address'];
}
