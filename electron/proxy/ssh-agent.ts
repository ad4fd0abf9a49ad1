import { mkdirSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { hashKnownName, verifySsh } from '../edge/ssh-crypto.ts';
import type { DaemonToProxy, ProxyOutcome, ProxyQuestion, SshAgentKey } from '../wire/proxy-message.ts';
import {
  AGENT_FAILURE,
  AGENT_SUCCESS,
  type AgentRequest,
  identitiesAnswer,
  MAX_AGENT_MESSAGE,
  readAgentRequest,
  signAnswer,
} from '../wire/ssh/agent-message.ts';
import { fromBase64, sameBytes, toBase64 } from '../wire/ssh/bytes.ts';
import { hostOfKey, readKnownHosts } from '../wire/ssh/known-hosts.ts';
import { fitsBind, readUserAuth } from '../wire/ssh/userauth.ts';
import type { ProxyAnswer } from './protocol-handler.ts';

type Settings = Extract<DaemonToProxy, { readonly kind: 'ssh-agent' }>;
type SignQuestion = Extract<ProxyQuestion, { readonly kind: 'sign' }>;
type Bind = Extract<AgentRequest, { readonly kind: 'bind' }>;

/** What the agents need of the proxy's channel (channel.ts). */
export interface SshAgentPorts {
  ask(session: string, question: SignQuestion, signal: AbortSignal): Promise<ProxyAnswer>;
  report(action: string, outcome: ProxyOutcome): void;
  refused(session: string, code: string, reason: string, host: string | null): void;
  now(): number;
}

/** The SSH agents of the sessions, one socket each. */
export interface SshAgents {
  /** Opens a session's agent, or gives it other keys. Rejects when its socket cannot be made. */
  set(settings: Settings): Promise<void>;
  forget(session: string): void;
}

interface Agent {
  readonly server: Server;
  readonly socket: string;
  readonly open: Set<Socket>;
  keys: readonly SshAgentKey[];
}

const MAX_CONNECTIONS = 64;
/** Of one connection; a client logs in once. */
const MAX_SIGNATURES = 64;

/**
 * Makes the agents (AARM R9): they list public keys, and sign nothing but the login to a host that the client has proven to talk to and that the
 * key may be used for. Nobody here has a private key: the signature comes with the daemon's answer.
 */
export function createSshAgents(ports: SshAgentPorts): SshAgents {
  const agents = new Map<string, Agent>();

  function forget(session: string): void {
    const agent = agents.get(session);
    agents.delete(session);
    agent?.server.close();
    for (const socket of agent?.open ?? []) socket.destroy();
    if (agent !== undefined) rmSync(agent.socket, { force: true });
  }

  return {
    async set(settings) {
      const known = agents.get(settings.session);
      if (known !== undefined && known.socket === settings.socket) {
        known.keys = settings.keys;
        return;
      }
      forget(settings.session);
      if (settings.keys.length === 0) return;
      const server = createServer();
      const agent: Agent = { server, socket: settings.socket, open: new Set(), keys: settings.keys };
      server.maxConnections = MAX_CONNECTIONS;
      server.on('connection', (socket) => serve(ports, settings.session, agent, socket));
      agents.set(settings.session, agent);
      // The session's launcher may not have made it yet.
      mkdirSync(dirname(settings.socket), { recursive: true, mode: 0o700 });
      rmSync(settings.socket, { force: true });
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        // Bound at once, while nobody but the person may use what is made here.
        const before = process.umask(0o177);
        try {
          server.listen(settings.socket, resolve);
        } finally {
          process.umask(before);
        }
      });
    },
    forget,
  };
}

/** One connection: requests in their order, each answered before the next is looked at. */
function serve(ports: SshAgentPorts, session: string, agent: Agent, socket: Socket): void {
  const gone = new AbortController();
  const state: ConnectionState = {
    ports,
    session,
    agent,
    bind: null,
    spoiled: false,
    signed: 0,
    gone: gone.signal,
  };
  let heard = Buffer.alloc(0);
  let busy = false;
  agent.open.add(socket);
  socket.on('error', () => undefined);
  socket.on('close', () => {
    agent.open.delete(socket);
    gone.abort();
  });
  const next = async (): Promise<void> => {
    if (busy) return;
    busy = true;
    for (let message = take(); message !== null && !socket.destroyed; message = take())
      socket.write(await answerTo(state, message));
    busy = false;
    socket.resume();
  };
  const take = (): Uint8Array | null => {
    if (heard.length < 4) return null;
    const size = heard.readUInt32BE(0);
    if (size === 0 || size > MAX_AGENT_MESSAGE) {
      ports.refused(session, 'ssh_malformed', 'a message to the SSH agent that is none', null);
      socket.destroy();
      return null;
    }
    if (heard.length < 4 + size) return null;
    const message = heard.subarray(4, 4 + size);
    heard = heard.subarray(4 + size);
    return message;
  };
  socket.on('data', (chunk) => {
    heard = Buffer.concat([heard, chunk]);
    if (busy && heard.length > MAX_AGENT_MESSAGE) socket.pause();
    // What a handler throws is our bug: the connection ends, and nothing was signed.
    next().catch(() => socket.destroy());
  });
}

interface ConnectionState {
  readonly ports: SshAgentPorts;
  readonly session: string;
  readonly agent: Agent;
  readonly gone: AbortSignal;
  bind: Bind | null;
  /** Something on this connection was not as it should be: nothing is signed on it any more. */
  spoiled: boolean;
  signed: number;
}

async function answerTo(state: ConnectionState, message: Uint8Array): Promise<Uint8Array> {
  const request = readAgentRequest(message);
  if (request === null) {
    state.spoiled = true;
    return refuse(state, 'ssh_malformed', 'a request to the SSH agent that cannot be read');
  }
  switch (request.kind) {
    case 'identities': {
      const keys = state.agent.keys.flatMap(({ publicKey, comment }) => {
        const blob = fromBase64(publicKey);
        return blob === null ? [] : [{ blob, comment }];
      });
      return identitiesAnswer(keys);
    }
    case 'refused':
      return refuse(state, 'ssh_refused', `${request.what} was asked of the SSH agent, which only signs`);
    case 'bind':
      return bindTo(state, request);
    case 'sign': {
      const signature = await signatureFor(state, request);
      return typeof signature === 'string' ? refuse(state, 'ssh_sign', signature) : signAnswer(signature);
    }
  }
}

function refuse(state: ConnectionState, code: string, reason: string): Uint8Array {
  state.ports.refused(state.session, code, reason, null);
  return AGENT_FAILURE;
}

/**
 * INVARIANT (one connection, one host): the first bind stands. Another one, a forwarded one, and one whose signature is not the host's spoil the
 * connection: who makes them is no client that wants to log in.
 */
function bindTo(state: ConnectionState, bind: Bind): Uint8Array {
  const same =
    state.bind !== null &&
    sameBytes(state.bind.hostKey, bind.hostKey) &&
    sameBytes(state.bind.sessionId, bind.sessionId);
  if (same && !bind.forwarding) return AGENT_SUCCESS;
  if (bind.forwarding || state.bind !== null || !verifySsh(bind.hostKey, bind.sessionId, bind.signature)) {
    state.spoiled = true;
    const why = bind.forwarding ? 'forwarded to another host' : 'bound to what the host did not sign';
    return refuse(state, 'ssh_bind', `the SSH agent was ${why}`);
  }
  state.bind = bind;
  return AGENT_SUCCESS;
}

/** The signature, or why there is none. */
async function signatureFor(
  state: ConnectionState,
  request: Extract<AgentRequest, { readonly kind: 'sign' }>,
): Promise<Uint8Array | string> {
  const { bind, agent, ports, session } = state;
  const publicKey = toBase64(request.key);
  const keys = agent.keys.filter((key) => key.publicKey === publicKey);
  if (keys.length === 0) return 'a signature of a key that the session does not have';
  if (bind === null)
    return 'a signature for a host that the client did not name; it needs OpenSSH 8.9 or newer';
  if (state.spoiled) return 'a signature on a connection that was misused';
  if (state.signed++ >= MAX_SIGNATURES) return 'more signatures than a login needs';
  const auth = readUserAuth(request.data, request.flags);
  if (auth === null) return 'a signature of something else than a login';
  if (!fitsBind(auth, bind, request.key)) return 'a login to another session than the one that was bound';
  const found = keys.flatMap((key) => {
    const host = hostOfKey(readKnownHosts(key.knownHosts), bind.hostKey, key.hosts, hashKnownName);
    return host === null ? [] : [{ key, host }];
  })[0];
  if (found === undefined)
    return 'a login to a host that the key is not for, or whose key is not the known one';
  const startedAt = ports.now();
  const answer = await ports.ask(
    session,
    {
      kind: 'sign',
      credential: found.key.credential,
      host: found.host,
      user: auth.user,
      key: publicKey,
      data: toBase64(request.data),
      flags: request.flags,
      bind: {
        hostKey: toBase64(bind.hostKey),
        sessionId: toBase64(bind.sessionId),
        signature: toBase64(bind.signature),
      },
    },
    state.gone,
  );
  const swap = answer.result === 'ALLOW' ? answer.swaps.find(({ use }) => use.kind === 'ssh') : undefined;
  const signature = swap === undefined || ports.now() > swap.expiresAt ? null : fromBase64(swap.secret);
  const good = signature !== null && verifySsh(request.key, request.data, signature);
  if (answer.reportEnd && answer.action !== null)
    ports.report(
      answer.action,
      outcomeOf(good && swap !== undefined ? swap.minted : null, startedAt, ports.now()),
    );
  if (answer.result !== 'ALLOW') return `denied: ${answer.message}`.slice(0, 1024);
  return good ? signature : 'no signature came with the answer';
}

function outcomeOf(minted: string | null, startedAt: number, endedAt: number): ProxyOutcome {
  return {
    result: minted === null ? 'failed' : 'succeeded',
    status: null,
    error: minted === null ? 'no signature came with the answer' : null,
    sent: 0,
    received: 0,
    digest: null,
    contentType: null,
    startedAt,
    endedAt,
    payload: null,
    signals: [],
    used: minted === null ? [] : [minted],
  };
}
