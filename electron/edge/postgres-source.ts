import type { Duplex } from 'node:stream';
import type { Frame, FrameReader } from './postgres-frame.ts';

/** Frames of one side, one after the other. */
export interface FrameSource {
  /** The next frame; null when the connection has ended or sent something that is no message. */
  next(): Promise<Frame | null>;
  /** True when a frame is there already. */
  ready(): boolean;
  /** Stops reading; what is there is left in the reader. */
  stop(): void;
}

/** So many bytes are read ahead of who takes them. */
const AHEAD = 256 * 1024;

/** Reads frames from a socket, and no faster than they are taken. */
export function frameSource(socket: Duplex, reader: FrameReader): FrameSource {
  let held: Frame | null = null;
  let waiting: ((frame: Frame | null) => void) | null = null;
  let ended = false;
  let ahead = 0;
  const take = (): Frame | null => {
    if (held !== null) {
      const frame = held;
      held = null;
      return frame;
    }
    try {
      return reader.next();
    } catch {
      ended = true;
      socket.destroy();
      return null;
    }
  };
  const wake = (): void => {
    if (waiting === null) return;
    const frame = take();
    if (frame === null && !ended) return;
    const resolve = waiting;
    waiting = null;
    resolve(frame);
  };
  const onData = (chunk: Buffer): void => {
    reader.push(chunk);
    ahead += chunk.length;
    wake();
    if (waiting === null && ahead > AHEAD) socket.pause();
  };
  const onEnd = (): void => {
    ended = true;
    wake();
  };
  socket.on('data', onData);
  socket.on('end', onEnd);
  socket.on('close', onEnd);
  socket.on('error', onEnd);
  socket.resume();
  return {
    next() {
      const frame = take();
      if (frame !== null) return Promise.resolve(frame);
      if (ended) return Promise.resolve(null);
      ahead = 0;
      if (socket.isPaused()) socket.resume();
      return new Promise((resolve) => {
        waiting = resolve;
      });
    },
    ready() {
      held ??= take();
      return held !== null;
    },
    stop() {
      ended = true;
      wake();
      socket.off('data', onData);
      socket.off('end', onEnd);
      socket.off('close', onEnd);
      socket.off('error', onEnd);
    },
  };
}
