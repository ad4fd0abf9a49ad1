import type { Socket } from 'node:net';
import { announcedSize, GUARD_HEADER_BYTES } from '../wire/guard-frame.ts';

/** One connection that speaks frames (docs/guard-protocol.md). */
export interface FrameConnection {
  /** Sends one whole frame; false when the peer reads too slowly and was closed. */
  send(frame: Uint8Array): boolean;
  /** Sends what is buffered, then closes; nothing that still arrives is looked at. */
  end(): void;
  readonly closed: boolean;
}

export interface FrameHandlers {
  /** A frame's payload, seal included; the bytes are only valid during the call. */
  readonly onFrame: (payload: Uint8Array) => void;
  readonly onClose: () => void;
  /** No frame of ours, too large or too slow: the connection is closed after this. */
  readonly onBroken: (fault: {
    readonly code: 'bad_frame' | 'too_long' | 'too_slow';
    readonly message: string;
  }) => void;
}

/** What a peer may take, in bytes and time. */
export interface FrameLimits {
  /** Largest payload in bytes, asked for each frame: less is granted to a peer that has not said who it is. */
  readonly maxFrame: () => number;
  /** Milliseconds that one frame may take from its first byte to its last; null waits for ever. */
  readonly frameMs: number | null;
}

const MAX_UNREAD_BYTES = 16 * 1024 * 1024;
const MAX_PARTS = 1024;
/** How long a peer that was said goodbye to may keep its end open. */
const GOODBYE_MS = 1000;

/** Cuts a socket's bytes into frames, strictly: bounded in size and time, and nothing behind a malformed one is looked at. */
export function serveFrames(socket: Socket, limits: FrameLimits, handlers: FrameHandlers): FrameConnection {
  let parts: Buffer[] = [];
  let held = 0;
  let wanted = GUARD_HEADER_BYTES;
  let header = true;
  let closed = false;
  let slow: NodeJS.Timeout | null = null;
  const awaitRest = (more: boolean) => {
    if (!more || closed) {
      if (slow !== null) clearTimeout(slow);
      slow = null;
    } else if (slow === null && limits.frameMs !== null) {
      slow = setTimeout(() => broken('too_slow', 'frame did not end in time'), limits.frameMs);
      slow.unref();
    }
  };
  const close = () => {
    if (closed) return;
    closed = true;
    parts = [];
    held = 0;
    awaitRest(false);
    handlers.onClose();
  };
  const goodbye = () => {
    socket.end();
    setTimeout(() => socket.destroy(), GOODBYE_MS).unref();
    close();
  };
  const broken = (code: 'bad_frame' | 'too_long' | 'too_slow', message: string) => {
    if (closed) return;
    handlers.onBroken({ code, message });
    goodbye();
  };
  socket.on('data', (chunk: Buffer) => {
    if (closed) return;
    parts.push(chunk);
    held += chunk.length;
    while (!closed && held >= wanted) {
      const all: Buffer = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
      if (header) {
        const size = announcedSize(all);
        if (size === null) return broken('bad_frame', 'not a frame');
        const most = limits.maxFrame();
        if (size > most) return broken('too_long', `frame is longer than ${most} bytes`);
        header = false;
        wanted = GUARD_HEADER_BYTES + size;
        parts = [all];
        continue;
      }
      const payload = all.subarray(GUARD_HEADER_BYTES, wanted);
      const rest = all.subarray(wanted);
      parts = rest.length > 0 ? [rest] : [];
      held = rest.length;
      header = true;
      wanted = GUARD_HEADER_BYTES;
      awaitRest(false);
      handlers.onFrame(payload);
    }
    // A byte at a time must not cost a buffer each.
    if (parts.length >= MAX_PARTS) parts = [Buffer.concat(parts)];
    awaitRest(held > 0);
  });
  socket.on('error', () => {
    socket.destroy();
    close();
  });
  socket.on('close', close);
  return {
    send(frame) {
      if (closed || socket.destroyed) return false;
      socket.write(frame);
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
