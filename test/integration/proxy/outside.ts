// A person's machine with a daemon and its proxy, and a server outside that the proxy may reach.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type GuardStage, guardStage } from '../guard/stage.ts';
import type { Finished } from '../surface-double.ts';
import { type Origin, openOrigin, type Serve } from './origin.ts';

export type Mode = 'full' | 'off';

export interface Outside {
  readonly stage: GuardStage;
  readonly origin: Origin;
  /** Runs a command in a session. */
  run(mode: Mode, command: readonly string[], env?: Readonly<Record<string, string>>): Promise<Finished>;
  /** The text of every receipt from `from` on, as `receipts show --json` gives it. */
  receipts(from?: number): Promise<readonly string[]>;
  /** Where the next receipts begin. */
  mark(): Promise<number>;
  daemonLog(): string;
  close(): Promise<void>;
}

/** What no session may ask for, by the path. */
export const DENIED = '/denied';
const POLICY = `pack: proxy-test
version: 1.0.0
rules:
  - id: proxy-test.denied
    title: Asks for what nobody may have
    why: The test says so.
    class: deny
    risk: high
    subject: action
    match: {tools: [http]}
    when: action.parameters.url.matches("^https://[^/]+${DENIED}/")
    instead: ask for something else
`;

/** Opens the world; the test closes it. */
export async function openOutside(serve?: Serve): Promise<Outside> {
  const origin = await openOrigin(serve);
  const stage = guardStage();
  stage.put(join(stage.root, 'origin.pem'), origin.authority);
  stage.put(join(stage.own, 'config/policies/proxy-test.yaml'), POLICY);
  const started = await stage.cli(['daemon', 'start'], {
    env: { COUNTERSIGN_EXTRA_ROOTS: join(stage.root, 'origin.pem') },
  });
  if (started.code !== 0) {
    stage.close();
    await origin.close();
    throw new Error(`the daemon did not start: ${started.stderr}`);
  }
  return {
    stage,
    origin,
    // The address is one of this machine: a person who configured it is not asked about it.
    run: (mode, command, env = {}) =>
      stage.cli(['run', '--guard', mode, '--', ...command], { env: { ORIGIN: origin.url, ...env } }),
    async receipts(from = 0) {
      const listed = (await stage.receipts()).filter(({ seq }) => seq >= from);
      const texts: string[] = [];
      for (const { id } of listed) texts.push(await stage.receipt(id));
      return texts;
    },
    async mark() {
      const listed = await stage.receipts();
      return Math.max(0, ...listed.map(({ seq }) => seq + 1));
    },
    daemonLog() {
      try {
        return readFileSync(join(stage.own, 'state/daemon.log'), 'utf8');
      } catch {
        return '';
      }
    },
    async close() {
      stage.close();
      await origin.close();
    },
  };
}
