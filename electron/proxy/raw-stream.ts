import type { Duplex } from 'node:stream';
import type { ProxyOutcome, ProxyQuestion } from '../wire/proxy-message.ts';
import { flowBack } from './back-flow.ts';
import { bodyReader } from './body-window.ts';
import { dialAddress, saysNear } from './dial.ts';
import { type FirstBytes, readFirstBytes } from './first-bytes.ts';
import type { Workings } from './inspection.ts';
import type { ConnectionRoute, ProxyAnswer } from './protocol-handler.ts';
import { failed, lookAt, owe } from './reporting.ts';
import { CONVERSATION_MS, sendJudged } from './rest.ts';
import { findPlaceholders } from './swap.ts';

/** A connection whose bytes nobody here understands. */
export interface RawStream {
  readonly route: ConnectionRoute;
  readonly host: string;
  readonly port: number;
  /** `tls` (passed on unopened), `server-first`, `unknown`, and `tls+…` within TLS that was opened. */
  readonly protocol: string;
  /** Upstream is spoken to over TLS: the client's was opened. */
  readonly secure: boolean;
  /** The protocol that client and server agree on in TLS. */
  readonly alpn: string | null;
}

/**
 * Carries it as it is, once it was asked about. When the client speaks first after all, and it is something that is understood, gives that back: it
 * must not pass as a stream because it waited.
 */
export async function serveStream(
  workings: Workings,
  socket: Duplex,
  stream: RawStream,
): Promise<FirstBytes | null> {
  const { windowBytes, fingerprintKey } = workings.settings();
  const encrypted = stream.protocol === 'tls';
  const first =
    socket.readableLength > 0 ? ((socket.read() as Buffer | null) ?? Buffer.alloc(0)) : Buffer.alloc(0);
  if (first.length > 0) socket.unshift(first);
  const gone = new AbortController();
  socket.once('close', () => gone.abort());
  socket.on('error', () => undefined);
  const scan = (bytes: Uint8Array) => workings.inspection.scan(bytes, fingerprintKey, 'part');
  const payload = scan(encrypted ? Buffer.alloc(0) : first);
  const placeholders = findPlaceholders(workings.routes.placeholders(stream.route.session), {
    target: '',
    headers: [],
    body: first,
    contentType: null,
  });
  const ask = (host: string, carried = payload): Promise<ProxyAnswer> => {
    const question: ProxyQuestion = {
      kind: 'stream',
      host,
      port: stream.port,
      protocol: stream.protocol,
      ...(stream.route.by === undefined ? {} : { by: stream.route.by }),
      payload: { ...carried, inspected: 'part' },
    };
    return workings.channel.ask(stream.route, question, placeholders, gone.signal);
  };
  const startedAt = Date.now();
  let answer = await ask(stream.host);
  const stop = (message: string): null => {
    owe(workings, answer, failed(startedAt, message));
    socket.destroy();
    return null;
  };
  if (answer.result !== 'ALLOW') return stop('denied');
  const found = await workings.upstream.resolve(stream.route.session, stream.host);
  if (!found.ok) return stop(found.error.message);
  if (found.value.near && !saysNear(stream.host)) {
    owe(workings, answer, failed(startedAt, 'the name leads to an address nearby, and it was asked again'));
    answer = await ask(found.value.address);
    if (answer.result !== 'ALLOW') return stop('denied');
  }
  // INVARIANT (what was judged is dialled): while a person thought about it, the name may have come to lead elsewhere.
  const dialled = await dialAddress(found.value.address, stream.port, stream.host);
  if (!dialled.ok) return stop(dialled.error.message);
  const secured = stream.secure
    ? await workings.upstream.secure(dialled.value, stream.host, stream.alpn === null ? [] : [stream.alpn])
    : null;
  if (secured !== null && !secured.ok) {
    if (secured.error.code === 'bad-certificate')
      workings.channel.refused(stream.route.session, 'bad-certificate', secured.error.message, stream.host);
    return stop(secured.error.message);
  }
  const upstream: Duplex = secured?.value ?? dialled.value;
  if (socket.destroyed) {
    upstream.destroy();
    return stop('the client is gone');
  }
  if (stream.protocol.endsWith('server-first') && (await clientSpeaksFirst(socket, upstream))) {
    const spoken = await readFirstBytes(socket, null);
    if (spoken.kind !== 'other' && spoken.kind !== 'silent' && spoken.kind !== 'closed') {
      upstream.destroy();
      owe(
        workings,
        answer,
        failed(startedAt, 'the client spoke first after all; it is asked about as what it speaks'),
      );
      return spoken;
    }
  }
  const back = flowBack(upstream, socket, encrypted ? 0 : windowBytes);
  const close = (): void => {
    upstream.destroy();
    socket.destroy();
  };
  upstream.once('error', close);
  upstream.once('close', () => socket.end());
  socket.once('close', () => upstream.destroy());
  const end = await sendJudged(
    {
      reader: bodyReader(socket),
      out: upstream,
      windowBytes,
      slowMs: CONVERSATION_MS,
      before: Buffer.alloc(0),
      plain: (raw) => Promise.resolve(encrypted ? Buffer.alloc(0) : raw),
      complete: () => true,
      trailers: () => [],
      end: () => upstream.end(),
    },
    scan,
    async (carried) => {
      const said = await ask(stream.host, carried);
      owe(workings, said, {
        ...failed(startedAt, 'a part of a stream; how it ended stands at its beginning'),
        result: 'unknown',
      });
      return said;
    },
  );
  if (end.kind !== 'sent') close();
  else if (!socket.destroyed) await new Promise((settle) => socket.once('close', settle));
  const flowed = back();
  const outcome: ProxyOutcome = {
    ...failed(startedAt, ''),
    result: end.kind === 'denied' ? 'failed' : 'unknown',
    error: end.kind === 'denied' ? 'a later part was denied, and the connection was cut' : null,
    sent: end.bytes,
    received: flowed.received,
    digest: flowed.digest,
    ...(encrypted
      ? {}
      : await lookAt(workings, {
          window: flowed.window,
          codings: [],
          received: flowed.received,
          contentType: null,
        })),
  };
  owe(workings, answer, outcome);
  return null;
}

/** True when the client says something before the server has; nothing is taken from either. */
function clientSpeaksFirst(socket: Duplex, upstream: Duplex): Promise<boolean> {
  return new Promise((settle) => {
    const done = (client: boolean) => (): void => {
      for (const stream of [socket, upstream]) {
        for (const event of ['readable', 'end', 'close']) {
          stream.off(event, clientFirst);
          stream.off(event, serverFirst);
        }
      }
      settle(client);
    };
    const clientFirst = done(true);
    const serverFirst = done(false);
    if (socket.readableLength > 0) return settle(true);
    socket.once('readable', clientFirst);
    upstream.once('readable', serverFirst);
    for (const event of ['end', 'close']) {
      socket.once(event, serverFirst);
      upstream.once(event, serverFirst);
    }
  });
}
