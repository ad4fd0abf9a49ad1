import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Receipt } from '../../electron/core/receipt/receipt.ts';
import { openLedgerReader } from '../../electron/edge/ledger-reader.ts';
import {
  type DaemonProcess,
  type Finished,
  type Installation,
  installation,
} from '../support/installation.ts';
import { type SiteFiles, type SmallInternet, smallInternet } from '../support/small-internet.ts';

/** A real installation in a small internet of its own, its daemon running: for what leaves the machine. */
export interface NetworkStage extends Installation {
  readonly internet: SmallInternet;
  readonly daemon: DaemonProcess;
  /** Writes a file in the workspace. */
  file(name: string, text: string): void;
  /** Runs one bash script as an agent in a guarded session, nobody there to answer. */
  bash(script: string, env?: Readonly<Record<string, string>>): Promise<Finished>;
  receipts(): readonly Receipt[];
}

/** Sets the stage; `policy` is one more policy file, as a person would write it, `env` more of the daemon's environment. */
export async function networkStage(
  sites: Readonly<Record<string, SiteFiles>>,
  policy: string | null = null,
  env: Readonly<Record<string, string>> = {},
): Promise<NetworkStage> {
  const internet = await smallInternet(sites);
  const place = installation(internet.within);
  const policies = join(place.places.config, 'policies');
  mkdirSync(policies, { recursive: true });
  if (policy !== null) writeFileSync(join(policies, 'own.yaml'), policy);
  // Questions end soon: nobody is there.
  const daemon = await place.startDaemon({
    COUNTERSIGN_APPROVAL_MS: '1500',
    COUNTERSIGN_DEFERRAL_MS: '1500',
    NODE_EXTRA_CA_CERTS: internet.rootsFile,
    ...env,
  });
  return {
    ...place,
    internet,
    daemon,
    file: (name, text) => {
      const path = join(place.work, name);
      mkdirSync(join(path, '..'), { recursive: true });
      writeFileSync(path, text);
    },
    bash: (script, env = {}) => place.cli(['run', '--', 'bash', '-c', script], { env }),
    receipts: () => {
      const opened = openLedgerReader(join(place.places.state, 'ledger'));
      if (!opened.ok) throw new Error(opened.error.message);
      try {
        const all: Receipt[] = [];
        for (;;) {
          const page = opened.value.list({}, { limit: 1000, after: all.length - 1 });
          all.push(...page);
          if (page.length < 1000) return all;
        }
      } finally {
        opened.value.close();
      }
    },
    dispose: async () => {
      await place.dispose();
      await internet.dispose();
    },
  };
}

/** Runs a command in the small internet, outside every session. */
export async function outside(internet: SmallInternet, words: readonly string[]): Promise<number | null> {
  const [program = '', ...args] = [...internet.within, ...words];
  const child = spawn(program, args, { stdio: 'ignore' });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code;
}
