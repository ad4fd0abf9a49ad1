import { userInfo } from 'node:os';
import { nodeHasher } from '../edge/hasher.ts';
import type { DaemonStatus } from '../wire/control.ts';
import type { Places } from '../wire/places.ts';
import type { MediationLimits } from './mediation.ts';
import type { Household } from './session-opening.ts';

/** What differs between a real start and a test's. */
export interface DaemonOptions {
  readonly places: Places;
  readonly version: string;
  readonly home: string;
  readonly passphraseFile: string | null;
  /** Name under which the keychain keeps our secrets. */
  readonly keychainService: string;
  /** The person said to go on although the ledger's head outside is missing. */
  readonly acceptMissingHead: boolean;
  readonly limits?: Partial<MediationLimits>;
  readonly log: (line: string) => void;
  readonly onStop: () => void;
}

export interface StartFault {
  readonly code: string;
  readonly message: string;
}

export interface RunningDaemon {
  readonly status: () => DaemonStatus;
  readonly stop: () => Promise<void>;
}

/** Whose machine this is, and which installation: what stands behind every session's identity. */
export function householdOf(options: DaemonOptions): Household {
  const user = userInfo();
  return {
    human: { name: user.username, uid: user.uid < 0 ? null : user.uid, source: 'operating system account' },
    service: {
      name: 'countersign',
      version: options.version,
      installation: nodeHasher.sha256(`${options.places.state}\n${user.username}`).slice(0, 16),
    },
    home: options.home,
    privileges: user.uid === 0 ? ['root'] : [],
  };
}
