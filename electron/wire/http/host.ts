import ipaddr from 'ipaddr.js';

/** What is used of the platform's WHATWG parser; it is pure, and the one parser of targets there is. */
export interface ParsedUrl {
  readonly protocol: string;
  readonly username: string;
  readonly password: string;
  readonly hostname: string;
  readonly port: string;
  readonly pathname: string;
  readonly search: string;
  readonly hash: string;
}
declare const URL: { parse(text: string): ParsedUrl | null };

/** Parses by the WHATWG rules; null for what is no URL. */
export function parseUrl(text: string): ParsedUrl | null {
  return URL.parse(text);
}

/** A host and port as they will be dialled, and what is odd about how they were written. */
export interface Authority {
  readonly host: string;
  /** Null when none was given: the scheme's own. */
  readonly port: number | null;
  readonly oddities: readonly string[];
}

const MAX_AUTHORITY = 300;

/**
 * Reads `host[:port]` as the network will (docs/vocabulary.md names the oddities). Null for what is none: user names, paths,
 * blanks and control characters have no place in it.
 */
export function readAuthority(text: string): Authority | null {
  if (text === '' || text.length > MAX_AUTHORITY || /[\u0000-\u0020\u007f/?#\\@]/.test(text)) return null;
  const url = parseUrl(`http://${text}/`);
  if (url === null || url.hostname === '' || url.pathname !== '/' || url.username !== '') return null;
  const raw = rawHost(text);
  if (raw === null) return null;
  const port = /:(\d{1,5})$/.exec(text)?.[1];
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65535)) return null;
  const read = readHost(url.hostname, raw);
  return read === null ? null : { ...read, port: port === undefined ? null : Number(port) };
}

function rawHost(text: string): string | null {
  if (text.startsWith('[')) return /^\[([^\]]+)\](?::\d{1,5})?$/.exec(text)?.[1] ?? null;
  return /^([^:]+)(?::\d{1,5})?$/.exec(text)?.[1] ?? null;
}

/** Canonical host of what the WHATWG parser made of `raw`. */
function readHost(hostname: string, raw: string): Omit<Authority, 'port'> | null {
  const oddities = new Set<string>();
  if (raw.includes('%')) oddities.add('encoded-host');
  if (/[^\u0000-\u007f]/.test(raw)) oddities.add('unicode-host');
  if (hostname.startsWith('[')) {
    const { host, odd } = plainIpv6(hostname.slice(1, -1));
    if (odd) oddities.add('odd-address');
    return { host, oddities: [...oddities] };
  }
  let host = hostname;
  if (host.endsWith('.')) {
    oddities.add('trailing-dot');
    host = host.slice(0, -1);
  }
  // Stricter than WHATWG: `*`, `,` and `$` stand in no name that anybody owns, and read as several hosts elsewhere.
  if (!/^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/.test(host) || host.length > 253) return null;
  if (host.split('.').some((label) => label.length > 63)) return null;
  if (isIpv4(host)) {
    const written = raw.toLowerCase().replace(/\.$/, '');
    if (raw.endsWith('.')) oddities.add('trailing-dot');
    if (written !== host) oddities.add('odd-address');
  } else if (isHomograph(host)) oddities.add('homograph');
  return { host, oddities: [...oddities] };
}

/** True for four decimal numbers as the WHATWG parser writes them. */
export function isIpv4(host: string): boolean {
  return /^\d{1,3}(?:\.\d{1,3}){3}$/.test(host);
}

/** True for an address of either kind, without brackets. */
export function isAddress(host: string): boolean {
  return isIpv4(host) || host.includes(':');
}

/** An IPv6 address that is only a coat over an IPv4 one is that one; those that lead to one through a relay are odd and stay. */
function plainIpv6(text: string): { readonly host: string; readonly odd: boolean } {
  const inner = embeddedIpv4(text);
  if (inner === null) return { host: text, odd: false };
  return inner.mapped ? { host: inner.address, odd: true } : { host: text, odd: true };
}

/** The IPv4 address inside an IPv6 one: mapped, compatible, NAT64, 6to4. `mapped`: the kernel dials it as IPv4. Null when there is none. */
export function embeddedIpv4(host: string): { readonly address: string; readonly mapped: boolean } | null {
  if (!host.includes(':') || !ipaddr.IPv6.isValid(host)) return null;
  const parts = ipaddr.IPv6.parse(host).parts;
  const at = (high: number, low: number): string => [high >> 8, high & 255, low >> 8, low & 255].join('.');
  const [a = 0, b = 0, c = 0, , , f = 0, g = 0, h = 0] = parts;
  const zero = (from: number, to: number): boolean => parts.slice(from, to).every((part) => part === 0);
  if (zero(0, 5) && f === 0xffff) return { address: at(g, h), mapped: true };
  if (zero(0, 6) && (g !== 0 || h > 1)) return { address: at(g, h), mapped: false };
  if (a === 0x64 && b === 0xff9b && zero(2, 6)) return { address: at(g, h), mapped: false };
  if (a === 0x2002) return { address: at(b, c), mapped: false };
  return null;
}

/** True for an address of this machine, of a private or link-local network, or of no network at all. */
export function isNear(address: string): boolean {
  const inner = embeddedIpv4(address)?.address ?? address;
  if (!ipaddr.isValid(inner)) return false;
  return ipaddr.parse(inner).range() !== 'unicast';
}

const PRIVATE = ['private', 'uniqueLocal', 'carrierGradeNat', 'reserved'];
/** Metadata services that lie in such a range. */
const METADATA = ['100.100.100.200', 'fd00:ec2::254'];

/** True for an address of somebody's own network, or of one that has no other use: where a company's names may well lead. False for this machine, link-local ones and the rest. */
export function isPrivate(address: string): boolean {
  const inner = embeddedIpv4(address)?.address ?? address;
  if (!ipaddr.isValid(inner)) return false;
  const parsed = ipaddr.parse(inner);
  return PRIVATE.includes(parsed.range()) && !METADATA.includes(parsed.toString());
}

/**
 * True for a name that is made to be taken for another: a label with letters of several scripts, or one under a Latin ending whose letters only
 * look Latin. Under an ending of their own (`хор.рф`) the same letters are a word.
 */
function isHomograph(host: string): boolean {
  const labels = host.split('.');
  const latinEnding = labels[labels.length - 1]?.startsWith('xn--') !== true;
  return labels.some((label) => {
    if (!label.startsWith('xn--')) return false;
    const text = decodePunycode(label.slice(4));
    // The platform checks labels by UTS 46; one that we cannot read is odd all the same.
    if (text === null) return true;
    const scripts = SCRIPTS.filter(([, pattern]) => pattern.test(text)).map(([name]) => name);
    if (scripts.length > 1 && !isOrdinaryMix(scripts)) return true;
    return latinEnding && LOOKS_LATIN.test(text);
  });
}

const SCRIPTS: readonly (readonly [string, RegExp])[] = [
  ['latin', /\p{Script=Latin}/u],
  ['cyrillic', /\p{Script=Cyrillic}/u],
  ['greek', /\p{Script=Greek}/u],
  ['armenian', /\p{Script=Armenian}/u],
  ['cherokee', /\p{Script=Cherokee}/u],
  ['hebrew', /\p{Script=Hebrew}/u],
  ['arabic', /\p{Script=Arabic}/u],
  ['thai', /\p{Script=Thai}/u],
  ['devanagari', /\p{Script=Devanagari}/u],
  ['han', /\p{Script=Han}/u],
  ['hiragana', /\p{Script=Hiragana}/u],
  ['katakana', /\p{Script=Katakana}/u],
  ['hangul', /\p{Script=Hangul}/u],
];
/** Japanese, Korean and Chinese names are written in several scripts, Latin among them. */
const EAST_ASIAN = ['latin', 'han', 'hiragana', 'katakana', 'hangul'];
const isOrdinaryMix = (scripts: readonly string[]): boolean =>
  scripts.every((name) => EAST_ASIAN.includes(name));
/** Nothing but letters whose shape is a Latin letter's, digits and hyphens. */
const LOOKS_LATIN =
  /^(?=.*[^\p{ASCII}])[\p{ASCII}аеосрхуіјѕԁһԛԝӏαορνικτυωɑɡıƅԍյոսցօ\u2010-\u2015\u2044\u2215]+$/u;

/** Decodes the part of a label behind `xn--` (RFC 3492); null when it is none. */
function decodePunycode(text: string): string | null {
  const split = text.lastIndexOf('-');
  const output = split > 0 ? [...text.slice(0, split)].map((c) => c.codePointAt(0) ?? 0) : [];
  let n = 128;
  let i = 0;
  let bias = 72;
  let at = split > 0 ? split + 1 : split === 0 ? 1 : 0;
  while (at < text.length) {
    const before = i;
    let weight = 1;
    for (let k = 36; ; k += 36) {
      const c = text.charCodeAt(at);
      at += 1;
      const digit = c >= 97 && c <= 122 ? c - 97 : c >= 48 && c <= 57 ? c - 22 : -1;
      if (digit < 0) return null;
      i += digit * weight;
      const threshold = k <= bias ? 1 : k >= bias + 26 ? 26 : k - bias;
      if (digit < threshold) break;
      weight *= 36 - threshold;
      if (weight > 2 ** 31) return null;
    }
    const count = output.length + 1;
    bias = adapt(i - before, count, before === 0);
    n += Math.floor(i / count);
    i %= count;
    if (n > 0x10ffff) return null;
    output.splice(i, 0, n);
    i += 1;
  }
  return String.fromCodePoint(...output);
}

function adapt(delta: number, count: number, first: boolean): number {
  let left = first ? Math.floor(delta / 700) : delta >> 1;
  left += Math.floor(left / count);
  let k = 0;
  while (left > 455) {
    left = Math.floor(left / 35);
    k += 36;
  }
  return k + Math.floor((36 * left) / (left + 38));
}
