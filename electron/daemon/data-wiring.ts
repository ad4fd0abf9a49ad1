import { join } from 'node:path';
import { classifyRead } from '../core/data/classification.ts';
import type { Payload } from '../core/data/payload.ts';
import { marksOf, scanPayload } from '../core/data/scan.ts';
import type { Effect } from '../core/effect.ts';
import type { Clock } from '../core/ports.ts';
import { err, ok, type Result } from '../core/result.ts';
import type { Knowledge } from '../core/semantic/knowledge.ts';
import { seePath } from '../core/semantic/paths.ts';
import { readCommonText } from '../edge/common-text.ts';
import { openFingerprintStore } from '../edge/fingerprint-store.ts';
import { openHostStore } from '../edge/host-store.ts';
import { inflate } from '../edge/inflate.ts';
import { createReadScanner, type ReadScan } from '../edge/read-scan.ts';
import { scanRead } from '../edge/read-scan-text.ts';
import { createCarried, factsOf } from './carried.ts';
import type { ArmedPolicy, MediationPorts } from './mediation.ts';
import { createReading } from './reading.ts';
import type { Session } from './session-store.ts';
import { classifyRowsFor } from './stages.ts';
import { createSurvey } from './survey.ts';
import type { Timers } from './timer.ts';

export interface DataWiring {
  /** Directory of the installation's data, below the state. */
  readonly directory: string;
  readonly fingerprintKey: Uint8Array;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly knowledge: Knowledge;
  readonly policy: () => ArmedPolicy | null;
  readonly log: (line: string) => void;
}

/** What this installation remembers of what was read and where something was sent, as mediation asks for it. */
export interface DataParts {
  readonly ports: Required<Pick<MediationPorts, 'reading' | 'survey' | 'carriedBy' | 'carried' | 'noteHost'>>;
  /** Looks at a whole text that leaves the agent. */
  readonly scanPayload: (text: string) => Payload;
  /** Looks at a whole text that comes to the agent. */
  readonly scanText: (text: string) => ReadScan;
  close(): Promise<void>;
}

/** Opens what is remembered of data (AARM R2.b, T3): fingerprints of what was read, hosts that were sent to. */
export function openData(
  wiring: DataWiring,
): Result<DataParts, { readonly code: string; readonly message: string }> {
  const { clock, timers, fingerprintKey: key, policy, directory } = wiring;
  const common = readCommonText();
  const opened = openFingerprintStore({ directory, key, common: common.digest, say: wiring.log });
  if (!opened.ok) return err({ code: opened.error.code, message: opened.error.message });
  const store = opened.value;
  const hosts = openHostStore({ directory, after: timers.after, say: wiring.log });
  const classify = (effect: Effect, session: Session) =>
    classifyRead(effect, classifyRowsFor(policy(), session));
  const reading = createReading({
    clock,
    timers,
    store,
    loading: () => (store.loading() ? store.loaded() : null),
    scanner: createReadScanner(key),
    scanNow: (bytes, settings) => scanRead(bytes, key, common.filter, settings),
    classify,
    marksOf: (text) => marksOf(text, key, common.filter),
  });
  const survey = createSurvey({
    clock,
    reading,
    rows: (session) => classifyRowsFor(policy(), session),
    labels: (session, path) => {
      const { home, workspace, identity } = session;
      const place = { cwd: null, home, workspace, user: identity.human.name };
      return seePath(path, false, place, wiring.knowledge.paths).labels;
    },
    say: wiring.log,
  });
  const scan = (bytes: Uint8Array, inspected: Payload['inspected']) =>
    scanPayload(bytes, { key, inflate, inspected, common: common.filter });
  const carriedBy = createCarried({
    clock,
    store,
    scan,
    classify,
    late: (session) => reading.late(session),
  });
  return ok({
    ports: {
      reading,
      survey,
      carriedBy,
      carried: (session, action) =>
        factsOf(
          carriedBy(session, action),
          action,
          policy()?.set.destinations ?? [],
          clock.now(),
          session.assurance,
          hosts.has,
        ),
      noteHost: hosts.add,
    },
    scanPayload: (text) => scan(new TextEncoder().encode(text), 'whole'),
    scanText: (text) => scanRead(new TextEncoder().encode(text), key, common.filter),
    close: async () => {
      hosts.close();
      await reading.close();
      await store.close();
    },
  });
}

/** Where the installation's data lies. */
export function dataDirectory(state: string): string {
  return join(state, 'data');
}
