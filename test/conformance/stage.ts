import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JsonObject } from '../../electron/core/brand.ts';
import type { ContextEntry } from '../../electron/core/context.ts';
import type { Receipt } from '../../electron/core/receipt/receipt.ts';
import { openLedgerReader } from '../../electron/edge/ledger-reader.ts';
import {
  type DaemonProcess,
  type Finished,
  type Installation,
  installation,
} from '../support/installation.ts';

/** A real installation with the conformance rules armed and its daemon running. */
export interface Stage extends Installation {
  readonly daemon: DaemonProcess;
  /** Makes files in the working directory. */
  files(...names: readonly string[]): void;
  /** Whether a file is there now: the world afterwards, not what anybody said. */
  has(name: string): boolean;
  /** Runs one bash script as an agent, without a terminal. */
  bash(script: string, intent?: string): Promise<Finished>;
  receipts(): readonly Receipt[];
  /** Receipts of a kind, oldest first. */
  ofKind(kind: Receipt['receipt']['kind']): readonly Receipt[];
  contextOf(session: string): readonly ContextEntry[];
}

/** Sets the stage. Every test disposes of its own. */
export async function stage(): Promise<Stage> {
  const place = installation();
  const policies = join(place.places.config, 'policies');
  mkdirSync(policies, { recursive: true });
  copyFileSync(join(import.meta.dirname, 'policy.yaml'), join(policies, 'conformance.yaml'));
  const daemon = await place.startDaemon({
    COUNTERSIGN_APPROVAL_MS: '6000',
    COUNTERSIGN_DEFERRAL_MS: '6000',
  });
  const ledger = join(place.places.state, 'ledger');
  const read = <T>(look: (reader: ReturnType<typeof openLedgerReader> & { ok: true }) => T): T => {
    const opened = openLedgerReader(ledger);
    assert.ok(opened.ok, 'the ledger opens');
    try {
      return look(opened);
    } finally {
      opened.value.close();
    }
  };
  const receipts = () => read(({ value }) => value.list({}, { limit: 1000, after: -1 }));
  return {
    ...place,
    daemon,
    files: (...names) => {
      for (const name of names) writeFileSync(join(place.work, name), `${name}\n`);
    },
    has: (name) => existsSync(join(place.work, name)),
    bash: (script, intent) =>
      place.cli(['run', ...(intent === undefined ? [] : ['--intent', intent]), '--', 'bash', '-c', script]),
    receipts,
    ofKind: (kind) => receipts().filter((r) => r.receipt.kind === kind),
    contextOf: (session) => read(({ value }) => value.context(session as never, 0, 1000)),
  };
}

/** One part of a receipt's body; the test fails when it is missing. */
export function part(receipt: Receipt | undefined, name: string): JsonObject {
  const value = receipt?.receipt.body[name];
  assert.ok(
    typeof value === 'object' && value !== null && !Array.isArray(value),
    `the receipt has \`${name}\``,
  );
  return value as JsonObject;
}

/** Final and first decisions about commands whose text contains `words`, oldest first. */
export function decisionsAbout(receipts: readonly Receipt[], words: string): readonly JsonObject[] {
  return receipts
    .filter(
      (r) =>
        ['decision', 'deferral', 'approval'].includes(r.receipt.kind) &&
        JSON.stringify(r.receipt.body.action ?? '').includes(words),
    )
    .map((r) => part(r, 'decision'));
}
