import type { Action } from '../../electron/core/action.ts';
import type { ActionId, Digest, SessionId } from '../../electron/core/brand.ts';
import type { CredentialRecord } from '../../electron/core/credential.ts';
import type { HttpBody, HttpRequest } from '../../electron/core/http.ts';
import type { ReceiptDraft } from '../../electron/core/ports.ts';
import { err, ok, type Result } from '../../electron/core/result.ts';
import { createMinterRegistry, type Minter } from '../../electron/daemon/credential-minter.ts';
import { type Credentials, createCredentialService } from '../../electron/daemon/credential-service.ts';
import { DEFAULT_LIMITS, type MediationPorts } from '../../electron/daemon/mediation.ts';
import { awsMinter } from '../../electron/daemon/mint-aws.ts';
import { githubAppMinter } from '../../electron/daemon/mint-github-app.ts';
import { tokenMinter } from '../../electron/daemon/mint-token.ts';
import type { Session } from '../../electron/daemon/session-store.ts';
import { type CredentialStore, openCredentialStore } from '../../electron/edge/credential-store.ts';
import { loadCredentialTable } from '../../electron/edge/credential-table.ts';
import type { KeychainFault, SecretStore } from '../../electron/edge/keychain.ts';
import { systemRandom } from '../../electron/edge/random.ts';
import type { ProxyQuestion } from '../../electron/wire/proxy-message.ts';

/** A keychain in memory that the test can lock: locked it answers as a real one does, writes fail and reads find nothing. */
export interface TestKeychain extends SecretStore {
  locked: boolean;
  readonly kept: Map<string, string>;
}

export function testKeychain(): TestKeychain {
  const kept = new Map<string, string>();
  const write = (act: () => void): Result<null, KeychainFault> => {
    if (keychain.locked) return err({ code: 'locked', message: 'the collection is locked' });
    act();
    return ok(null);
  };
  const keychain: TestKeychain = {
    locked: false,
    kept,
    read: async (account) => ok(keychain.locked ? null : (kept.get(account) ?? null)),
    write: async (account, secret) => write(() => void kept.set(account, secret)),
    remove: async (account) => write(() => void kept.delete(account)),
  };
  return keychain;
}

/** Opens a store in a folder of the test, as the daemon does. */
export function testStore(path: string, keychain: TestKeychain | null): Promise<CredentialStore> {
  return openCredentialStore({
    path,
    secrets: keychain,
    opens: async () => (keychain?.locked === true ? err('it is locked') : ok(null)),
  });
}

/** A request as the proxy describes it, with what the test wants said. */
export function requestOf(part: {
  readonly method?: string;
  readonly host?: string;
  readonly port?: number;
  readonly scheme?: 'http' | 'https';
  readonly path?: string;
  readonly query?: readonly (readonly [string, string])[];
  readonly headers?: readonly (readonly [string, string])[];
  readonly body?: HttpBody;
  readonly inspected?: 'whole' | 'part';
  readonly protocol?: HttpRequest['protocol'];
  readonly oddities?: readonly string[];
}): HttpRequest {
  const { host = 'api.example', port = 443, scheme = 'https', path = '/' } = part;
  return {
    method: part.method ?? 'GET',
    target: { url: `${scheme}://${host}:${port}${path}`, scheme, host, port, path, query: part.query ?? [] },
    protocol: part.protocol ?? 'http/1.1',
    headers: part.headers ?? [],
    contentType: null,
    body: part.body ?? { kind: 'none' },
    length: null,
    inspected: part.inspected ?? 'whole',
    oddities: part.oddities ?? [],
  };
}

export function questionOf(part: Parameters<typeof requestOf>[0]): ProxyQuestion {
  const payload = { bytes: 0, inspected: 'whole', findings: [], marks: new Uint8Array(0) } as const;
  return { kind: 'request', request: requestOf(part), payload, address: null, hop: 0 };
}

let actions = 0;

/** An action as the builder of requests makes one. */
export function actionOf(session: string, operation = 'get'): Action {
  actions += 1;
  return {
    id: `act_test${String(actions).padStart(8, '0')}` as ActionId,
    sessionId: session as SessionId,
    at: 0,
    surface: 'http',
    tool: 'http',
    operation,
    parameters: {},
    cwd: null,
    commands: [],
    effects: [],
    gaps: [],
    digest: String(actions).padStart(64, '0') as Digest,
    modifiedFrom: null,
    dependsOn: [],
    partsFollow: false,
  };
}

export function recordOf(part: Partial<CredentialRecord> & { readonly name: string }): CredentialRecord {
  return {
    kind: 'token',
    env: [],
    limits: { hosts: ['api.example'], methods: null, paths: null, graphql: null, ttlSeconds: 60 },
    settings: {},
    shape: { prefix: 'tok_', length: 40, alphabet: 'alnum' },
    createdAt: 0,
    rotatedAt: null,
    expiresAt: null,
    revoked: false,
    ...part,
  };
}

export interface CredentialStage {
  readonly service: Credentials;
  readonly drafts: ReceiptDraft[];
  readonly session: Session;
  /** Another session of the same person. */
  sessionOf(id: string): Session;
  at(now: number): void;
  failLedger(fault: string | null): void;
  /** What a session's timers would do after so long. */
  elapse(ms: number): void;
  events(): readonly unknown[];
}

/** The real service on a store, with a clock, timers and a ledger that the test holds. */
export function credentialStage(
  store: CredentialStore,
  minters: readonly Minter[] = [tokenMinter, awsMinter, githubAppMinter],
  startedAt = Date.now(),
): CredentialStage {
  const table = loadCredentialTable();
  if (!table.ok) throw new Error(table.error);
  const drafts: ReceiptDraft[] = [];
  const timers: { at: number; readonly callback: () => void }[] = [];
  let now = startedAt;
  let ledgerFault: string | null = null;
  const mediation = {
    clock: { now: () => now },
    random: systemRandom,
    timers: {
      after: (delayMs: number, callback: () => void) => {
        const entry = { at: now + delayMs, callback };
        timers.push(entry);
        return () => void timers.splice(timers.indexOf(entry), 1);
      },
    },
    ledger: {
      append: async (draft: ReceiptDraft) => {
        if (ledgerFault !== null) return err({ code: 'disk_full', message: ledgerFault });
        drafts.push(draft);
        return ok({ receipt: { id: `rct_${String(drafts.length).padStart(8, '0')}` }, hash: '0'.repeat(64) });
      },
    },
    limits: DEFAULT_LIMITS,
  } as unknown as MediationPorts;
  const service = createCredentialService({
    mediation,
    store,
    minters: createMinterRegistry(minters),
    table: table.value,
    randomBytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
  });
  const sessionOf = (id: string): Session =>
    ({
      id,
      endedAt: null,
      revoked: null,
      unflushed: [],
      identity: {
        human: { name: 'me', uid: 1000, source: 'test' },
        service: { name: 'countersign', version: '0', installation: 'x' },
        agent: {
          id: 'agt_testtest',
          product: 'agent',
          version: null,
          binaryHash: null,
          publicKey: 'k',
          mintedAt: 0,
          expiresAt: 1,
        },
        sessionId: id,
        role: 'agent',
        privileges: [],
        delegation: [],
        binding: 'signed',
      },
    }) as unknown as Session;
  return {
    service,
    drafts,
    session: sessionOf('sess_testtest1'),
    sessionOf,
    at: (time) => {
      now = time;
    },
    failLedger: (fault) => {
      ledgerFault = fault;
    },
    elapse: (ms) => {
      now += ms;
      for (const timer of [...timers])
        if (timer.at <= now) {
          timers.splice(timers.indexOf(timer), 1);
          timer.callback();
        }
    },
    events: () => drafts.map((draft) => draft.body['event']),
  };
}
