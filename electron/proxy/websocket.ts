import { type IncomingMessage, request as request1 } from 'node:http';
import type { Duplex } from 'node:stream';
import { err, ok, type Result } from '../core/result.ts';
import { denialText } from './answer-page.ts';
import { flowBack } from './back-flow.ts';
import { bodyReader } from './body-window.ts';
import type { Exchange } from './exchange.ts';
import { authorityOf, failure, refuse, sendPage, swap } from './forward.ts';
import type { Workings } from './inspection.ts';
import { judge, type Understood, understand } from './judging.ts';
import type { DialFault } from './protocol-handler.ts';
import { relay } from './relay.ts';
import { failed, lookAt, owe } from './reporting.ts';
import { answerHeaders } from './request-head.ts';
import { CONVERSATION_MS, sendJudged } from './rest.ts';
import type { Answered } from './sender.ts';
import { type Swapped, scrubHeaders } from './swap.ts';
import { type Carrier, DialError } from './upstream.ts';
import { frameReader } from './websocket-frames.ts';

/** Carries a WebSocket: the handshake is the action, and what the client says afterwards is judged by what it holds. Never rejects. */
export async function serveWebSocket(
  workings: Workings,
  bare: Exchange,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  // Compression is an extension: without it every frame can be read.
  const exchange: Exchange = {
    ...bare,
    headers: bare.headers.filter(([name]) => name !== 'sec-websocket-extensions'),
  };
  if (head.length > 0) socket.unshift(head);
  const understood = await understand(workings, exchange, { chunks: [], bytes: 0, state: 'end' });
  if (!understood.ok) return refuse(workings, exchange, 400, understood.error.code, understood.error.reason);
  const what = understood.value;
  const judged = await judge(workings, exchange, what);
  const { answer } = judged;
  const startedAt = Date.now();
  for (const before of judged.before)
    owe(workings, before, failed(startedAt, 'the name leads to an address nearby, and it was asked again'));
  if (exchange.gone.aborted) {
    owe(workings, answer, failed(startedAt, 'the client was gone before anything was sent'));
    return exchange.cut();
  }
  if (answer.result !== 'ALLOW') return sendPage(exchange, denialText(answer));
  const fail = (message: string): void => {
    owe(workings, answer, failed(startedAt, message));
    sendPage(exchange, failure(message));
  };
  if (judged.address === null) return fail(judged.fault?.message ?? 'the name leads nowhere');
  const swapped = await swap({ exchange, what, answer });
  if ('error' in swapped) return fail(swapped.error);
  const { target } = what.request;
  const carrier = await workings.upstream.carrier(
    {
      session: exchange.connection.route.session,
      scheme: target.scheme === 'https' || target.scheme === 'wss' ? 'https' : 'http',
      host: target.host,
      port: target.port,
      address: judged.address,
    },
    false,
  );
  if (!carrier.ok) return fail(carrier.error.message);
  const shaken = await handshake(carrier.value, what, swapped, exchange);
  if (!shaken.ok) {
    if (shaken.error.code === 'bad-certificate')
      workings.channel.refused(
        exchange.connection.route.session,
        'bad-certificate',
        shaken.error.message,
        target.host,
      );
    return fail(shaken.error.message);
  }
  if ('answered' in shaken.value) {
    const { answered } = shaken.value;
    const relayed = await relay(answered, exchange, {
      windowBytes: workings.settings().windowBytes,
      scrubs: swapped.scrub,
    });
    return owe(workings, answer, {
      ...failed(startedAt, `upstream did not change to a WebSocket: ${answered.status}`),
      status: String(answered.status),
      received: relayed.received,
      digest: relayed.digest,
      used: swapped.used,
    });
  }
  const { upstream, response, first } = shaken.value;
  if (response.headers['sec-websocket-extensions'] !== undefined) {
    upstream.destroy();
    return fail('upstream uses an extension that nobody asked for');
  }
  if (first.length > 0) upstream.unshift(first);
  exchange.respond({
    status: 101,
    reason: 'Switching Protocols',
    headers: [
      ...scrubHeaders(answerHeaders(response.rawHeaders), swapped.scrub),
      ['connection', 'Upgrade'],
      ['upgrade', 'websocket'],
    ],
    bodyless: false,
  });
  const frames = frameReader();
  const { windowBytes, fingerprintKey } = workings.settings();
  const back = flowBack(upstream, socket, windowBytes, swapped.scrub);
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
      plain: (raw) => Promise.resolve(frames.push(raw)),
      complete: () => frames.complete(),
      trailers: () => [],
      end: () => upstream.end(),
    },
    (bytes) => workings.inspection.scan(bytes, fingerprintKey, 'part'),
    async (payload) => {
      const request = { ...what.request, inspected: 'part' as const };
      const said = await workings.channel.ask(
        exchange.connection.route,
        { kind: 'request', request, payload, address: judged.address, hop: 0 },
        [],
        exchange.gone,
      );
      owe(workings, said, {
        ...failed(startedAt, 'a message; how the connection ended stands at its handshake'),
        result: 'unknown',
      });
      return said;
    },
  );
  if (end.kind !== 'sent') close();
  else await closed(socket);
  const flowed = back();
  owe(workings, answer, {
    ...failed(startedAt, ''),
    result: end.kind === 'denied' ? 'failed' : 'succeeded',
    error: end.kind === 'denied' ? 'a message was denied, and the connection was cut' : null,
    status: '101',
    sent: end.bytes,
    received: flowed.received,
    digest: flowed.digest,
    endedAt: Date.now(),
    ...(await lookAt(workings, {
      window: flowed.window,
      codings: [],
      received: flowed.received,
      contentType: null,
    })),
    used: swapped.used,
  });
}

function closed(socket: Duplex): Promise<void> {
  if (socket.destroyed) return Promise.resolve();
  return new Promise((settle) => {
    socket.once('close', () => settle());
  });
}

type Shaken =
  | { readonly upstream: Duplex; readonly response: IncomingMessage; readonly first: Buffer }
  | { readonly answered: Answered };

function handshake(
  carrier: Carrier,
  what: Understood,
  swapped: Swapped,
  exchange: Exchange,
): Promise<Result<Shaken, DialFault>> {
  return new Promise((settle) => {
    if (carrier.kind !== 'h1') throw new Error('a WebSocket goes over HTTP/1.1');
    const flat = ['host', authorityOf(what.request.target), 'connection', 'Upgrade', 'upgrade', 'websocket'];
    for (const [name, value] of swapped.headers) if (name !== 'content-length') flat.push(name, value);
    const request = request1({
      agent: carrier.agent,
      method: 'GET',
      path: swapped.target,
      headers: flat,
      setHost: false,
      setDefaultHeaders: false,
    });
    exchange.gone.addEventListener('abort', () => request.destroy(), { once: true });
    request.once('upgrade', (response, upstream, first) => settle(ok({ upstream, response, first })));
    request.once('response', (response) =>
      settle(
        ok({
          answered: {
            status: response.statusCode ?? 502,
            reason: response.statusMessage ?? '',
            headers: [
              ...answerHeaders(response.rawHeaders).filter(([n]) => n !== 'content-length'),
              ['connection', 'close'],
            ],
            body: response,
            ended: false,
            trailers: () => [],
          },
        }),
      ),
    );
    request.on('error', (error: NodeJS.ErrnoException) =>
      settle(
        err(
          error instanceof DialError
            ? error.fault
            : {
                code: 'unreachable',
                message: `the connection broke before an answer came (${error.code ?? 'unknown'})`,
              },
        ),
      ),
    );
    request.end();
  });
}
