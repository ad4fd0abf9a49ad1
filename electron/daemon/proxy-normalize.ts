import type { Action } from '../core/action.ts';
import type { Effect } from '../core/effect.ts';
import type { Hasher } from '../core/ports.ts';
import { ok, type Result, unreachable } from '../core/result.ts';
import type { Knowledge } from '../core/semantic/knowledge.ts';
import { objectOf } from '../core/semantic/objects.ts';
import { effectOn, objectAction } from '../wire/file-action.ts';
import { buildHttpAction } from '../wire/http/http-action.ts';
import { hostAndPort } from '../wire/network-action.ts';
import type { ProxyQuestion } from '../wire/proxy-message.ts';
import { buildStatementAction } from '../wire/sql/statement-action.ts';
import { buildSignAction } from '../wire/ssh/sign-action.ts';
import type { NormalizeFault, NormalizeInput, ProxyEnvelope } from './mediation.ts';
import type { ProxySubmission } from './proxy-ports.ts';

/** Turns what the proxy intercepted into an Action (architecture.md, stage 2), by the kind of thing that is about to leave. */
export function normalizeProxied(
  input: Omit<NormalizeInput, 'envelope'> & { readonly envelope: ProxyEnvelope },
  knowledge: Knowledge,
  hasher: Hasher,
  own: readonly string[],
): Result<Action, NormalizeFault> {
  const { session, envelope, id, at, modifiedFrom } = input;
  const submission: ProxySubmission = {
    id,
    sessionId: session.id,
    at,
    surface: 'http',
    place: {
      cwd: null,
      home: session.home,
      workspace: session.workspace,
      user: session.identity.human.name,
    },
    own,
    by: null,
    modifiedFrom,
  };
  const built = build(submission, envelope.question, knowledge, hasher);
  if (!built.ok || envelope.data === undefined) return built;
  return ok({ ...built.value, data: { ...built.value.data, ...envelope.data } });
}

function build(
  submission: ProxySubmission,
  question: ProxyQuestion,
  knowledge: Knowledge,
  hasher: Hasher,
): Result<Action, NormalizeFault> {
  switch (question.kind) {
    case 'request': {
      const { request, payload, address } = question;
      const action = buildHttpAction({ ...submission, request, payload, address }, knowledge, hasher);
      // Opening the connection was left to this: what policy says of connecting there, it says here.
      if (action.effects.some(({ kind }) => kind === 'connect')) return ok(action);
      const connects = connectEffect(submission, request.target.host, request.target.port, [], knowledge);
      return ok({ ...action, effects: [...action.effects, connects] });
    }
    case 'stream':
      return ok(buildStreamAction(submission, question, knowledge, hasher));
    case 'statement':
      return ok(buildStatementAction({ ...submission, question }, hasher));
    case 'sign':
      return ok(buildSignAction({ ...submission, question }, knowledge, hasher));
    default:
      return unreachable(question);
  }
}

/**
 * Bytes of a protocol that is not understood, or of TLS that is passed on unopened (AARM R1): tool `network`, operation `stream`. What
 * they say is unknown, so they count as sending and as fetching.
 */
function buildStreamAction(
  submission: ProxySubmission,
  question: Extract<ProxyQuestion, { readonly kind: 'stream' }>,
  knowledge: Knowledge,
  hasher: Hasher,
): Action {
  const { host, port, protocol, by, payload } = question;
  const connects = connectEffect(submission, host, port, ['opaque'], knowledge);
  const sends: Effect = { ...connects, kind: 'upload', reversible: 'no' };
  const parameters = { host, port, protocol, ...(by === undefined ? {} : { by }) };
  const effects = [connects, sends];
  const action = objectAction(
    submission,
    { tool: 'network', operation: 'stream', parameters, effects },
    true,
    hasher,
  );
  return { ...action, carries: payload };
}

function connectEffect(
  submission: ProxySubmission,
  host: string,
  port: number,
  tags: readonly string[],
  knowledge: Knowledge,
): Effect {
  const text = hostAndPort(host, port);
  const word = { text, raw: text, known: true, glob: false };
  return effectOn(
    'connect',
    objectOf(word, 'host', [], 'here', submission.place, knowledge),
    tags,
    'unknown',
  );
}
