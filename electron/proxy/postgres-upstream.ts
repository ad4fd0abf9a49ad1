import type { Duplex } from 'node:stream';
import { err, ok, type Result } from '../core/result.ts';
import { isOwnMachine } from '../edge/postgres-client.ts';
import { frame } from '../edge/postgres-frame.ts';
import { askForTls, logIn } from '../edge/postgres-login.ts';
import { type FrameSource, frameSource } from '../edge/postgres-source.ts';
import type { DatabaseRoute, Swap } from '../wire/proxy-message.ts';
import type { ProtocolContext } from './protocol-handler.ts';

/** A connection to the database as a minted role. */
export interface UpstreamLink {
  readonly user: string;
  readonly minted: string;
  readonly socket: Duplex;
  readonly source: FrameSource;
  readonly parameters: ReadonlyMap<string, string>;
  readonly key: { readonly pid: number; readonly secret: number } | null;
  /** Names of protocol-level prepared statements that this connection has. */
  readonly prepared: Set<string>;
  /** `I` idle, `T` in a transaction, `E` in a failed one. */
  state: 'I' | 'T' | 'E';
  /** Something stands in the session that later statements may rely on. */
  kept: boolean;
  /** Between a Flush and its Sync. */
  open: boolean;
}

/** Connects to the database's real place: TLS checked there unless it is this machine itself. */
async function reach(database: DatabaseRoute, context: ProtocolContext): Promise<Result<Duplex, string>> {
  const dialled = await context.dial(database.host, database.port);
  if (!dialled.ok) return err(dialled.error.message);
  const { socket } = dialled.value;
  if (isOwnMachine(database.host)) return ok(socket);
  if (!(await askForTls(socket))) {
    socket.destroy();
    return err(`the database at \`${database.host}\` offers no TLS`);
  }
  const secured = await context.secure(socket, database.host);
  if (secured.ok) return ok(secured.value);
  socket.destroy();
  return err(secured.error.message);
}

/** Opens the connection that a swap is for (AARM R9.a): as the minted role, with the client's own settings. */
export async function openUpstream(
  database: DatabaseRoute,
  swap: Swap,
  parameters: Readonly<Record<string, string>>,
  context: ProtocolContext,
): Promise<Result<UpstreamLink, { readonly message: string; readonly sqlstate: string }>> {
  if (swap.use.kind !== 'postgres')
    return err({ message: 'the credential is of another kind', sqlstate: '28000' });
  const reached = await reach(database, context);
  if (!reached.ok) return err({ message: reached.error, sqlstate: '08001' });
  const socket = reached.value;
  const { user, database: name } = swap.use;
  const as = { user, password: swap.secret, database: name, parameters, sealed: true };
  const login = await logIn(socket, as);
  if (!login.ok) {
    socket.destroy();
    return err({ message: login.error.message, sqlstate: login.error.sqlstate ?? '08001' });
  }
  const { reader, parameters: reported, key } = login.value;
  return ok({
    user,
    minted: swap.minted,
    socket,
    source: frameSource(socket, reader),
    parameters: reported,
    key,
    prepared: new Set(),
    state: 'I',
    kept: false,
    open: false,
  });
}

const CANCEL_REQUEST = 80_877_102;

/** Asks the server to stop what a connection runs. */
export async function cancelUpstream(
  database: DatabaseRoute,
  key: { readonly pid: number; readonly secret: number },
  context: ProtocolContext,
): Promise<void> {
  const reached = await reach(database, context);
  if (!reached.ok) return;
  reached.value.on('error', () => undefined);
  reached.value.end(frame('', CANCEL_REQUEST, key.pid, key.secret));
  reached.value.resume();
}

/** Ends a connection; resolves when the server has closed it too, or soon after. */
export function closeUpstream(link: UpstreamLink): Promise<void> {
  return new Promise((resolve) => {
    const { socket } = link;
    const finish = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve();
    };
    const timer = setTimeout(finish, 250);
    link.source.stop();
    if (socket.destroyed) return finish();
    socket.on('error', finish);
    socket.once('close', finish);
    socket.once('end', finish);
    socket.resume();
    socket.end(frame('X'));
  });
}
