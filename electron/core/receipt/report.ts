import type { Finding } from './finding.ts';
import { noteAt } from './finding.ts';
import type { KeyRecord } from './key-epoch.ts';
import type { Receipt } from './receipt.ts';

/** What verification found. `verified` means that no step found a fault; notes are for people. */
export interface SealReport {
  readonly verdict: 'verified' | 'broken';
  readonly ledger: string | null;
  /** Receipts that were read. */
  readonly receipts: number;
  readonly contextEntries: number;
  /** Size of the ledger that the receipts are of, as its checkpoint says; null when nothing says. */
  readonly size: number | null;
  /** Keys in the order of their turns, each with the receipt from which it signs. */
  readonly keys: readonly { readonly key: KeyRecord; readonly from: number }[];
  /** Places where the seal began anew because a key had lived in memory only. */
  readonly breaks: readonly number[];
  /** The first findings, in the order of the receipts. */
  readonly findings: readonly Finding[];
  /** How many more there were. */
  readonly more: number;
  /** Signatures checked one by one. */
  readonly signatures: number;
  /** Signatures that a signed checkpoint over them vouched for instead. */
  readonly vouched: number;
}

/** So many findings tell a person all there is to know; a ruined file would otherwise fill the memory with them. */
const MAX_FINDINGS = 100;

/** Gathers findings, keeping the first. */
export interface FindingList {
  add(findings: readonly Finding[]): void;
  isBroken(): boolean;
  list(): readonly Finding[];
  more(): number;
}

/** A list of findings with a bounded memory; faults are kept before notes. */
export function findingList(): FindingList {
  const faults: Finding[] = [];
  const notes: Finding[] = [];
  let more = 0;
  return {
    add(findings) {
      for (const finding of findings) {
        const list = finding.severity === 'fault' ? faults : notes;
        if (list.length < MAX_FINDINGS) list.push(finding);
        else more += 1;
      }
    },
    isBroken: () => faults.length > 0,
    list: () => [...faults, ...notes].toSorted((a, b) => place(a) - place(b)),
    more: () => more,
  };
}

function place(finding: Finding): number {
  return finding.seq ?? Number.MAX_SAFE_INTEGER;
}

/** Follows decisions to their outcomes (AARM R5.g): a decision that let something run, and of which nothing more was heard. */
export interface OutcomeLinks {
  receipt(receipt: Receipt): void;
  findings(): readonly Finding[];
}

/** Links outcomes to decisions; what is open at the end is a note, for an action may still be running. */
export function outcomeLinks(): OutcomeLinks {
  const open = new Map<string, number>();
  const result = (body: Receipt['receipt']['body']) => {
    const { decision } = body;
    if (decision === null || typeof decision !== 'object' || Array.isArray(decision)) return null;
    return Reflect.get(decision, 'result');
  };
  return {
    receipt({ receipt }) {
      if (receipt.kind === 'decision') {
        const decided = result(receipt.body);
        if (decided === 'ALLOW' || decided === 'MODIFY') open.set(receipt.id, receipt.seq);
      }
      if (receipt.kind === 'outcome' && typeof receipt.body.decision_receipt === 'string')
        open.delete(receipt.body.decision_receipt);
    },
    findings() {
      const first = open.entries().next().value;
      if (first === undefined) return [];
      const [id, seq] = first;
      const count = open.size === 1 ? 'this decision has' : `this and ${open.size - 1} more decisions have`;
      return [noteAt('outcome', { seq, id: id as Receipt['receipt']['id'] }, `${count} no outcome`)];
    },
  };
}
