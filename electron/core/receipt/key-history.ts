import type { Digest } from '../brand.ts';
import type { Hasher } from '../ports.ts';
import { unreachable } from '../result.ts';
import { type Finding, faultAt, noteAt, type Place, type SignatureClaim } from './finding.ts';
import { type KeyRecord, type KeyStatement, keyStatementOf, possessionHash } from './key-epoch.ts';
import type { Receipt } from './receipt.ts';

/** Whose turn it is to sign, and whose turn is over (AARM R5.k). */
export interface KeyHistory {
  readonly ledger: string | null;
  readonly current: KeyRecord | null;
  /** Keys whose turn ended, with the place where it did. */
  readonly retired: ReadonlyMap<string, number>;
  /** Places where the seal began anew, because a key had lived in memory only. */
  readonly breaks: readonly number[];
}

/** Before the first receipt. */
export const NO_KEYS: KeyHistory = { ledger: null, current: null, retired: new Map(), breaks: [] };

export interface KeyAdvance {
  readonly keys: KeyHistory;
  readonly findings: readonly Finding[];
  readonly claims: readonly SignatureClaim[];
}

function claim(place: Place, receipt: Receipt, publicKey: string): SignatureClaim {
  return {
    publicKey,
    hash: receipt.hash,
    signature: receipt.signature,
    seq: place.seq,
    receipt: place.id,
    step: 'signature',
    message: 'the signature is not one of this receipt by its key',
  };
}

/** The rest of a turn that a statement ends: `current` retires at `seq`, the stated key follows. */
function succeed(keys: KeyHistory, key: KeyRecord, seq: number): KeyHistory {
  const retired = new Map(keys.retired);
  if (keys.current !== null) retired.set(keys.current.id, seq);
  return { ...keys, current: key, retired };
}

/**
 * Advances the keys by one receipt: checks that it was that key's turn, and follows genesis and rotation (AARM R5.k).
 * INVARIANT (a retired key signs nothing): after a `key` receipt no receipt of the earlier key is accepted.
 */
export function advanceKeys(keys: KeyHistory, receipt: Receipt, hasher: Hasher): KeyAdvance {
  const { kind, seq, id, key, body } = receipt.receipt;
  const place: Place = { seq, id };
  const refuse = (message: string): KeyAdvance => ({
    keys,
    findings: [faultAt('key', place, message)],
    claims: [],
  });
  if (kind === 'genesis' || kind === 'key') {
    const statement = keyStatementOf(kind, body, hasher);
    if (statement === null) return refuse(`the ${kind} receipt names no key`);
    if (statement.event !== 'rotated') return begin(keys, receipt, statement);
    const turn = signedInTurn(keys, receipt);
    if (turn.findings.length > 0) return turn;
    return rotate(keys, receipt, statement, { hasher, turn });
  }
  if (keys.current === null) return refuse(`no receipt before it names key \`${key}\``);
  return signedInTurn(keys, receipt);
}

function signedInTurn(keys: KeyHistory, receipt: Receipt): KeyAdvance {
  const { seq, id, key } = receipt.receipt;
  const place: Place = { seq, id };
  if (keys.current !== null && key === keys.current.id)
    return { keys, findings: [], claims: [claim(place, receipt, keys.current.publicKey)] };
  const ended = keys.retired.get(key);
  const message =
    ended === undefined
      ? `it names key \`${key}\`, and the key in use is \`${keys.current?.id ?? 'none'}\``
      : `it names key \`${key}\`, which was retired by receipt ${ended}`;
  return { keys, findings: [faultAt('key', place, message)], claims: [] };
}

function rotate(
  keys: KeyHistory,
  receipt: Receipt,
  statement: Extract<KeyStatement, { event: 'rotated' }>,
  at: { readonly hasher: Hasher; readonly turn: KeyAdvance },
): KeyAdvance {
  const { seq, id } = receipt.receipt;
  const place: Place = { seq, id };
  const findings: Finding[] = [];
  if (statement.retires !== keys.current?.id)
    findings.push(faultAt('key', place, `it retires key \`${statement.retires}\`, which is not in use`));
  if (statement.key.id === keys.current?.id || keys.retired.has(statement.key.id))
    findings.push(faultAt('key', place, `it names key \`${statement.key.id}\`, which was in use before`));
  const proven: Digest = possessionHash(
    keys.ledger ?? '',
    statement.key.publicKey,
    statement.retires,
    at.hasher,
  );
  const possession: SignatureClaim = {
    publicKey: statement.key.publicKey,
    hash: proven,
    signature: statement.possession,
    seq,
    receipt: id,
    step: 'key',
    message: 'the new key did not sign that it takes over',
  };
  return {
    keys: succeed(keys, statement.key, seq),
    findings,
    claims: [...at.turn.claims, possession],
  };
}

function begin(
  keys: KeyHistory,
  receipt: Receipt,
  statement: Exclude<KeyStatement, { event: 'rotated' }>,
): KeyAdvance {
  const { seq, id, key } = receipt.receipt;
  const place: Place = { seq, id };
  const findings: Finding[] = [];
  if (key !== statement.key.id)
    findings.push(faultAt('key', place, 'it is not signed by the key that it names'));
  const claims = [claim(place, receipt, statement.key.publicKey)];
  switch (statement.event) {
    case 'genesis':
      if (seq !== 0 || keys.current !== null)
        findings.push(faultAt('key', place, 'a ledger has one genesis receipt, its first'));
      return { keys: { ...succeed(keys, statement.key, seq), ledger: statement.ledger }, findings, claims };
    case 'began_anew':
      // After a key that outlives its process there is no honest reason to begin anew: this is how a forger would.
      if (keys.current?.kept !== 'memory')
        findings.push(
          faultAt(
            'key',
            place,
            `the seal begins anew, though key \`${keys.current?.id ?? 'none'}\` was kept`,
          ),
        );
      else if (statement.after !== keys.current.id)
        findings.push(faultAt('key', place, `it follows key \`${statement.after}\`, which is not in use`));
      else
        findings.push(
          noteAt('key', place, 'the seal begins anew here: the earlier key was kept in memory only'),
        );
      if (keys.retired.has(statement.key.id) || keys.current?.id === statement.key.id)
        findings.push(faultAt('key', place, `it names key \`${statement.key.id}\`, which was in use before`));
      return {
        keys: { ...succeed(keys, statement.key, seq), breaks: [...keys.breaks, seq] },
        findings,
        claims,
      };
    default:
      return unreachable(statement);
  }
}
