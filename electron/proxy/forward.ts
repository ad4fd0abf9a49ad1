import type { HttpRequest, HttpTarget } from '../core/http.ts';
import { nodeHasher } from '../edge/hasher.ts';
import type { Swap } from '../wire/proxy-message.ts';
import { denialText, makePage, type PageText } from './answer-page.ts';
import { type BodyReader, bodyReader, type Held, holdBody, isConversation } from './body-window.ts';
import { type Exchange, headerOf } from './exchange.ts';
import type { Share } from './hold-budget.ts';
import type { Workings } from './inspection.ts';
import { judge, sentTarget, type Understood, understand } from './judging.ts';
import type { ProxyAnswer } from './protocol-handler.ts';
import { type Relayed, relay } from './relay.ts';
import { failed, lookAt, owe } from './reporting.ts';
import { type RestEnd, sendRest } from './rest.ts';
import { type SendFault, type Sending, type Sent, send } from './sender.ts';
import { resign } from './sigv4.ts';
import { applySwaps, type Swapped, scrubsOf } from './swap.ts';

/** Without a byte for so long a body is given up. */
const SLOW_MS = 30_000;
const CROWDED =
  'too many bodies wait for their decision at a time; wait until some are through, and try again';
const NOTHING: Held = { chunks: [], bytes: 0, state: 'end' };

/** Carries one request through: read, understood, asked about, sent, answered, reported (docs/proxy-protocol.md, "One request"). Never rejects. */
export async function forward(workings: Workings, exchange: Exchange): Promise<void> {
  const share = workings.held.share(exchange.connection.route.session);
  try {
    await forwardWithin(workings, exchange, share);
  } finally {
    share.end();
  }
}

async function forwardWithin(workings: Workings, exchange: Exchange, share: Share): Promise<void> {
  const settings = workings.settings();
  const reader = exchange.hasBody ? bodyReader(exchange.body) : null;
  const talks = isConversation(headerOf(exchange.headers, 'content-type'), exchange.length);
  const held =
    reader === null ? NOTHING : await holdBody(reader, talks, settings.holdBytes, SLOW_MS, share.take);
  if (held.state === 'gone' || exchange.gone.aborted) return exchange.cut();
  if (held.state === 'slow')
    return refuse(
      workings,
      exchange,
      408,
      'slow-body',
      'the body did not arrive in time, so it could not be looked at; send it again',
    );
  if (held.state === 'full') return refuse(workings, exchange, 503, 'too-much-held', CROWDED);
  const understood = await understand(workings, exchange, held);
  if (!understood.ok) {
    const { status, code, reason } = understood.error;
    return refuse(workings, exchange, status, code, reason);
  }
  const what = understood.value;
  // Unpacked it stands beside itself.
  if (what.plain !== what.raw && !share.take(what.plain.length))
    return refuse(workings, exchange, 503, 'too-much-held', CROWDED);
  const judged = await judge(workings, exchange, what);
  const startedAt = Date.now();
  for (const before of judged.before)
    owe(workings, before, failed(startedAt, 'the name leads to an address nearby, and it was asked again'));
  const { answer } = judged;
  if (exchange.gone.aborted) {
    owe(workings, answer, failed(startedAt, 'the client was gone before anything was sent'));
    return exchange.cut();
  }
  if (answer.result !== 'ALLOW') return sendPage(exchange, denialText(answer));
  if (judged.fault !== null || judged.address === null) {
    const message = judged.fault?.message ?? 'the name leads nowhere';
    owe(workings, answer, failed(startedAt, message));
    return sendPage(exchange, failure(message));
  }
  const carried = { exchange, what, answer, address: judged.address, reader, held, startedAt };
  await carry(workings, carried).catch((error: unknown) => {
    owe(workings, answer, { ...failed(startedAt, 'the proxy failed'), result: 'unknown' });
    throw error;
  });
}

interface Carried {
  readonly exchange: Exchange;
  readonly what: Understood;
  readonly answer: ProxyAnswer;
  readonly address: string;
  readonly reader: BodyReader | null;
  readonly held: Held;
  readonly startedAt: number;
}

/** Sends what was let through, and its answer back. */
async function carry(workings: Workings, carried: Carried): Promise<void> {
  const { exchange, what, answer, address, startedAt } = carried;
  const swapped = await swap(carried);
  if ('error' in swapped) {
    owe(workings, answer, failed(startedAt, swapped.error));
    return sendPage(exchange, failure(swapped.error));
  }
  const { target } = what.request;
  const scheme = target.scheme === 'https' || target.scheme === 'wss' ? 'https' : 'http';
  const to = {
    session: exchange.connection.route.session,
    scheme,
    host: target.host,
    port: target.port,
    address,
  } as const;
  for (let tries = 0; ; tries += 1) {
    const carrier = await workings.upstream.carrier(to, exchange.protocol === 'h2');
    if (!carrier.ok)
      return unreachable(workings, carried, {
        fault: carrier.error,
        message: carrier.error.message,
        stale: false,
      });
    const sent = send(carrier.value, sendingOf(carried, swapped));
    const upload = pump(workings, carried, swapped, sent);
    const abort = (): void => sent.destroy();
    exchange.gone.addEventListener('abort', abort, { once: true });
    const answered = await Promise.race([
      sent.answered,
      upload.then(async (end) => (end.kind === 'sent' ? await sent.answered : end)),
    ]);
    if ('kind' in answered) {
      sent.destroy();
      return cutShort(workings, carried, swapped, answered);
    }
    if (!answered.ok) {
      exchange.gone.removeEventListener('abort', abort);
      // An idle connection that upstream had closed: nothing was done there, and what changes nothing may be sent again.
      if (
        answered.error.stale &&
        tries === 0 &&
        !exchange.hasBody &&
        /^(?:GET|HEAD|OPTIONS)$/.test(exchange.method)
      )
        continue;
      return unreachable(workings, carried, answered.error);
    }
    const relaying = relay(answered.value, exchange, {
      windowBytes: workings.settings().windowBytes,
      scrubs: swapped.scrub,
    });
    // A flow that shows itself in the rest of the body cuts what is under way.
    const ended = await Promise.race([
      relaying,
      upload.then(async (end) => (end.kind === 'denied' ? end : await relaying)),
    ]);
    exchange.gone.removeEventListener('abort', abort);
    if ('kind' in ended) {
      sent.destroy();
      exchange.cut();
      return cutShort(workings, carried, swapped, ended);
    }
    // An answer that came before the request was read: the rest is not wanted.
    const up = await Promise.race([upload, Promise.resolve(null)]);
    if (up === null && !ended.complete) sent.destroy();
    return report(workings, carried, swapped, ended, answered.value.status);
  }
}

/** The request as it is sent. */
function sendingOf(carried: Carried, swapped: Swapped): Sending {
  const { exchange, what } = carried;
  const { target } = what.request;
  const delta = swapped.body.length - what.raw.length;
  return {
    method: exchange.method,
    target: swapped.target,
    authority: authorityOf(target),
    scheme: target.scheme === 'https' || target.scheme === 'wss' ? 'https' : 'http',
    headers: swapped.headers,
    length:
      what.whole && exchange.hasBody
        ? // Trailers need chunks in HTTP/1.1.
          exchange.requestTrailers().length > 0
          ? null
          : swapped.body.length
        : exchange.length === null
          ? null
          : exchange.length + delta,
    hasBody: exchange.hasBody,
  };
}

/** `Host` as it is sent: of the target that was judged, whatever stood there. */
export function authorityOf(target: HttpTarget): string {
  const usual = target.scheme === 'https' || target.scheme === 'wss' ? 443 : 80;
  const host = target.host.includes(':') ? `[${target.host}]` : target.host;
  return target.port === usual ? host : `${host}:${target.port}`;
}

/** Puts credentials in their places; an error sends nothing. */
export async function swap(
  carried: Pick<Carried, 'exchange' | 'what' | 'answer'>,
): Promise<Swapped | { readonly error: string }> {
  const { exchange, what, answer } = carried;
  const plainly: Swapped = {
    target: sentTarget(exchange.rawTarget, what.request.target),
    headers: exchange.headers,
    body: what.raw,
    bodyChanged: false,
    used: [],
    scrub: [],
  };
  if (answer.swaps.length === 0) return plainly;
  const made = applySwaps(
    {
      target: plainly.target,
      headers: exchange.headers,
      body: what.plain,
      contentType: headerOf(exchange.headers, 'content-type'),
    },
    answer.swaps,
    Date.now(),
  );
  if (!made.ok) return { error: made.error.message };
  let swapped = made.value;
  if (!swapped.bodyChanged) swapped = { ...swapped, body: what.raw };
  else if (what.codings.length > 0 && !what.whole)
    return { error: 'a placeholder stands in a packed body that is too long to be held; send it unpacked' };
  else if (what.codings.length > 0)
    swapped = { ...swapped, headers: swapped.headers.filter(([name]) => name !== 'content-encoding') };
  for (const one of answer.swaps) {
    if (one.use.kind !== 'sigv4') continue;
    const signed = await resign(
      {
        method: exchange.method,
        host: authorityOf(what.request.target),
        path: swapped.target,
        headers: swapped.headers,
        bodySha256: what.whole ? nodeHasher.sha256(swapped.body) : null,
      },
      one,
      Date.now(),
    );
    if (!signed.ok) return { error: signed.error };
    swapped = {
      ...swapped,
      target: signed.value.path,
      headers: signed.value.headers.filter(([name]) => name !== 'host'),
      used: [...swapped.used, one.minted],
      scrub: [...swapped.scrub, ...sigv4Scrubs(one)],
    };
  }
  // What comes back is looked through for the secret, which is quickest in plain text.
  if (swapped.scrub.length > 0)
    swapped = {
      ...swapped,
      headers: [
        ...swapped.headers.filter(([name]) => !MAKES_UNREADABLE.has(name)),
        ['accept-encoding', 'identity'],
      ],
    };
  return swapped;
}

/** Packed, or in pieces of a client's choice, a secret that is echoed would not be found in an answer. */
const MAKES_UNREADABLE = new Set(['accept-encoding', 'range', 'if-range']);

/** Of a signature nothing but the session's token is sent; the key itself never. */
function sigv4Scrubs(one: Swap): Swapped['scrub'] {
  const token = one.use.kind === 'sigv4' ? one.use.sessionToken : null;
  return [one.secret, ...(token === null ? [] : [token])].flatMap((secret) =>
    scrubsOf(secret, one.placeholder),
  );
}

/** Sends the body: what was held, then what follows. */
async function pump(workings: Workings, carried: Carried, swapped: Swapped, sent: Sent): Promise<RestEnd> {
  const { exchange, what, reader, held } = carried;
  if (reader === null || what.whole) {
    if (exchange.hasBody && swapped.body.length > 0) sent.body.write(swapped.body);
    sent.end(exchange.hasBody ? exchange.requestTrailers() : []);
    return { kind: 'sent', bytes: 0 };
  }
  if (swapped.body.length > 0) sent.body.write(swapped.body);
  const { windowBytes, fingerprintKey } = workings.settings();
  return await sendRest(
    { exchange, reader, sent, held: held.chunks, codings: what.codings, windowBytes },
    (bytes) => workings.inspection.scan(bytes, fingerprintKey, 'part'),
    async (payload) => {
      const request: HttpRequest = { ...what.request, inspected: 'part' };
      const answer = await workings.channel.ask(
        exchange.connection.route,
        { kind: 'request', request, payload, address: carried.address, hop: 0 },
        [],
        exchange.gone,
      );
      owe(workings, answer, {
        ...failed(carried.startedAt, 'a part of a body; how it ended stands at its first part'),
        result: 'unknown',
      });
      return answer;
    },
  );
}

async function report(
  workings: Workings,
  carried: Carried,
  swapped: Swapped,
  relayed: Relayed,
  status: number,
): Promise<void> {
  if (!carried.answer.reportEnd) return;
  const looked = await lookAt(workings, relayed);
  owe(workings, carried.answer, {
    result: relayed.complete ? (status < 400 ? 'succeeded' : 'failed') : 'unknown',
    status: String(status),
    error: relayed.complete ? null : 'the answer was cut',
    sent: sentBytes(carried),
    received: relayed.received,
    digest: relayed.digest,
    contentType: relayed.contentType?.slice(0, 256) ?? null,
    startedAt: carried.startedAt,
    endedAt: Date.now(),
    ...looked,
    used: swapped.used,
  });
}

function sentBytes(carried: Carried): number {
  return carried.exchange.length ?? carried.held.bytes;
}

function cutShort(
  workings: Workings,
  carried: Carried,
  swapped: Swapped,
  end: Exclude<RestEnd, { kind: 'sent' }>,
): void {
  const { exchange, answer, startedAt, held } = carried;
  const message = end.kind === 'denied' ? end.message : 'the client stopped in the middle of the body';
  owe(workings, answer, {
    ...failed(
      startedAt,
      end.kind === 'denied' ? 'a later part of the body was denied, and the connection was cut' : message,
    ),
    sent: held.bytes + end.bytes,
    used: swapped.used,
  });
  if (end.kind !== 'denied') return exchange.cut();
  if (!exchange.gone.aborted)
    sendPage(exchange, { status: 403, title: 'Denied by Countersign', message, rule: null, receipt: null });
}

function unreachable(workings: Workings, carried: Carried, fault: SendFault): void {
  const { exchange, answer, startedAt, what } = carried;
  if (fault.fault?.code === 'bad-certificate')
    workings.channel.refused(
      exchange.connection.route.session,
      'bad-certificate',
      fault.message,
      what.request.target.host,
    );
  owe(workings, answer, failed(startedAt, fault.message));
  if (exchange.gone.aborted) return exchange.cut();
  sendPage(exchange, failure(fault.message));
}

/** The page of a thing that went wrong upstream. */
export function failure(message: string): PageText {
  return { status: 502, title: 'Countersign could not send this', message, rule: null, receipt: null };
}

/** Refuses what never became a question. */
export function refuse(
  workings: Workings,
  exchange: Exchange,
  status: number,
  code: string,
  reason: string,
): void {
  workings.channel.refused(exchange.connection.route.session, code, reason, exchange.connection.host);
  sendPage(exchange, { status, title: 'Refused by Countersign', message: reason, rule: null, receipt: null });
}

/** Answers with a page of our own. */
export function sendPage(exchange: Exchange, text: PageText): void {
  const page = makePage(text, exchange.headers, exchange.method);
  const out = exchange.respond(page.head);
  if (page.body.length > 0) out.write(page.body);
  exchange.finish([]);
}
