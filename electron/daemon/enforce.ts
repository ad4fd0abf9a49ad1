import type { Action } from '../core/action.ts';
import type { ActionId, JsonObject } from '../core/brand.ts';
import type { Decision } from '../core/decision.ts';
import { unseenByParts } from '../core/parts.ts';
import { applyToArguments, redirectionOf, transformWithin } from '../core/policy/transform.ts';
import { err, ok, type Result, unreachable } from '../core/result.ts';
import { hostAndPort } from '../wire/network-action.ts';
import { waitForFacts } from './await-facts.ts';
import { waitForPerson } from './await-person.ts';
import { rulesOf } from './effect-within.ts';
import { finish, freshTrail, originalOf, rebuild, rebuildCall, type Trail } from './finish.ts';
import type { Answer, ArmedPolicy, MediationPorts, Passage } from './mediation.ts';
import { redirect } from './redirect.ts';
import { evaluateNow } from './stages.ts';

/** The one switch over the five decisions (AARM R4). */
export async function enforce(
  ports: MediationPorts,
  policy: ArmedPolicy,
  passage: Passage,
  decision: Decision,
  trail: Trail = freshTrail(decision),
): Promise<Answer> {
  if (isContained(passage, decision)) {
    const reason = `in a preview, of which nothing lasts unless a person commits it: ${decision.reason}`;
    const allowed = { ...decision, result: 'ALLOW', modify: null, reason } as const;
    return finish(ports, passage, allowed, 'ALLOW', { ...trail, decided: decision.result });
  }
  if (decision.result !== 'DENY' && decision.result !== 'ALLOW' && passage.action.partsFollow) {
    const beyond = isConnection(passage.action)
      ? beyondTheRequests(ports, policy, passage, decision)
      : beyondTheParts(ports, policy, passage);
    if (beyond === null)
      return finish(ports, passage, leftToTheParts(decision, passage.action), 'ALLOW', {
        ...trail,
        decided: 'ALLOW',
      });
    return carryOut(ports, policy, passage, beyond, { ...trail, decided: beyond.result });
  }
  return carryOut(ports, policy, passage, decision, trail);
}

/**
 * What a preview does instead of asking: the guard lets nothing out of it, so that the effect itself can be shown to the person who would be
 * asked. What is denied stays denied, a changed command is changed, and a secret is not read unasked: that could not be taken back. A
 * change of a file needs no other place: what it changes is the overlay.
 */
function isContained({ session, action }: Passage, decision: Decision): boolean {
  if (session.guard?.preview !== true) return false;
  if (decision.result === 'MODIFY') return action.tool === 'file';
  if (decision.result !== 'STEP_UP' && decision.result !== 'DEFER') return false;
  return !(action.tool === 'file' && action.operation === 'read');
}

/** What each of the five decisions means for an action that is settled as a whole. */
async function carryOut(
  ports: MediationPorts,
  policy: ArmedPolicy,
  passage: Passage,
  decision: Decision,
  trail: Trail,
): Promise<Answer> {
  switch (decision.result) {
    case 'DENY':
      return finish(ports, passage, decision, 'DENY', trail);
    case 'ALLOW':
    case 'MODIFY':
    case 'STEP_UP': {
      // R4.d5: what depends on a parked action is parked too, whatever it would have been.
      const blockers = ports.deferrals.blockersOf(passage.action);
      if (blockers.length > 0)
        return waitForFacts(ports, policy, passage, behind(decision, blockers), trail, enforce, blockers);
      if (decision.result === 'ALLOW') return finish(ports, passage, decision, 'ALLOW', trail);
      if (decision.result === 'STEP_UP') return waitForPerson(ports, policy, passage, decision, trail);
      return modify(ports, policy, passage, decision, trail);
    }
    case 'DEFER':
      return waitForFacts(
        ports,
        policy,
        passage,
        decision,
        trail,
        enforce,
        ports.deferrals.blockersOf(passage.action),
      );
    default:
      return unreachable(decision.result);
  }
}

/**
 * A script whose every command is intercepted once more before it runs: only DENY is settled for the whole. Questions are
 * asked where the command really runs, with its real values, and once.
 */
function leftToTheParts(decision: Decision, action: Action): Decision {
  const when = isConnection(action)
    ? 'opened as far as the proxy; what it would send is judged before it leaves'
    : 'starts; left to the command itself when it is reached';
  return { ...decision, result: 'ALLOW', modify: null, reason: `${when}: ${decision.reason}` };
}

/** A connection through the proxy: it dials nobody until what is to be sent was judged. */
function isConnection(action: Action): boolean {
  return action.tool === 'network' && action.operation === 'connect';
}

/**
 * What a script does that none of its commands is seen doing: the shell opens the files of `{ …; } > file`, of a loop and of
 * a function's body by itself. Null when policy has nothing against that; the question is otherwise asked for the whole.
 */
function beyondTheParts(ports: MediationPorts, policy: ArmedPolicy, passage: Passage): Decision | null {
  const { action, session } = passage;
  const effects = unseenByParts(action);
  if (effects.length === 0) return null;
  const decision = evaluateNow(ports, policy, session, { ...action, effects });
  return decision.result === 'ALLOW' || (decision.result === 'DEFER' && decision.rule === null)
    ? null
    : decision;
}

/**
 * What is asked about a connection and would not be about any request on it: a rule that names the tool, the surface or the program never
 * speaks of a request. INVARIANT (no question is lost): null, left to the requests, only where each of them would be asked about it too.
 */
function beyondTheRequests(
  ports: MediationPorts,
  policy: ArmedPolicy,
  { action, session }: Passage,
  decision: Decision,
): Decision | null {
  const { host, port } = action.parameters;
  if (typeof host !== 'string' || typeof port !== 'number') return decision;
  const plainest: Action = {
    ...action,
    surface: 'http',
    tool: 'http',
    operation: 'get',
    parameters: { url: `https://${hostAndPort(host, port)}/`, method: 'GET', host, port, inspected: 'whole' },
    partsFollow: false,
  };
  const later = evaluateNow(ports, policy, session, plainest);
  const there = rulesOf(later);
  const again = later.result !== 'ALLOW' && rulesOf(decision).every((rule) => there.includes(rule));
  return again ? null : decision;
}

/** The decision of an action that stands behind a parked one. */
function behind(decision: Decision, blockers: readonly { readonly id: ActionId }[]): Decision {
  const names = blockers.map((b) => b.id).join(', ');
  return {
    ...decision,
    result: 'DEFER',
    rank: 'unknowns',
    rule: null,
    reason: `depends on an action that is deferred: ${names}`,
    modify: null,
    missing: blockers.map((b) => ({ path: `history.${b.id}`, resolvers: ['prior_action'] })),
  };
}

/**
 * MODIFY: builds a second action and evaluates it once (depth one). Where the words cannot be changed safely a person
 * is asked about the original instead.
 * INVARIANT (the original never runs): every way out of here is the changed action, a question, or DENY.
 */
async function modify(
  ports: MediationPorts,
  policy: ArmedPolicy,
  passage: Passage,
  decision: Decision,
  trail: Trail,
): Promise<Answer> {
  const { action } = passage;
  const kind = decision.modify === null ? null : redirectionOf(decision.modify, action);
  if (kind !== null) return elsewhere(ports, policy, passage, decision, trail, kind);
  const { envelope } = passage;
  const isCall = envelope.surface === 'mcp' && envelope.operation === 'call';
  const rewritten = isCall
    ? otherArguments(envelope.arguments, action, decision)
    : otherWords(ports, action, decision);
  if (!rewritten.ok) return askInstead(ports, policy, passage, decision, trail, rewritten.error);
  const changed =
    rewritten.value.arguments === undefined
      ? rebuild(ports, passage, rewritten.value)
      : rebuildCall(ports, passage, rewritten.value.arguments);
  if (!changed.ok)
    return finish(ports, passage, { ...decision, result: 'DENY', reason: changed.error }, 'DENY', trail);
  const second = evaluateNow(ports, policy, passage.session, changed.value.action);
  const nextTrail: Trail = {
    ...trail,
    rewritten: rewritten.value,
    extra: {
      ...trail.extra,
      modified: {
        from: action.digest,
        to: changed.value.action.digest,
        by: decision.rule,
        transform: decision.modify?.name ?? null,
        original: originalOf(action),
      },
    },
  };
  const kept = { rule: decision.rule, reason: decision.reason, instead: decision.instead };
  switch (second.result) {
    case 'ALLOW':
      return finish(ports, changed.value, { ...second, ...kept }, 'ALLOW', nextTrail);
    case 'DENY':
      return finish(ports, changed.value, second, 'DENY', nextTrail);
    case 'MODIFY':
      // Depth one: what would be changed a second time is a person's question.
      return waitForPerson(
        ports,
        policy,
        changed.value,
        { ...second, result: 'STEP_UP', modify: null },
        nextTrail,
      );
    case 'STEP_UP':
    case 'DEFER':
      return enforce(ports, policy, changed.value, second, nextTrail);
    default:
      return unreachable(second.result);
  }
}

/** What cannot be changed is a person's question about the original. */
function askInstead(
  ports: MediationPorts,
  policy: ArmedPolicy,
  passage: Passage,
  decision: Decision,
  trail: Trail,
  why: string,
): Promise<Answer> {
  const reason = `${decision.reason} (it could not be changed by itself: ${why})`;
  const asked: Decision = { ...decision, result: 'STEP_UP', modify: null, reason };
  return waitForPerson(ports, policy, passage, asked, { ...trail, decided: 'STEP_UP' });
}

/**
 * A change of a file that is carried out in another place, which is made before the answer and named in the receipt. It is not judged
 * again: the place is ours, and nothing but it differs.
 */
async function elsewhere(
  ports: MediationPorts,
  policy: ArmedPolicy,
  passage: Passage,
  decision: Decision,
  trail: Trail,
  kind: 'trash' | 'copy',
): Promise<Answer> {
  const place = redirect(ports, passage, kind);
  if (!place.ok) return askInstead(ports, policy, passage, decision, trail, place.error);
  const redirection = place.value;
  const modified = {
    from: passage.action.digest,
    to: redirection.path,
    by: decision.rule,
    transform: decision.modify?.name ?? null,
  };
  try {
    return await finish(ports, passage, decision, 'ALLOW', {
      ...trail,
      rewritten: { argv: null, commandLine: null, redirection },
      extra: { ...trail.extra, modified },
    });
  } catch (cause) {
    redirection.release();
    throw cause;
  }
}

type Rewritten = NonNullable<Trail['rewritten']>;

/** What an MCP call is made with instead, or why it cannot be changed. */
function otherArguments(given: JsonObject, action: Action, decision: Decision): Result<Rewritten, string> {
  if (decision.modify === null) return err('nothing says how');
  if (action.parameters.inside !== undefined || action.parameters.resolved !== undefined)
    return err('it is called inside another tool');
  const changed = applyToArguments(decision.modify, given);
  return changed.ok
    ? ok({ argv: null, commandLine: null, arguments: changed.value })
    : err(changed.error.message);
}

function otherWords(ports: MediationPorts, action: Action, decision: Decision): Result<Rewritten, string> {
  const argv = rewrite(ports, action, decision);
  return argv.ok ? ok({ argv: argv.value, commandLine: null }) : argv;
}

/** The changed words of an action that consists of one command, or why it cannot be changed. */
function rewrite(
  ports: MediationPorts,
  action: Action,
  decision: Decision,
): Result<readonly string[], string> {
  const transform = decision.modify;
  const index = decision.commands[0];
  const inner = index === undefined ? undefined : action.commands[index];
  if (transform === null || inner === undefined || decision.commands.length !== 1)
    return err('it speaks about more than one command');
  const given = action.parameters.argv;
  if (Array.isArray(given)) {
    const outer = given.filter((word): word is string => typeof word === 'string');
    const changed = transformWithin(transform, outer, inner, ports.replacements);
    return changed.ok ? changed : err(changed.error.message);
  }
  const only =
    action.commands.length === 1 &&
    inner.via.length === 0 &&
    inner.redirects.length === 0 &&
    inner.assignments.length === 0;
  if (!only) return err('the command line does more than this one command');
  const words = [inner.name, ...inner.args];
  if (words.some((word) => !word.known || word.glob)) return err('a word of the command is not known');
  const changed = transformWithin(
    transform,
    words.map((word) => word.text),
    inner,
    ports.replacements,
  );
  return changed.ok ? changed : err(changed.error.message);
}
