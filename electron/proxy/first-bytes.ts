import type { Duplex } from 'node:stream';

/** Nothing for so long: the server speaks first. */
export const SILENCE_MS = 300;
/** A ClientHello is not longer than one record and a little. */
const MAX_HELLO = 16_640;

/** What a TLS client says before anything is encrypted. */
export interface ClientHello {
  readonly serverName: string | null;
  readonly protocols: readonly string[];
}

/** What a connection begins with. The bytes themselves were put back. */
export type FirstBytes =
  | { readonly kind: 'tls'; readonly hello: ClientHello }
  | { readonly kind: 'http' }
  | { readonly kind: 'h2' }
  | { readonly kind: 'postgres' }
  | { readonly kind: 'preamble' }
  | { readonly kind: 'silent' }
  | { readonly kind: 'other' }
  /** It begins like TLS or HTTP and cannot be read as that, or stopped in the middle of what would tell: no stream, since it may go on as either. */
  | { readonly kind: 'unclear' }
  | { readonly kind: 'closed' };

const H2_PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const PREAMBLE = Buffer.from('CSN1 ');
const METHOD = /^[A-Z][A-Z-]{0,23} /;
/** What some server takes for a request line, though no client of good faith writes it so; Node's parser refuses what is none. */
const REQUEST = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,40}[ \t]+(?:[/*]|https?:|wss?:)/i;
/** A beginning of such a line. */
const WORD = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{0,40}[ \t]*$/;
/** Empty lines before a request are skipped by servers (RFC 9112, 2.2), blanks by some. */
const MAX_BLANKS = 1_024;
const POSTGRES_CODES = [80877103, 80877102, 80877104, 196608, 196610];

/** What the bytes so far are; null: more of them must come before it can be said. */
export function classifyFirstBytes(bytes: Buffer): Exclude<FirstBytes, { kind: 'silent' | 'closed' }> | null {
  if (bytes.length === 0) return null;
  if (bytes[0] === 0x16) {
    if (bytes.length > 1 && bytes[1] !== 3) return { kind: 'other' };
    const hello = parseClientHello(bytes);
    if (hello === 'more') return bytes.length < MAX_HELLO ? null : { kind: 'unclear' };
    return hello === 'other' ? { kind: 'unclear' } : { kind: 'tls', hello };
  }
  if (isOldHello(bytes)) return bytes.length < 4 ? null : { kind: 'unclear' };
  if (startsAlike(bytes, PREAMBLE)) return bytes.length < PREAMBLE.length ? null : { kind: 'preamble' };
  if (startsAlike(bytes, H2_PREFACE) && bytes.length >= 4)
    return bytes.length < H2_PREFACE.length ? null : { kind: 'h2' };
  if (bytes[0] === 0 && bytes.length < 8) return null;
  if (bytes[0] === 0 && POSTGRES_CODES.includes(bytes.readUInt32BE(4))) {
    const length = bytes.readUInt32BE(0);
    return length >= 8 && length <= 10_000 ? { kind: 'postgres' } : { kind: 'other' };
  }
  return classifyText(bytes);
}

/** Of a first line: HTTP as anybody may read it, in whatever case and behind whatever blanks (T4). */
function classifyText(bytes: Buffer): { readonly kind: 'http' | 'other' | 'unclear' } | null {
  const text = bytes.toString('latin1', 0, MAX_HELLO).replace(/^[ \t\r\n\v\f]+/, '');
  if (text === '') return bytes.length < MAX_BLANKS ? null : { kind: 'unclear' };
  if (METHOD.test(text) || REQUEST.test(text)) return { kind: 'http' };
  const end = text.indexOf('\n');
  if (end >= 0) return { kind: /\bHTTP\/\d/i.test(text.slice(0, end)) ? 'http' : 'other' };
  return WORD.test(text) ? null : { kind: 'other' };
}

/** The ClientHello in the clothes of SSL 2 that servers still take: a length, the type 1, a version of TLS. Also when it may become one. */
function isOldHello(bytes: Buffer): boolean {
  const [length = 0, , type = 1, version = 3] = bytes;
  return length >= 0x80 && length < 0xc0 && type === 1 && version === 3;
}

/** True when one is the beginning of the other. */
function startsAlike(bytes: Buffer, whole: Buffer): boolean {
  const length = Math.min(bytes.length, whole.length);
  return bytes.compare(whole, 0, length, 0, length) === 0;
}

/** Reads server name and protocols of a ClientHello, which may stand in several records. */
export function parseClientHello(bytes: Buffer): ClientHello | 'more' | 'other' {
  const parts: Buffer[] = [];
  let have = 0;
  let need = 4;
  for (let at = 0; have < need; ) {
    if (bytes.length < at + 5) return 'more';
    if (bytes[at] !== 0x16 || bytes[at + 1] !== 3) return 'other';
    const length = bytes.readUInt16BE(at + 3);
    if (length === 0 || length > 16_384) return 'other';
    const part = bytes.subarray(at + 5, at + 5 + length);
    parts.push(part);
    have += part.length;
    if (have >= 4 && need === 4) {
      const head = Buffer.concat(parts);
      if (head[0] !== 1) return 'other';
      need = 4 + head.readUIntBE(1, 3);
      if (need > MAX_HELLO) return 'other';
    }
    if (have < need && part.length < length) return 'more';
    at += 5 + length;
  }
  return readHello(Buffer.concat(parts).subarray(4, need));
}

function readHello(hello: Buffer): ClientHello | 'other' {
  let serverName: string | null = null;
  const protocols: string[] = [];
  try {
    let at = 34;
    at += 1 + hello.readUInt8(at);
    at += 2 + hello.readUInt16BE(at);
    at += 1 + hello.readUInt8(at);
    if (at === hello.length) return { serverName, protocols };
    const end = at + 2 + hello.readUInt16BE(at);
    at += 2;
    while (at + 4 <= end) {
      const type = hello.readUInt16BE(at);
      const length = hello.readUInt16BE(at + 2);
      const body = hello.subarray(at + 4, at + 4 + length);
      if (body.length !== length) return 'other';
      if (type === 0 && length > 5 && body[2] === 0)
        serverName = body.toString('latin1', 5, 5 + body.readUInt16BE(3)).toLowerCase();
      if (type === 16)
        for (let p = 2; p < body.length; p += 1 + body.readUInt8(p))
          protocols.push(body.toString('latin1', p + 1, p + 1 + body.readUInt8(p)));
      at += 4 + length;
    }
  } catch {
    return 'other';
  }
  return { serverName, protocols };
}

/**
 * Waits for enough bytes to tell what a connection speaks, and puts them back. `silenceMs` null: waits until `limitMs` for the first byte.
 * Once bytes came that are not enough to tell, `limitMs` more are given, after which it is `unclear`: the rest could make it a request.
 */
export function readFirstBytes(
  socket: Duplex,
  silenceMs: number | null = SILENCE_MS,
  limitMs = 10_000,
): Promise<FirstBytes> {
  return new Promise((settle) => {
    let seen: Buffer = Buffer.alloc(0);
    const done = (what: FirstBytes): void => {
      clearTimeout(timer);
      socket.off('readable', look);
      socket.off('end', gone);
      socket.off('close', gone);
      socket.off('error', gone);
      if (seen.length > 0) socket.unshift(seen);
      settle(what);
    };
    const late = (): void => done(seen.length === 0 ? { kind: 'silent' } : { kind: 'unclear' });
    let timer = setTimeout(late, silenceMs ?? limitMs);
    const gone = (): void => done(seen.length === 0 ? { kind: 'closed' } : { kind: 'other' });
    const look = (): void => {
      for (;;) {
        const chunk = socket.read() as Buffer | null;
        if (chunk === null) return;
        if (seen.length === 0) {
          clearTimeout(timer);
          timer = setTimeout(late, limitMs);
        }
        seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
        const what = classifyFirstBytes(seen);
        if (what !== null) return done(what);
      }
    };
    socket.on('readable', look);
    socket.once('end', gone);
    socket.once('close', gone);
    socket.once('error', gone);
    look();
  });
}
