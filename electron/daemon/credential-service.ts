import type { Action } from '../core/action.ts';
import type { JsonObject, TimeMs } from '../core/brand.ts';
import type { CredentialKind, CredentialRecord } from '../core/credential.ts';
import { hostAllowed, limitFault, placeAllowed, placeOf } from '../core/credential-limits.ts';
import { err, ok, type Result, unreachable } from '../core/result.ts';
import type { CredentialStore } from '../edge/credential-store.ts';
import type { KnownCredential } from '../wire/credential-table.ts';
import type { ProxyQuestion, Swap } from '../wire/proxy-message.ts';
import type { CredentialSecret, MinterRegistry } from './credential-minter.ts';
import type { CredentialService, PlaceholderUse, SwapFault } from './credential-port.ts';
import { openCredentials, type PlaceholderBinding, type SessionCredentials } from './credential-session.ts';
import type { MediationPorts } from './mediation.ts';
import { identityPart } from './record.ts';
import type { Session } from './session-store.ts';
import { record as recordReceipt } from './stages.ts';

/** The service, and what the control door needs of it beside. */
export interface Credentials extends CredentialService {
  /** When a credential was last really sent, as far as this daemon saw it. */
  lastUsed(name: string): TimeMs | null;
}

export interface CredentialServicePorts {
  readonly mediation: MediationPorts;
  readonly store: CredentialStore;
  readonly minters: MinterRegistry;
  readonly table: readonly KnownCredential[];
  readonly randomBytes: (count: number) => Uint8Array;
}

/** What a placeholder in a question comes to. */
interface Judged {
  readonly found: PlaceholderUse;
  readonly binding: PlaceholderBinding | null;
  readonly record: CredentialRecord | null;
  readonly hostAllowed: boolean;
  readonly placeAllowed: boolean;
  /** Why it may not be used, beside host and place. */
  readonly fault: SwapFault | null;
}

interface MintedHere {
  readonly id: string;
  readonly credential: string;
  /** Ends it at its issuer; does so once. */
  readonly end: () => void;
}

/** So many minted credentials of one session wait to be told of; past it, the oldest are forgotten, which are long past their seconds. */
const MAX_WAITING = 1024;

/** Makes the service; it keeps everything of a session in memory only. */
export function createCredentialService(ports: CredentialServicePorts): Credentials {
  const { mediation, store, minters } = ports;
  const sessions = new Map<string, SessionCredentials>();
  const waiting = new Map<string, { readonly session: string; readonly minted: readonly MintedHere[] }>();
  const lastSent = new Map<string, TimeMs>();

  const recordNamed = (session: Session, name: string): CredentialRecord | null =>
    sessions.get(session.id)?.held.get(name)?.record ??
    store.records().find((record) => record.name === name) ??
    null;

  function judgeOne(session: Session, question: ProxyQuestion, found: PlaceholderUse): Judged {
    const binding = sessions.get(session.id)?.bindings.get(found.value) ?? null;
    const record = binding === null ? null : recordNamed(session, binding.credential);
    const here = record !== null && hostAllowedFor(record, question);
    // The secret part of an AWS key never travels: wherever it stands, it is being carried out.
    const sent = record?.kind !== 'aws' || binding?.part !== 'secret';
    const where = record !== null && sent && placeAllowed(record, found.where);
    const fault =
      usabilityFault(record, mediation.clock.now()) ??
      (record === null || !here ? null : beyond(record, question));
    return { found, binding, record, hostAllowed: here, placeAllowed: where, fault };
  }

  /** The worst speaks: what stands where it does not belong, before what is only used too far. */
  function worst(judged: readonly Judged[]): Judged | null {
    return (
      judged.find((one) => !one.hostAllowed && one.record !== null) ??
      judged.find((one) => !one.placeAllowed && one.record !== null) ??
      judged.find((one) => one.fault !== null) ??
      judged[0] ??
      null
    );
  }

  async function receipt(session: Session, event: string, more: JsonObject): Promise<Result<string, string>> {
    const recorded = await recordReceipt(mediation, session, 'credential', {
      event,
      identity: identityPart(session.identity),
      ...more,
    });
    return recorded.ok ? ok(recorded.value.id) : err(recorded.error);
  }

  function refused(
    session: Session,
    question: ProxyQuestion,
    denial: SwapFault,
    more: JsonObject,
  ): SwapFault {
    void receipt(session, 'refused', {
      ...more,
      ...destinationOf(question),
      refusal: { code: denial.finding, reason: denial.message },
      decision: { result: 'DENY', policy_id: null, reason: denial.message },
    });
    return denial;
  }

  function misplaced(one: Judged, question: ProxyQuestion): SwapFault {
    const { host } = destinationOf(question);
    const name = one.record?.name ?? 'unknown';
    return one.hostAllowed
      ? {
          finding: 'exfiltration',
          message: `the placeholder of credential \`${name}\` stands in ${one.found.where.slice(0, 64)}, where no credential belongs`,
        }
      : {
          finding: 'exfiltration',
          message: `the placeholder of credential \`${name}\` was about to be sent to ${host}, which is none of its hosts`,
        };
  }

  /** Why a judged placeholder cannot be swapped; null when it can. */
  function denialOf(one: Judged, question: ProxyQuestion): SwapFault | null {
    if (one.binding === null)
      return {
        finding: 'unknown',
        message: 'a placeholder that belongs to no credential of this session',
      };
    if (one.record !== null && !(one.hostAllowed && one.placeAllowed)) return misplaced(one, question);
    return one.fault;
  }

  async function secretOf(session: Session, name: string): Promise<Result<CredentialSecret, SwapFault>> {
    const held = sessions.get(session.id)?.held.get(name);
    if (held !== undefined) return ok(held.secret);
    const read = await store.secret(name);
    if (read.ok) return ok(read.value);
    return err({ finding: 'unavailable', message: read.error.message });
  }

  async function mintOne(
    session: Session,
    action: Action,
    question: ProxyQuestion,
    record: CredentialRecord,
    placeholder: string,
  ): Promise<Result<{ readonly swap: Swap; readonly here: MintedHere }, SwapFault>> {
    const minter = minters.find(record.kind);
    const named = { credential: { name: record.name, kind: record.kind }, action: action.id };
    const deny = (finding: SwapFault['finding'], message: string) =>
      err(refused(session, question, { finding, message }, named));
    if (minter === null) return deny('minter', `nothing here mints credentials of kind ${record.kind}`);
    const secret = await secretOf(session, record.name);
    if (!secret.ok) return deny(secret.error.finding, secret.error.message);
    const now = mediation.clock.now();
    const made = await minter.mint({ record, secret: secret.value, action, question, now });
    const veiled = (text: string) => veil(text, secret.value);
    if (!made.ok)
      return deny(
        'minter',
        `credential \`${record.name}\` cannot be used for this: ${veiled(made.error.message)}`,
      );
    const end = endOnce(made.value.end);
    // Minting may have asked somebody far away: what was true before it may be so no more.
    const later = usabilityFault(recordNamed(session, record.name), mediation.clock.now());
    if (later !== null || session.endedAt !== null || session.revoked !== null) {
      end();
      return later !== null
        ? deny(later.finding, later.message)
        : deny('revoked', 'the session ended while the credential was made');
    }
    const id = `mint_${mediation.random.token(12)}`;
    const expiresAt = Math.min(
      mediation.clock.now() + record.limits.ttlSeconds * 1000,
      record.expiresAt ?? Number.MAX_SAFE_INTEGER,
      made.value.expiresAt ?? Number.MAX_SAFE_INTEGER,
    );
    const recorded = await receipt(session, 'minted', {
      ...named,
      minted: id,
      digest: action.digest,
      operation: action.operation,
      ...destinationOf(question),
      scope: veiled(made.value.scope),
      expires_at: expiresAt,
    });
    if (!recorded.ok) {
      end();
      return err({
        finding: 'unavailable',
        message: `the use of a credential must be recorded: ${recorded.error}`,
      });
    }
    if (made.value.end !== undefined)
      mediation.timers.after(Math.max(0, expiresAt - mediation.clock.now()), end);
    return ok({
      swap: { minted: id, placeholder, secret: made.value.secret, use: made.value.use, expiresAt },
      here: { id, credential: record.name, end },
    });
  }

  /** A statement and a signature name their credential themselves; the session must have been given it. */
  function namedCredential(
    session: Session,
    question: ProxyQuestion,
  ): { readonly record: CredentialRecord; readonly placeholder: string } | SwapFault | null {
    if (question.kind !== 'statement' && question.kind !== 'sign') return null;
    const binding = [...(sessions.get(session.id)?.bindings.values() ?? [])].find(
      (one) => one.credential === question.credential,
    );
    const record = recordNamed(session, question.credential);
    const wanted: CredentialKind = question.kind === 'sign' ? 'ssh' : 'postgres';
    if (binding === undefined || record === null || record.kind !== wanted)
      return {
        finding: 'unknown',
        message: `this session has no credential \`${question.credential}\``,
      };
    const fault = usabilityFault(record, mediation.clock.now());
    if (fault !== null) return fault;
    if (!hostAllowedFor(record, question))
      return {
        finding: 'limits',
        message: `credential \`${record.name}\` is not for ${question.host}`,
      };
    return { record, placeholder: binding.placeholder };
  }

  /** Tells once that what was minted for an action was, or was not, sent; and ends it. */
  async function settle(session: Session, action: string, sent: readonly string[]): Promise<void> {
    const settled = waiting.get(action);
    if (settled === undefined || settled.session !== session.id) return;
    waiting.delete(action);
    for (const { end } of settled.minted) end();
    const named = ({ id, credential }: MintedHere) => ({ minted: id, credential });
    const really = settled.minted.filter((one) => sent.includes(one.id));
    for (const { credential } of really) lastSent.set(credential, mediation.clock.now());
    await receipt(session, 'used', {
      action,
      used: really.map(named),
      unused: settled.minted.filter((one) => !sent.includes(one.id)).map(named),
    });
  }

  return {
    open(session, handed, settings) {
      const before = sessions.get(session.id);
      if (before !== undefined) return { environment: before.environment, warnings: [] };
      const fault = store.fault();
      const opened = openCredentials({
        records: store.records(),
        handed,
        settings,
        table: ports.table,
        randomBytes: ports.randomBytes,
        now: mediation.clock.now(),
      });
      sessions.set(session.id, opened);
      const names = [...new Set([...opened.bindings.values()].map((binding) => binding.credential))];
      if (names.length > 0)
        void receipt(session, 'opened', {
          credentials: names.slice(0, 256),
          variables: Object.keys(opened.environment).slice(0, 256),
        });
      return { environment: opened.environment, warnings: fault === null ? [] : [fault.message] };
    },
    placeholdersOf: (session) => [...(sessions.get(session)?.bindings.keys() ?? [])],
    forget(session) {
      sessions.delete(session);
      for (const [action, one] of waiting)
        if (one.session === session) {
          for (const { end } of one.minted) end();
          waiting.delete(action);
        }
    },
    judge(session, question, found) {
      const judged = found.map((one) => judgeOne(session, question, one));
      const one = worst(judged);
      if (one === null) return null;
      const denial = denialOf(one, question);
      // The decision's own receipt says that it was denied; this one says which credential, where, and why.
      if (denial !== null) refused(session, question, denial, nameOf(one));
      return factOf(one, judged.length, denial);
    },
    async swapsFor(session, action, question, found) {
      for (const one of found.map((use) => judgeOne(session, question, use))) {
        const denial = denialOf(one, question);
        if (denial !== null)
          return err(refused(session, question, denial, { ...nameOf(one), action: action.id }));
      }
      const named = namedCredential(session, question);
      if (named !== null && 'finding' in named)
        return err(refused(session, question, named, { action: action.id }));
      const wanted = new Map<string, CredentialRecord>();
      if (named !== null) wanted.set(named.placeholder, named.record);
      else
        for (const use of found) {
          const { binding, record } = judgeOne(session, question, use);
          // The session token of AWS rides on the key's own swap.
          if (binding !== null && record !== null && binding.part !== 'session-token')
            wanted.set(binding.placeholder, record);
        }
      const swaps: Swap[] = [];
      const minted: MintedHere[] = [];
      for (const [placeholder, record] of wanted) {
        const one = await mintOne(session, action, question, record, placeholder);
        if (!one.ok) {
          for (const { end } of minted) end();
          return one;
        }
        swaps.push(one.value.swap);
        minted.push(one.value.here);
      }
      if (minted.length > 0) remember(action.id, { session: session.id, minted });
      return ok(swaps);
    },
    used: settle,
    recordsOf: (kind) =>
      store
        .records()
        .filter((one) => one.kind === kind && usabilityFault(one, mediation.clock.now()) === null),
    lastUsed: (name) => lastSent.get(name) ?? null,
  };

  function remember(
    action: string,
    minted: { readonly session: string; readonly minted: readonly MintedHere[] },
  ): void {
    if (waiting.size >= MAX_WAITING) {
      const oldest = waiting.keys().next();
      if (!oldest.done) waiting.delete(oldest.value);
    }
    waiting.set(action, minted);
  }
}

/** Why a record may not be used at all; null when it may. */
function usabilityFault(record: CredentialRecord | null, now: TimeMs): SwapFault | null {
  if (record === null)
    return { finding: 'revoked', message: 'the credential of this placeholder was removed' };
  if (record.revoked) return { finding: 'revoked', message: `credential \`${record.name}\` was revoked` };
  if (record.expiresAt !== null && now >= record.expiresAt)
    return {
      finding: 'expired',
      message: `credential \`${record.name}\` has expired`,
    };
  return null;
}

/** Why a question goes beyond a record's limits; hosts are judged apart. */
function beyond(record: CredentialRecord, question: ProxyQuestion): SwapFault | null {
  if (question.kind !== 'request') return null;
  const reason = limitFault(record.limits, question.request);
  return reason === null
    ? null
    : {
        finding: 'limits',
        message: `credential \`${record.name}\` cannot be used for this: ${reason}`,
      };
}

function hostAllowedFor(record: CredentialRecord, question: ProxyQuestion): boolean {
  switch (question.kind) {
    case 'request': {
      // Two readers of one request must agree on where it goes before anything secret goes there.
      const odd = question.request.oddities.some(
        (word) => word === 'host-mismatch' || word === 'sni-mismatch',
      );
      return !odd && hostAllowed(record.limits.hosts, placeOf(question.request));
    }
    case 'statement':
      return (
        record.kind === 'postgres' &&
        record.limits.hosts.some(
          (entry) => entry === `${question.host}:${question.port}` || entry === question.host,
        )
      );
    case 'sign':
      return (
        record.kind === 'ssh' &&
        record.limits.hosts.some((entry) => entry === question.host || entry === `${question.host}:22`)
      );
    case 'stream':
      // What we do not understand we do not put a secret into.
      return false;
    default:
      return unreachable(question);
  }
}

function destinationOf(question: ProxyQuestion): { readonly host: string; readonly port: number | null } {
  switch (question.kind) {
    case 'request':
      return { host: question.request.target.host, port: question.request.target.port };
    case 'statement':
    case 'stream':
      return { host: question.host, port: question.port };
    case 'sign':
      return { host: question.host, port: null };
    default:
      return unreachable(question);
  }
}

function factOf(one: Judged, count: number, denial: SwapFault | null): JsonObject {
  return {
    credential: one.record?.name ?? one.binding?.credential ?? 'unknown',
    kind: one.record?.kind ?? null,
    where: one.found.where.slice(0, 128),
    // Of what was removed meanwhile it is not known where it belonged.
    host_allowed: one.record === null ? null : one.hostAllowed,
    place_allowed: one.placeAllowed,
    within_limits: one.fault === null && one.binding !== null,
    reason: denial?.message ?? null,
    count,
  };
}

function nameOf(one: Judged): JsonObject {
  const { record } = one;
  return {
    credential: record === null ? null : { name: record.name, kind: record.kind },
    where: one.found.where.slice(0, 128),
  };
}

/** Calls what ends a minted credential at most once; that it failed changes nothing here: it ends by itself. */
function endOnce(end: (() => Promise<void>) | undefined): () => void {
  let ended = end === undefined;
  return () => {
    if (ended) return;
    ended = true;
    void end?.().catch(() => undefined);
  };
}

/** Takes a secret out of text that somebody else wrote; what an issuer says may hold what it was asked with. */
function veil(text: string, { secret, sessionToken }: CredentialSecret): string {
  let veiled = text;
  for (const part of [secret, sessionToken])
    if (part !== null && part !== '') veiled = veiled.replaceAll(part, '…');
  return veiled.slice(0, 1024);
}
