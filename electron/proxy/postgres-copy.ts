import { type Frame, frame } from '../edge/postgres-frame.ts';

/** Rows that a client sends with COPY: the first window of them is asked about before any leaves, the rest follows. */
export interface CopyIn {
  /** The server waits for rows. */
  begin(): void;
  /** CopyData, CopyDone or CopyFail from the client; outside a COPY they are dropped, as the server would. */
  take(message: Frame): Promise<void>;
  end(): void;
}

export function createCopyIn(ports: {
  readonly windowBytes: number;
  /** Why the rows may not leave; null: they may. */
  readonly ask: (bytes: Buffer) => Promise<string | null>;
  readonly forward: (bytes: Buffer) => Promise<void>;
}): CopyIn {
  let state: 'none' | 'holding' | 'passing' | 'refused' = 'none';
  let held: Frame[] = [];
  let size = 0;
  let early: Frame[] = [];
  let tail: Promise<void> = Promise.resolve();

  const decide = async (): Promise<void> => {
    const rows = Buffer.concat(held.filter((one) => one.type === 'd').map((one) => one.body));
    const why = rows.length === 0 ? null : await ports.ask(rows.subarray(0, ports.windowBytes));
    const frames = held;
    held = [];
    size = 0;
    if (why === null) {
      state = 'passing';
      await ports.forward(Buffer.concat(frames.map((one) => one.raw)));
    } else {
      state = 'refused';
      await ports.forward(frame('f', why.split('\n', 1)[0] ?? 'denied'));
    }
  };

  const takeNow = async (message: Frame): Promise<void> => {
    switch (state) {
      case 'none':
        // Some clients send their rows before they hear that the server waits for them.
        early.push({ type: message.type, body: Buffer.from(message.body), raw: Buffer.from(message.raw) });
        if (early.length > 1024) early = [];
        return;
      case 'holding':
        held.push({ type: message.type, body: Buffer.from(message.body), raw: Buffer.from(message.raw) });
        size += message.raw.length;
        if (message.type !== 'd' || size >= ports.windowBytes) await decide();
        return;
      case 'passing':
        await ports.forward(message.raw);
        return;
      case 'refused':
        return;
      default:
        return;
    }
  };

  const take = (message: Frame): Promise<void> => {
    tail = tail.then(() => takeNow(message));
    return tail;
  };

  return {
    begin() {
      state = 'holding';
      const before = early;
      early = [];
      for (const message of before) void take(message);
    },
    take,
    end() {
      state = 'none';
      held = [];
      early = [];
      size = 0;
    },
  };
}
