import { chmodSync, lstatSync, mkdirSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { err, ok, type Result } from '../core/result.ts';

/** Why a door could not be opened. */
export interface DoorOpenFault {
  readonly code: 'in_use' | 'not_ours' | 'path_too_long' | 'io';
  readonly message: string;
}

/** One connection that speaks lines of UTF-8 text. */
export interface LineConnection {
  /** Sends one line (without its newline); false when the peer reads too slowly and was closed. */
  send(line: string): boolean;
  /** Sends what is buffered, then closes; nothing that still arrives is looked at. */
  end(): void;
  readonly closed: boolean;
}

export interface LineHandlers {
  readonly onLine: (line: string) => void;
  readonly onClose: () => void;
  /** A line that is too long, too slow or not UTF-8: the connection is closed after this. */
  readonly onBroken: (fault: {
    readonly code: 'too_long' | 'too_slow' | 'invalid_utf8';
    readonly message: string;
  }) => void;
}

/** What a peer may take, in bytes and time. */
export interface LineLimits {
  /** Longest line in bytes, asked for each chunk: less is granted to a peer that has not said who it is. */
  readonly maxLine: () => number;
  /** Milliseconds that one line may take from its first byte to its newline; null waits for ever. */
  readonly lineMs: number | null;
}

/** Unread replies past this mean a peer that does not read: closed rather than buffered without bound. */
const MAX_UNREAD_BYTES = 16 * 1024 * 1024;
const MAX_SOCKET_PATH = 107;
const MAX_PARTS = 1024;
/** How long a peer that was said goodbye to may keep its end open. */
const GOODBYE_MS = 1000;

/**
 * Splits a byte stream into lines, strictly: at most `maxLine` bytes each, valid UTF-8 only, each whole in time.
 * Also used for the client side of a door.
 */
export function serveLines(socket: Socket, limits: LineLimits, handlers: LineHandlers): LineConnection {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let parts: Buffer[] = [];
  let held = 0;
  let closed = false;
  let slow: NodeJS.Timeout | null = null;
  const awaitNewline = (wanted: boolean) => {
    if (!wanted || closed) {
      if (slow !== null) clearTimeout(slow);
      slow = null;
    } else if (slow === null && limits.lineMs !== null) {
      slow = setTimeout(() => broken('too_slow', 'line did not end in time'), limits.lineMs);
      slow.unref();
    }
  };
  const close = () => {
    if (closed) return;
    closed = true;
    parts = [];
    held = 0;
    awaitNewline(false);
    handlers.onClose();
  };
  const goodbye = () => {
    socket.end();
    // A peer that keeps its end open after we said goodbye is cut off.
    setTimeout(() => socket.destroy(), GOODBYE_MS).unref();
    close();
  };
  const broken = (code: 'too_long' | 'too_slow' | 'invalid_utf8', message: string) => {
    if (closed) return;
    handlers.onBroken({ code, message });
    goodbye();
  };
  socket.on('data', (chunk: Buffer) => {
    let start = 0;
    while (!closed) {
      const newline = chunk.indexOf(0x0a, start);
      const end = newline < 0 ? chunk.length : newline;
      if (end > start) {
        parts.push(chunk.subarray(start, end));
        held += end - start;
      }
      const maxLine = limits.maxLine();
      if (held > maxLine) return broken('too_long', `line is longer than ${maxLine} bytes`);
      if (newline < 0) {
        // A byte at a time must not cost a buffer each.
        if (parts.length >= MAX_PARTS) parts = [Buffer.concat(parts)];
        return awaitNewline(held > 0);
      }
      awaitNewline(false);
      const bytes = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
      parts = [];
      held = 0;
      start = newline + 1;
      let text: string;
      try {
        text = decoder.decode(bytes);
      } catch {
        return broken('invalid_utf8', 'line is not valid UTF-8');
      }
      if (text.length > 0) handlers.onLine(text);
    }
  });
  socket.on('error', () => {
    socket.destroy();
    close();
  });
  socket.on('close', close);
  return {
    send(line) {
      if (closed || socket.destroyed) return false;
      socket.write(`${line}\n`);
      if (socket.writableLength > MAX_UNREAD_BYTES) {
        socket.destroy();
        close();
        return false;
      }
      return true;
    },
    end: goodbye,
    get closed() {
      return closed;
    },
  };
}

/**
 * Listens on a Unix socket in a 0700 directory of ours. A socket file left by a dead daemon is removed; one that
 * answers means another daemon is alive, and ours must not take its place; a path that is not a socket is not ours to remove.
 */
export async function openDoor(
  path: string,
  onConnection: (socket: Socket) => void,
): Promise<Result<Server, DoorOpenFault>> {
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH) {
    return err({
      code: 'path_too_long',
      message: `socket path \`${path}\` is longer than ${MAX_SOCKET_PATH} bytes; set COUNTERSIGN_HOME to a shorter directory`,
    });
  }
  const directory = dirname(path);
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const dir = lstatSync(directory);
    if (!dir.isDirectory() || (process.getuid && dir.uid !== process.getuid())) {
      return err({
        code: 'not_ours',
        message: `\`${directory}\` does not belong to this user; remove it or set COUNTERSIGN_HOME`,
      });
    }
    chmodSync(directory, 0o700);
  } catch (cause) {
    return err({ code: 'io', message: `cannot prepare \`${directory}\`: ${(cause as Error).message}` });
  }
  const present = lstatSync(path, { throwIfNoEntry: false });
  if (present) {
    if (!present.isSocket())
      return err({ code: 'not_ours', message: `\`${path}\` exists and is not a socket` });
    if (await answers(path)) return err({ code: 'in_use', message: `another daemon answers on \`${path}\`` });
    rmSync(path, { force: true });
  }
  return new Promise((resolve) => {
    const server = createServer({ allowHalfOpen: false }, onConnection);
    server.once('error', (cause: NodeJS.ErrnoException) =>
      resolve(
        err({
          code: cause.code === 'EADDRINUSE' ? 'in_use' : 'io',
          message: `cannot listen on \`${path}\`: ${cause.message}`,
        }),
      ),
    );
    server.listen(path, () => {
      chmodSync(path, 0o600);
      resolve(ok(server));
    });
  });
}

/** True when something accepts connections on the socket within half a second. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const finish = (value: boolean) => {
      socket.destroy();
      resolve(value);
    };
    socket.setTimeout(500, () => finish(true));
    socket.once('connect', () => finish(true));
    socket.once('error', () => finish(false));
  });
}
