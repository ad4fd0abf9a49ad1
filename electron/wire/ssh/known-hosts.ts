import { fromBase64, sameBytes } from './bytes.ts';
import { readPublicKey } from './public-key.ts';

/** One line of a `known_hosts` file that names a key. */
export interface KnownHost {
  readonly marker: 'revoked' | null;
  /** Plain patterns, or the salt and hash of one name. */
  readonly names: readonly string[] | { readonly salt: Uint8Array; readonly hash: Uint8Array };
  readonly key: Uint8Array;
}

/** HMAC-SHA1 of a text under a salt: how `known_hosts` hides names. */
export type NameHash = (salt: Uint8Array, name: string) => Uint8Array;

/** Lines, or marks on them, that cannot be read are no lines: a host that only they name is not known. */
export function readKnownHosts(text: string): readonly KnownHost[] {
  return text.split(/\r?\n/).flatMap((line) => {
    const words = line.trim().split(/[ \t]+/);
    if (line.trim() === '' || line.trimStart().startsWith('#')) return [];
    const marker = words[0]?.startsWith('@') === true ? words.shift() : null;
    // A certificate authority vouches for keys that we are not shown here: not followed.
    if (marker !== null && marker !== '@revoked') return [];
    const [names = '', type = '', base64 = ''] = words;
    const key = fromBase64(base64);
    if (key === null || readPublicKey(key)?.type !== type) return [];
    const hidden = hiddenName(names);
    if (names.startsWith('|') && hidden === null) return [];
    return [{ marker: marker === null ? null : 'revoked', names: hidden ?? names.split(','), key }];
  });
}

function hiddenName(text: string): { readonly salt: Uint8Array; readonly hash: Uint8Array } | null {
  const [empty, version, salt = '', hash = '', ...more] = text.split('|');
  if (empty !== '' || version !== '1' || more.length > 0) return null;
  const read = { salt: fromBase64(salt), hash: fromBase64(hash) };
  return read.salt?.length === 20 && read.hash?.length === 20 ? { salt: read.salt, hash: read.hash } : null;
}

/** How `known_hosts` names a place: the host alone on port 22. */
export function knownName(host: string, port: number): string {
  return port === 22 ? host.toLowerCase() : `[${host.toLowerCase()}]:${port}`;
}

/** Host and port of an entry of a credential's hosts: `host`, `host:port`, `[address]:port`; null for a pattern, which names no one host. */
export function placeOfEntry(entry: string): { readonly host: string; readonly port: number } | null {
  const found = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::([1-9][0-9]{0,4}))?$/.exec(entry);
  if (found !== null) return { host: found[1] ?? found[2] ?? '', port: Number(found[3] ?? 22) };
  return /^[0-9A-Fa-f:]+$/.test(entry) ? { host: entry, port: 22 } : null;
}

/**
 * The first of a credential's `hosts` that a host's key belongs to; null when it belongs to none, or is revoked anywhere. Patterns of the
 * file match hosts, never the other way: a host that is allowed is one name.
 */
export function hostOfKey(
  known: readonly KnownHost[],
  key: Uint8Array,
  hosts: readonly string[],
  hash: NameHash,
): string | null {
  const rows = known.filter((row) => sameBytes(row.key, key));
  if (rows.some(({ marker }) => marker === 'revoked')) return null;
  const isKeyOf = (entry: string): boolean => {
    const place = placeOfEntry(entry);
    return (
      place !== null && rows.some(({ names }) => isNamed(names, knownName(place.host, place.port), hash))
    );
  };
  return hosts.find(isKeyOf) ?? null;
}

/** The lines of a `known_hosts` file that speak of any of these hosts, as they are. */
export function linesAbout(text: string, hosts: readonly string[], hash: NameHash): readonly string[] {
  const names = hosts.flatMap((entry) => {
    const place = placeOfEntry(entry);
    return place === null ? [] : [knownName(place.host, place.port)];
  });
  return text
    .split(/\r?\n/)
    .filter((line) =>
      readKnownHosts(line).some((row) => names.some((name) => isNamed(row.names, name, hash))),
    );
}

function isNamed(names: KnownHost['names'], host: string, hash: NameHash): boolean {
  if ('salt' in names) return sameBytes(hash(names.salt, host), names.hash);
  const matching = names.filter((name) => matches(name.replace(/^!/, '').toLowerCase(), host));
  return matching.length > 0 && !matching.some((name) => name.startsWith('!'));
}

/** `*` and `?`, as in OpenSSH; walked, so that no pattern takes long. */
function matches(pattern: string, text: string): boolean {
  let p = 0;
  let t = 0;
  let star = -1;
  let resume = 0;
  while (t < text.length) {
    if (p < pattern.length && pattern[p] === '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === text[t])) {
      p++;
      t++;
    } else if (star >= 0) {
      p = star + 1;
      t = ++resume;
    } else return false;
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}
