import type { Digest, SessionId } from '../brand.ts';
import type { Hasher, Verifier } from '../ports.ts';
import { unreachable } from '../result.ts';
import type { BundleLine, CheckpointLine, HeaderLine, ReceiptLine } from './bundle.ts';
import { signedBytes } from './chain.ts';
import type { Checkpoint } from './checkpoint.ts';
import { commitmentsIn, opens } from './commitment.ts';
import { EMPTY_CONTEXT, entryFault, referenceAfter } from './context-chain.ts';
import { faultAt, noteAt, type Place, type SignatureClaim, type Step } from './finding.ts';
import type { KeyRecord } from './key-epoch.ts';
import { isConsistent, leafOf, rootFromInclusion, rootOf } from './merkle.ts';
import type { ContextReference } from './receipt.ts';
import { findingList, outcomeLinks, type SealReport } from './report.ts';
import { checkpointClaims, hashFinding, placeReceipt, WALK_START, type Walk } from './walk.ts';

/** What a stranger may know beforehand. */
export interface Expectations {
  /** Checkpoints of this ledger from elsewhere (a witness, an earlier bundle): the bundle must continue them. */
  readonly known?: readonly Checkpoint[];
  /** A key that the ledger must have been sealed with. */
  readonly expectedKey?: string;
}

/** Verifies a bundle line by line; signatures are handed out as claims, so that they can be checked elsewhere. */
export interface BundleVerifier {
  /** Takes the next line; `number` counts from 1. */
  line(line: BundleLine, number: number): readonly SignatureClaim[];
  /** Takes note of a line that could not be read. */
  unreadable(number: number, message: string): void;
  /** Takes note of a claim that did not hold. */
  falseClaim(claim: SignatureClaim): void;
  /** Says what was found; the claims are those of the checkpoint, whose key is known only now. */
  end(): { readonly claims: readonly SignatureClaim[]; report(signatures: number): SealReport };
}

const NOWHERE: Place = { seq: null, id: null };

/**
 * A verifier for one bundle (AARM R5.h, R5.k), pure: it needs nothing but the bundle and SHA-256.
 * The steps are those of `STEPS`, in that order for each receipt.
 */
export function bundleVerifier(hasher: Hasher, expected: Expectations = {}): BundleVerifier {
  const found = findingList();
  const links = outcomeLinks();
  const contexts = new Map<SessionId, ContextReference>();
  const covered = new Map<SessionId, number>();
  const entered = new Set<SessionId>();
  const keys: { key: KeyRecord; from: number }[] = [];
  const shown = new Set<string>();
  let header: HeaderLine | null = null;
  let checkpoint: CheckpointLine | null = null;
  let walk: Walk = WALK_START;
  let openable: ReadonlySet<Digest> = new Set();
  let fresh: Digest[] = [];
  let ended = false;
  const counts = { receipts: 0, context: 0, openings: 0 };

  const fault = (step: Step, message: string, place: Place = NOWHERE) =>
    found.add([faultAt(step, place, message)]);

  function takeReceipt(line: ReceiptLine): readonly SignatureClaim[] {
    counts.receipts += 1;
    const { seq, id } = line.receipt;
    const place: Place = { seq, id };
    const hashed = hashFinding(line, hasher);
    const whole = header?.scope.kind === 'all';
    if (!whole) checkInclusion(line, place);
    // In part of a ledger a gap is no fault: each receipt proves its own place.
    const from: Walk = whole || seq < walk.size ? walk : { ...afterGap(walk, seq), frontier: null };
    const before = walk.keys.current;
    const step = placeReceipt(from, line, hasher, hashed === null ? [] : [hashed]);
    found.add(step.findings);
    walk = step.walk;
    if (walk.keys.current !== null && walk.keys.current !== before) {
      const { kind } = line.receipt;
      keys.push({
        key: walk.keys.current,
        from: kind === 'key' && line.receipt.key === before?.id ? seq + 1 : seq,
      });
    }
    checkScope(line, place);
    checkContext(line, place);
    compareKnown();
    links.receipt(line);
    if (header?.openings === true) openable = new Set([...commitmentsIn(line.receipt.body), ...fresh]);
    fresh = [];
    return step.claims;
  }

  function checkInclusion(line: ReceiptLine, place: Place): void {
    if (checkpoint === null) return;
    const { size, root } = checkpoint.checkpoint;
    const proven =
      line.proof === undefined
        ? null
        : rootFromInclusion({ at: line.receipt.seq, size }, leafOf(line), line.proof, hasher);
    if (proven !== root)
      fault(
        'inclusion',
        line.proof === undefined ? 'it has no proof' : 'its proof does not lead to the root',
        place,
      );
  }

  function checkScope(line: ReceiptLine, place: Place): void {
    const { kind, session, at } = line.receipt;
    if (header === null || kind === 'genesis' || kind === 'key') return;
    const { scope } = header;
    if (scope.kind === 'session' && session !== scope.session)
      fault('format', 'it is not of the session that the bundle is of', place);
    if (scope.kind === 'time' && (at < scope.from || at > scope.to))
      fault('format', 'it is not of the time that the bundle is of', place);
  }

  function checkContext(line: ReceiptLine, place: Place): void {
    const { session, context } = line.receipt;
    for (const of of entered)
      if (of !== session) fault('context', `the entries before it are of session \`${of}\``, place);
    entered.clear();
    if (header?.context !== true || session === null) return;
    const head = contexts.get(session);
    if (context === undefined && head === undefined) return;
    if (context?.length !== head?.length || context?.head !== head?.head)
      fault('context', `its context is not the ${head?.length ?? 0} entries before it`, place);
    covered.set(session, head?.length ?? 0);
  }

  function compareKnown(): void {
    for (const { checkpoint: known } of expected.known ?? []) {
      if (walk.frontier === null || walk.frontier.size !== known.size) continue;
      shown.add(`${known.size}-${known.root}`);
      if (rootOf(walk.frontier, hasher) !== known.root)
        fault('consistency', `it does not continue the known checkpoint of ${known.size} receipts`);
    }
  }

  function takeContext(line: Extract<BundleLine, { type: 'context' }>): void {
    counts.context += 1;
    if (header?.context !== true) fault('format', 'there is a context entry, and the header promises none');
    const head = contexts.get(line.session) ?? EMPTY_CONTEXT;
    const wrong = entryFault(head, line.entry, hasher);
    if (wrong !== null) fault('context', `session \`${line.session}\`: ${wrong.message}`);
    contexts.set(line.session, referenceAfter(line.entry));
    entered.add(line.session);
    if (header?.openings === true) fresh.push(...commitmentsIn(line.entry.body));
  }

  function takeOpening(line: Extract<BundleLine, { type: 'opening' }>): void {
    counts.openings += 1;
    if (header?.openings !== true) fault('format', 'there is an opening, and the header promises none');
    if (!opens(line, hasher)) fault('commitment', `it does not open commitment \`${line.commitment}\``);
    else if (!openable.has(line.commitment))
      fault('commitment', `the receipt before it has no commitment \`${line.commitment}\``);
  }

  function takeConsistency(line: Extract<BundleLine, { type: 'consistency' }>): void {
    if (checkpoint === null) {
      fault('consistency', 'it stands before the checkpoint');
      return;
    }
    if (counts.receipts + counts.context > 0)
      fault('format', 'a consistency proof comes before the receipts');
    const { size, root } = checkpoint.checkpoint;
    if (isConsistent(line, { size, root }, line.proof, hasher)) shown.add(`${line.size}-${line.root}`);
    else fault('consistency', `its proof from ${line.size} receipts does not lead to the root`);
  }

  function takeEnd(line: Extract<BundleLine, { type: 'end' }>): void {
    ended = true;
    if (line.receipts !== counts.receipts)
      fault('sequence', `it ends after ${counts.receipts} receipts, and should after ${line.receipts}`);
    if (line.context !== counts.context)
      fault('context', `it ends after ${counts.context} context entries, and should after ${line.context}`);
    if (line.openings !== counts.openings)
      fault('commitment', `it ends after ${counts.openings} openings, and should after ${line.openings}`);
  }

  function checkEnd(): readonly SignatureClaim[] {
    if (header === null) {
      fault('format', 'there is no header');
      return [];
    }
    if (!ended) fault('format', 'the bundle is cut short: its last line is missing');
    if (walk.keys.ledger !== null && walk.keys.ledger !== header.ledger)
      fault('key', `the genesis receipt is of another ledger, \`${walk.keys.ledger}\``);
    if (walk.keys.current === null) fault('key', 'the genesis receipt is missing');
    if (expected.expectedKey !== undefined && !keys.some(({ key }) => key.id === expected.expectedKey))
      fault('key', `no receipt was sealed by the expected key \`${expected.expectedKey}\``);
    for (const [session, { length }] of contexts)
      if (covered.get(session) !== length)
        fault('context', `session \`${session}\` ends with entries that no receipt covers`);
    found.add(links.findings());
    if (checkpoint === null) {
      fault('checkpoint', 'the checkpoint is missing');
      return [];
    }
    checkAgainst(checkpoint, header);
    const claims = checkpointClaims(checkpoint, walk.keys, NOWHERE, hasher);
    if (claims.ok) return [claims.claim];
    fault('checkpoint', claims.message);
    return [];
  }

  function checkAgainst({ checkpoint: stated }: CheckpointLine, { ledger, scope }: HeaderLine): void {
    if (stated.ledger !== ledger)
      fault('checkpoint', `the checkpoint is of another ledger, \`${stated.ledger}\``);
    if (scope.kind === 'all') {
      if (walk.size !== stated.size)
        fault('sequence', `receipts ${walk.size} to ${stated.size - 1} are missing at the end`);
      else if (walk.prev !== stated.head)
        fault('checkpoint', 'the last receipt is not the one that the checkpoint names');
      if (
        walk.frontier !== null &&
        walk.size === stated.size &&
        rootOf(walk.frontier, hasher) !== stated.root
      )
        fault('checkpoint', 'the receipts do not have the root of the checkpoint');
    }
    for (const { checkpoint: known } of expected.known ?? []) {
      if (known.ledger !== ledger)
        fault('consistency', `the known checkpoint is of ledger \`${known.ledger}\``);
      else if (known.size > stated.size)
        found.add([
          noteAt('consistency', NOWHERE, `the bundle is older than the known checkpoint of ${known.size}`),
        ]);
      else if (!shown.has(`${known.size}-${known.root}`) && known.root !== stated.root)
        fault(
          'consistency',
          `nothing shows that it continues the known checkpoint of ${known.size} receipts`,
        );
    }
  }

  return {
    line(line, number) {
      if (ended) fault('format', `line ${number} comes after the end`);
      if ((number === 1) !== (line.type === 'header'))
        fault(
          'format',
          number === 1 ? 'the first line is not a header' : `line ${number} is a second header`,
        );
      switch (line.type) {
        case 'header':
          header ??= line;
          return [];
        case 'checkpoint':
          if (checkpoint !== null || counts.receipts + counts.context > 0)
            fault('format', `line ${number}: one checkpoint comes before the receipts`);
          checkpoint ??= line;
          return [];
        case 'consistency':
          takeConsistency(line);
          return [];
        case 'receipt':
          return takeReceipt(line);
        case 'context':
          takeContext(line);
          return [];
        case 'opening':
          takeOpening(line);
          return [];
        case 'end':
          takeEnd(line);
          return [];
        default:
          return unreachable(line);
      }
    },
    unreadable: (number, message) => fault('format', `line ${number}: ${message}`),
    falseClaim: (claim) =>
      found.add([faultAt(claim.step, { seq: claim.seq, id: claim.receipt }, claim.message)]),
    end() {
      const claims = checkEnd();
      return {
        claims,
        report: (signatures) => ({
          verdict: header === null || found.isBroken() ? 'broken' : 'verified',
          ledger: header?.ledger ?? null,
          receipts: counts.receipts,
          contextEntries: counts.context,
          size: checkpoint?.checkpoint.size ?? null,
          keys,
          breaks: walk.keys.breaks,
          findings: found.list(),
          more: found.more(),
          signatures,
          vouched: 0,
        }),
      };
    },
  };
}

/** A walk that stands before `seq`, wherever that is: what lies between is not looked at. */
function afterGap(walk: Walk, seq: number): Walk {
  return seq === walk.size ? walk : { ...walk, size: seq, prev: null };
}

/** Verifies a bundle that is in memory, signatures included: the whole of a stranger's work (AARM R5.h). */
export function verifyBundle(
  lines: Iterable<BundleLine>,
  ports: { readonly hasher: Hasher; readonly verifier: Verifier },
  expected: Expectations = {},
): SealReport {
  const verifier = bundleVerifier(ports.hasher, expected);
  let signatures = 0;
  const discharge = (claims: readonly SignatureClaim[]) => {
    for (const claim of claims) {
      signatures += 1;
      if (!ports.verifier.verify(claim.publicKey, signedBytes(claim.hash), claim.signature))
        verifier.falseClaim(claim);
    }
  };
  let number = 0;
  for (const line of lines) {
    number += 1;
    discharge(verifier.line(line, number));
  }
  const end = verifier.end();
  discharge(end.claims);
  return end.report(signatures);
}
