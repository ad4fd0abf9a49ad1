/**
 * A PKCS#12 file of certificates that are trusted for anything, as Java reads a trust store. Without a password and without encryption:
 * certificates are public, and who could change the file could change the variable that names it.
 */
export function trustStore(certificates: readonly Uint8Array[]): Uint8Array {
  const bags = certificates.map((certificate, at) => bag(certificate, `countersign-${at}`));
  const safe = contentInfo(sequence(bags));
  return sequence([integer(3), contentInfo(sequence([safe]))]);
}

const DATA = [1, 2, 840, 113549, 1, 7, 1] as const;
const CERTIFICATE_BAG = [1, 2, 840, 113549, 1, 12, 10, 1, 3] as const;
const X509_CERTIFICATE = [1, 2, 840, 113549, 1, 9, 22, 1] as const;
const FRIENDLY_NAME = [1, 2, 840, 113549, 1, 9, 20] as const;
/** Oracle's: without it Java takes a certificate for one of a chain, and trusts nothing. */
const TRUSTED_KEY_USAGE = [2, 16, 840, 1, 113894, 746875, 1, 1] as const;
const ANY_USE = [2, 5, 29, 37, 0] as const;

function bag(certificate: Uint8Array, name: string): Uint8Array {
  const inner = sequence([oid(X509_CERTIFICATE), tagged(0, octets(certificate))]);
  const utf16 = new Uint8Array(name.length * 2);
  for (let at = 0; at < name.length; at += 1) utf16[at * 2 + 1] = name.charCodeAt(at);
  return sequence([
    oid(CERTIFICATE_BAG),
    tagged(0, inner),
    set([
      sequence([oid(FRIENDLY_NAME), set([element(0x1e, utf16)])]),
      sequence([oid(TRUSTED_KEY_USAGE), set([oid(ANY_USE)])]),
    ]),
  ]);
}

function contentInfo(content: Uint8Array): Uint8Array {
  return sequence([oid(DATA), tagged(0, octets(content))]);
}

const sequence = (parts: readonly Uint8Array[]): Uint8Array => element(0x30, joined(parts));
const set = (parts: readonly Uint8Array[]): Uint8Array => element(0x31, joined(parts));
const octets = (bytes: Uint8Array): Uint8Array => element(0x04, bytes);
const integer = (value: number): Uint8Array => element(0x02, Uint8Array.of(value));
const tagged = (tag: number, bytes: Uint8Array): Uint8Array => element(0xa0 | tag, bytes);

function oid(arcs: readonly number[]): Uint8Array {
  const [first = 0, second = 0, ...rest] = arcs;
  const bytes = [first * 40 + second, ...rest].flatMap((arc) => {
    const groups = [arc & 0x7f];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128))
      groups.unshift((left & 0x7f) | 0x80);
    return groups;
  });
  return element(0x06, Uint8Array.from(bytes));
}

function element(tag: number, content: Uint8Array): Uint8Array {
  const length: number[] = [];
  for (let left = content.length; left > 0; left = Math.floor(left / 256)) length.unshift(left % 256);
  const head = content.length < 128 ? [tag, content.length] : [tag, 0x80 | length.length, ...length];
  return joined([Uint8Array.from(head), content]);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
