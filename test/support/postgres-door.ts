import 'reflect-metadata';
import { randomBytes, webcrypto } from 'node:crypto';
import { connect, createServer, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { PemConverter, X509CertificateGenerator } from '@peculiar/x509';
import type { Action } from '../../electron/core/action.ts';
import type { ActionId, JsonObject, SessionId } from '../../electron/core/brand.ts';
import type { CredentialRecord } from '../../electron/core/credential.ts';
import { EMPTY_PAYLOAD } from '../../electron/core/data/payload.ts';
import { err, ok } from '../../electron/core/result.ts';
import { createPostgresMinter, type PostgresMinter } from '../../electron/daemon/mint-postgres.ts';
import { nodeHasher } from '../../electron/edge/hasher.ts';
import { createPostgresHandler } from '../../electron/proxy/postgres.ts';
import type { ProtocolContext, ProxyAnswer } from '../../electron/proxy/protocol-handler.ts';
import type { ProxyOutcome, ProxySettings } from '../../electron/wire/proxy-message.ts';
import { buildStatementAction, type StatementQuestion } from '../../electron/wire/sql/statement-action.ts';

/** The handler of PostgreSQL's protocol on a port of its own, with the real minter behind it; who decides is the test. */
export interface PostgresDoor {
  readonly port: number;
  readonly placeholder: string;
  readonly minter: PostgresMinter;
  readonly questions: StatementQuestion[];
  readonly actions: Action[];
  readonly outcomes: { readonly action: string; readonly outcome: ProxyOutcome }[];
  readonly refused: string[];
  /** Users that were minted, with their passwords, in order. */
  readonly minted: { readonly user: string; readonly secret: string; readonly scope: string }[];
  /** Ends every connection at once, as a proxy does that is killed. */
  kill(): void;
  stop(): Promise<void>;
}

export interface DoorOptions {
  readonly server: { readonly port: number };
  readonly dsn: string;
  readonly settings?: JsonObject;
  readonly ttlSeconds?: number;
  /** Why it is denied; null allows. May wait. */
  readonly decide?: (
    action: Action,
    question: StatementQuestion,
    signal?: AbortSignal,
  ) => string | null | Promise<string | null>;
  readonly windowBytes?: number;
  /** Called between minting and the answer. */
  readonly afterMint?: (user: string, secret: string, action: Action) => void | Promise<void>;
}

const SESSION = 'sess_databasetest' as SessionId;

/** A certificate of its own for TLS to the client; clients that check are not what is tested here. */
async function selfSigned(): Promise<{ readonly key: string; readonly cert: string }> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const made = await X509CertificateGenerator.createSelfSigned(
    { name: 'CN=127.0.0.1', keys, signingAlgorithm: algorithm, notAfter: new Date(Date.now() + 86_400_000) },
    webcrypto as Parameters<typeof X509CertificateGenerator.createSelfSigned>[1],
  );
  const der = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return { key: PemConverter.encode(der, 'PRIVATE KEY'), cert: made.toString('pem') };
}

/** Starts the door; what was minted is ended at each outcome, as the daemon does. */
export async function openDoor(options: DoorOptions): Promise<PostgresDoor> {
  const minter = createPostgresMinter();
  const { key, cert } = await selfSigned();
  const placeholder = `csn_pg_${randomBytes(16).toString('hex')}`;
  const record: CredentialRecord = {
    name: 'shop',
    kind: 'postgres',
    env: ['PGPASSWORD'],
    limits: {
      hosts: [`127.0.0.1:${options.server.port}`],
      methods: null,
      paths: null,
      graphql: null,
      ttlSeconds: options.ttlSeconds ?? 30,
    },
    settings: options.settings ?? {},
    shape: { prefix: 'csn_pg_', length: 32, alphabet: 'hex' },
    createdAt: 0,
    rotatedAt: null,
    expiresAt: null,
    revoked: false,
  };
  const questions: StatementQuestion[] = [];
  const actions: Action[] = [];
  const outcomes: { action: string; outcome: ProxyOutcome }[] = [];
  const refused: string[] = [];
  const minted: { user: string; secret: string; scope: string }[] = [];
  const ends = new Map<string, () => Promise<void>>();
  const open = new Set<Socket>();
  const settings = {
    windowBytes: options.windowBytes ?? 65_536,
    holdBytes: 1_000_000,
    fingerprintKey: new Uint8Array(16),
  } as unknown as ProxySettings;
  const scan = (bytes: Uint8Array) => ({ ...EMPTY_PAYLOAD, bytes: bytes.length });
  const serve = createPostgresHandler({ scan, signals: () => [] });

  const deny = (message: string): ProxyAnswer => ({
    result: 'DENY',
    message,
    action: null,
    rule: 'test.deny',
    receipt: null,
    reportEnd: false,
    swaps: [],
  });
  const answer = async (question: StatementQuestion, signal?: AbortSignal): Promise<ProxyAnswer> => {
    const id = `act_${randomBytes(9).toString('hex')}` as ActionId;
    const place = { cwd: null, home: '/home/x', workspace: null, user: 'x' };
    const action = buildStatementAction(
      {
        id,
        sessionId: SESSION,
        at: Date.now(),
        surface: 'http',
        place,
        own: [],
        by: null,
        modifiedFrom: null,
        question,
      },
      nodeHasher,
    );
    questions.push(question);
    actions.push(action);
    const why = (await options.decide?.(action, question, signal)) ?? null;
    if (why !== null) return deny(why);
    const made = await minter.mint({
      record,
      secret: { secret: options.dsn, sessionToken: null },
      action,
      question,
      now: Date.now(),
    });
    if (!made.ok) return deny(made.error.message);
    if (made.value.use.kind !== 'postgres') return deny('of another kind');
    const { user } = made.value.use;
    minted.push({ user, secret: made.value.secret, scope: made.value.scope });
    const name = `mint_${minted.length}`;
    if (made.value.end !== undefined) ends.set(id, made.value.end);
    await options.afterMint?.(user, made.value.secret, action);
    const swap = {
      minted: name,
      placeholder,
      secret: made.value.secret,
      use: made.value.use,
      expiresAt: made.value.expiresAt ?? 0,
    };
    return {
      result: 'ALLOW',
      message: '',
      action: id,
      rule: null,
      receipt: null,
      reportEnd: true,
      swaps: [swap],
    };
  };
  const context: ProtocolContext = {
    route: { session: SESSION, scope: null, kind: 'guard' },
    host: '127.0.0.1',
    port: options.server.port,
    settings,
    placeholders: () => ['csn_pg_another', placeholder],
    ask: (question, _placeholders, signal) => {
      if (question.kind !== 'statement') throw new Error('not a statement');
      const cancelled = new Promise<ProxyAnswer>((resolve) =>
        signal?.addEventListener('abort', () => resolve(deny('cancelled'))),
      );
      return Promise.race([answer(question, signal), cancelled]);
    },
    report(action, outcome) {
      outcomes.push({ action, outcome });
      void ends.get(action)?.();
    },
    refused: (code, reason) => refused.push(`${code} ${reason}`),
    openTls: (socket) =>
      new Promise((resolve) => {
        const tls = new TLSSocket(socket, { isServer: true, key, cert });
        tls.once('secure', () => resolve(ok(tls)));
        tls.once('error', () => resolve(err({ code: 'tls' as const, message: 'TLS was not opened' })));
      }),
    dial: (host, port) =>
      new Promise((resolve) => {
        const socket = connect(port, host);
        socket.once('error', () =>
          resolve(err({ code: 'unreachable' as const, message: 'it cannot be reached' })),
        );
        socket.once('connect', () => {
          open.add(socket);
          socket.setNoDelay(true);
          socket.on('close', () => open.delete(socket));
          resolve(ok({ socket, address: host }));
        });
      }),
    secure: () => Promise.resolve(err({ code: 'tls' as const, message: 'no TLS here' })),
  };
  const route = { credential: 'shop', host: '127.0.0.1', port: options.server.port };
  const listener = createServer((socket) => {
    open.add(socket);
    socket.setNoDelay(true);
    socket.on('close', () => open.delete(socket));
    void serve(socket, route, context).catch((error: unknown) => {
      refused.push(`crashed ${String(error)}`);
      socket.destroy();
    });
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const address = listener.address();
  const kill = (): void => {
    for (const socket of open) socket.destroy();
  };
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    placeholder,
    minter,
    questions,
    actions,
    outcomes,
    refused,
    minted,
    kill,
    async stop() {
      kill();
      await new Promise((resolve) => listener.close(resolve));
      await minter.close();
    },
  };
}
