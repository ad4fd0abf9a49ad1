import { type Frame, failure, frame } from '../edge/postgres-frame.ts';
import type { StatementView } from '../wire/proxy-message.ts';
import type { StatementReading } from '../wire/sql/statement-view.ts';
import {
  answerAlone,
  type Batch,
  type BatchFault,
  type Names,
  type Prepared,
  readBatch,
} from './postgres-batch.ts';
import { createCopyIn } from './postgres-copy.ts';
import {
  barredBy,
  denial,
  digestOf,
  greetClient,
  mintedFor,
  type PostgresSession,
  undone,
  unreadable,
} from './postgres-denial.ts';
import { followReply, type Reply } from './postgres-reply.ts';
import { cancelUpstream, closeUpstream, openUpstream, type UpstreamLink } from './postgres-upstream.ts';
import type { ProxyAnswer } from './protocol-handler.ts';

/** A session that runs; `cancel` is what a client's cancel request comes to. */
export interface RunningSession {
  readonly session: string;
  cancel(): void;
  /** Resolves when the client is gone. */
  readonly ended: Promise<void>;
}

/** One thing that is asked about. */
interface Asked {
  readonly text: string;
  readonly readings: readonly StatementReading[];
  readonly values: string;
  readonly digest: string | null;
}

const MAX_BATCH = 64 * 1024 * 1024;

/** An action that runs upstream: who it is, and what it still owes. */
interface Running {
  readonly action: string | null;
  /** Id of what was minted for it. */
  readonly minted: string | null;
  readonly reportEnd: boolean;
  readonly reply: Reply;
  readonly asked: Asked;
  /** Answers to Parse messages of our own, which the client does not hear. */
  hidden: number;
  readonly done: () => void;
}

/** Serves one client until it leaves (AARM R1, R9): each text, or each run of messages up to a Sync, is one action. */
export function runSession(
  held: PostgresSession,
  cancelKey: { readonly pid: number; readonly secret: number },
): RunningSession {
  const { client, context, route, inspect } = held;
  const names: Names = { statements: new Map(), portals: new Map() };
  const sqlNames = new Map<string, readonly StatementReading[]>();
  let searchPath = held.parameters['search_path'] ?? null;
  let link: UpstreamLink | null = null;
  let running: Running | null = null;
  let cycle: Promise<void> = Promise.resolve();
  let asking: AbortController | null = null;
  let skipping = false;
  let silent: ((message: Frame) => void) | null = null;
  let leaving = false;
  /** Further actions of the cycle: rows of a COPY that were asked about. */
  let also: { readonly action: string; readonly minted: string | null }[] = [];

  const write = async (bytes: Buffer): Promise<void> => {
    if (client.destroyed || bytes.length === 0) return;
    if (!client.write(bytes))
      await new Promise<void>((resolve) => {
        const go = (): void => {
          client.off('drain', go);
          client.off('close', go);
          resolve();
        };
        client.on('drain', go);
        client.on('close', go);
      });
  };
  const stateOf = (): 'I' | 'T' | 'E' => link?.state ?? 'I';
  const readyForQuery = (): Buffer => frame('Z', Buffer.from(stateOf()));
  const copyIn = createCopyIn({
    windowBytes: context.settings.windowBytes,
    ask: async (bytes) => {
      const asked = running?.asked;
      if (asked === undefined) return null;
      const answer = await ask({ ...asked, values: bytes.toString('utf8'), digest: digestOf(bytes) }, bytes);
      if (answer.result === 'ALLOW' && answer.reportEnd && answer.action !== null)
        also.push({ action: answer.action, minted: mintedFor(answer) });
      return answer.result === 'ALLOW' ? null : answer.message;
    },
    forward: async (bytes) => {
      running?.reply.sent(bytes.length);
      const socket = link?.socket;
      if (socket === undefined || socket.destroyed || socket.write(bytes)) return;
      await new Promise<void>((resolve) => {
        socket.once('drain', resolve);
        socket.once('close', resolve);
      });
    },
  });

  /** Rights of what EXECUTE runs are those of what was prepared under its name. */
  const viewsOf = (readings: readonly StatementReading[]): readonly StatementView[] =>
    readings.flatMap((reading) => {
      if (reading.executes === null) return [reading.view];
      const made = sqlNames.get(reading.executes) ?? names.statements.get(reading.executes)?.readings ?? [];
      return [
        reading.view,
        ...made.map(({ view }) => ({ ...view, verb: view.verb.replace(/^prepare /, 'execute ') })),
      ];
    });

  const ask = async (asked: Asked, payload: Buffer): Promise<ProxyAnswer> => {
    asking = new AbortController();
    const answer = await context.ask(
      {
        kind: 'statement',
        credential: route.credential,
        host: route.host,
        port: route.port,
        database: held.database,
        user: held.user,
        text: asked.text,
        statements: viewsOf(asked.readings),
        payload: inspect.scan(payload),
        values: asked.digest,
        continues: link?.user ?? null,
        transaction: stateOf() !== 'I',
        searchPath,
      },
      [{ value: held.placeholder, where: 'password' }],
      asking.signal,
    );
    const cancelled = asking.signal.aborted;
    asking = null;
    return cancelled ? { ...answer, result: 'DENY', rule: 'cancelled' } : answer;
  };

  /** Gives what was asked a connection as the role that was minted for it; else why not. */
  const connect = async (answer: ProxyAnswer): Promise<{ link: UpstreamLink } | BatchFault> => {
    const swap = answer.swaps.find((one) => one.use.kind === 'postgres');
    if (swap === undefined || swap.use.kind !== 'postgres')
      return { code: '28000', message: 'it was allowed, but no credential was made for it' };
    if (link !== null) {
      if (swap.use.user !== link.user)
        return { code: '28000', message: 'the credential is for another connection' };
      return { link };
    }
    const opened = await openUpstream(route, swap, held.parameters, context);
    if (!opened.ok) return { code: opened.error.sqlstate, message: opened.error.message };
    link = opened.value;
    void pump(opened.value);
    return { link: opened.value };
  };

  /** What the server says goes to the client as it comes, to the end of this connection. */
  const pump = async (up: UpstreamLink): Promise<void> => {
    let out: Buffer[] = [];
    let size = 0;
    for (let message = await up.source.next(); message !== null; message = await up.source.next()) {
      const pass = observe(up, message);
      if (pass) {
        out.push(message.raw);
        size += message.raw.length;
      }
      if (message.type !== 'Z' && up.source.ready() && size < 65_536) continue;
      const bytes = Buffer.concat(out);
      out = [];
      size = 0;
      if (message.type !== 'Z') await write(bytes);
      else if (silent === null) await settle(up, bytes);
      else silent(message);
    }
    await lost(up);
  };

  /** Takes note of one message; false when it is not for the client. */
  const observe = (up: UpstreamLink, message: Frame): boolean => {
    if (message.type === 'Z') up.state = stateLetter(message.body[0]);
    if (silent !== null) {
      if (message.type === 'A' || message.type === 'S' || message.type === 'N') return true;
      return false;
    }
    running?.reply.take(message);
    switch (message.type) {
      case '1':
        if (running === null || running.hidden === 0) return true;
        running.hidden -= 1;
        return false;
      case 'G':
        copyIn.begin();
        return true;
      case 'W':
        up.socket.destroy();
        return false;
      case 'S':
        // A text means something else under these settings than what was read: the connection ends before the next one.
        if (
          /^(?:standard_conforming_strings\0off|client_encoding\0(?!UTF8\0))/.test(
            message.body.toString('latin1'),
          )
        ) {
          up.socket.destroy();
          return false;
        }
        return true;
      default:
        return true;
    }
  };

  /** The end of a cycle: what the action owes is paid before the client hears that it may go on. */
  const settle = async (up: UpstreamLink, bytes: Buffer): Promise<void> => {
    up.open = false;
    copyIn.end();
    const over = running;
    running = null;
    if (over !== null) for (const reading of over.asked.readings) remember(up, reading);
    if (up.state === 'I' && !up.kept) {
      link = null;
      await closeUpstream(up);
    }
    if (up.state === 'I') names.portals.clear();
    owe(over, false);
    await write(bytes);
    over?.done();
  };

  /** Pays what a finished action owes: one outcome, for it and for the rows that were asked about after it. */
  const owe = (over: Running | null, cut: boolean): void => {
    const actions = [
      ...(over?.reportEnd === true && over.action !== null
        ? [{ action: over.action, minted: over.minted }]
        : []),
      ...also,
    ];
    also = [];
    if (over === null || actions.length === 0) return;
    const outcome = over.reply.outcome([], cut);
    for (const { action, minted } of actions)
      context.report(action, { ...outcome, used: minted === null ? [] : [minted] });
  };

  const remember = (up: UpstreamLink, reading: StatementReading): void => {
    if (reading.keeps) up.kept = true;
    if (reading.searchPath !== null) searchPath = reading.searchPath;
    if (reading.view.verb === 'reset' || reading.view.verb === 'discard')
      searchPath = held.parameters['search_path'] ?? null;
    if (reading.prepares !== null) sqlNames.set(reading.prepares, [reading]);
  };

  /** The server is gone while something ran, or while its session was kept: the client's session cannot go on. */
  const lost = async (up: UpstreamLink): Promise<void> => {
    if (link !== up) return;
    link = null;
    const over = running;
    running = null;
    owe(over, true);
    if (!leaving)
      await write(failure({ code: '08006', message: 'the connection to the database was lost' }, 'FATAL'));
    client.end();
    over?.done();
    silent?.({ type: 'Z', body: Buffer.from('I'), raw: Buffer.alloc(0) });
  };

  const begin = (answer: ProxyAnswer, asked: Asked, hidden: number): Reply => {
    const reply = followReply(inspect, context.settings.windowBytes, Date.now());
    cycle = new Promise((done) => {
      running = {
        action: answer.action,
        minted: mintedFor(answer),
        reportEnd: answer.reportEnd,
        reply,
        asked,
        hidden,
        done,
      };
    });
    return reply;
  };

  /** Sends something of our own and waits until the server is ready again; the client hears nothing of it. */
  const quietly = (up: UpstreamLink, bytes: Buffer): Promise<void> =>
    new Promise((resolve) => {
      silent = () => {
        silent = null;
        resolve();
      };
      up.socket.write(bytes);
    });

  /**
   * Inside a transaction the server may look at a table's rights before it has heard of a GRANT from elsewhere (LOCK, TRUNCATE and definitions do):
   * taking and giving back a lock on a table of everybody's makes it listen, without a snapshot and without a trace.
   */
  const refresh = async (up: UpstreamLink, asked: Asked): Promise<void> => {
    const late = ({ view }: StatementReading) => !LOCKS_FIRST.has(view.verb) && (view.needs ?? []).length > 0;
    if (up.state !== 'T' || !asked.readings.some(late)) return;
    await quietly(up, frame('Q', LISTEN_TO_GRANTS));
  };

  /**
   * Says no. In a transaction the server is told too, by a statement that fails: what follows is then its own business, savepoints and all.
   * `sync`: the client waits for ReadyForQuery; else it skips to its Sync.
   */
  const deny = async (why: BatchFault & { readonly hint?: string }, sync: boolean): Promise<void> => {
    const up = link;
    if (up?.open === true) {
      await quietly(up, frame('S'));
      up.open = false;
      const over = running;
      running = null;
      owe(over, false);
      over?.done();
      if (up.state === 'I' && !up.kept) {
        link = null;
        await closeUpstream(up);
      }
    }
    if (link !== null && link.state === 'T') await quietly(link, frame('Q', 'denied by countersign'));
    await write(failure({ code: why.code, message: why.message, hint: why.hint ?? null }));
    if (sync) await write(readyForQuery());
    else skipping = true;
  };

  const simpleQuery = async (text: string): Promise<void> => {
    const read = held.readSql(text);
    if (!read.ok) return deny(unreadable(read.error.message), true);
    if (read.value.length === 0) return write(Buffer.concat([frame('I'), readyForQuery()]));
    const barred = barredBy(read.value);
    if (barred !== null) return deny(barred, true);
    const asked: Asked = { text, readings: read.value, values: '', digest: null };
    const answer = await ask(asked, Buffer.from(text));
    if (answer.result !== 'ALLOW') return deny(denial(answer), true);
    const reached = await connect(answer);
    if ('code' in reached) {
      undone(held, answer);
      return deny(reached, true);
    }
    await refresh(reached.link, asked);
    const bytes = frame('Q', text);
    begin(answer, asked, 0).sent(bytes.length);
    reached.link.socket.write(bytes);
  };

  const prepare = (text: string, parse: Buffer): Prepared | BatchFault => {
    const read = held.readSql(text);
    if (!read.ok) return unreadable(read.error.message);
    return barredBy(read.value) ?? { text, parse: Buffer.from(parse), readings: read.value };
  };

  const runBatch = async (frames: readonly Frame[], sync: boolean): Promise<void> => {
    const batch = readBatch(frames, names, prepare);
    if ('code' in batch) return deny(batch, sync);
    const all = Buffer.concat(frames.map((message) => message.raw));
    if (batch.statements.length === 0) return runBare(frames, all, sync);
    const asked: Asked = {
      text: batch.statements.map((one) => one.text).join(';\n'),
      readings: batch.statements.flatMap((one) => one.readings),
      values: batch.values,
      digest: batch.digest,
    };
    const answer = await ask(asked, Buffer.from(`${asked.text}\n${batch.values}`));
    if (answer.result !== 'ALLOW') {
      for (const name of batch.parsed) names.statements.delete(name);
      return deny(denial(answer), sync);
    }
    const reached = await connect(answer);
    if ('code' in reached) {
      undone(held, answer);
      return deny(reached, sync);
    }
    if (!reached.link.open) await refresh(reached.link, asked);
    send(reached.link, batch, answer, asked, all, sync);
  };

  const send = (
    up: UpstreamLink,
    batch: Batch,
    answer: ProxyAnswer,
    asked: Asked,
    all: Buffer,
    sync: boolean,
  ): void => {
    const missing = batch.assumed.filter((name) => !up.prepared.has(name));
    const again = missing.map((name) => names.statements.get(name)?.parse ?? Buffer.alloc(0));
    for (const name of [...missing, ...batch.parsed]) up.prepared.add(name);
    if (running !== null) {
      // A part of the cycle that a Flush began: the outcome of the first part is owed now.
      const over: Running = running;
      owe(over, false);
      over.done();
    }
    begin(answer, asked, missing.length).sent(all.length);
    up.open = !sync;
    if (!sync) {
      cycle = Promise.resolve();
    }
    up.socket.write(Buffer.concat([...again, all]));
  };

  /** Sync, Flush or Close without a statement. */
  const runBare = async (frames: readonly Frame[], all: Buffer, sync: boolean): Promise<void> => {
    const up = link;
    if (up === null) {
      await write(answerAlone(frames));
      if (sync) await write(readyForQuery());
      return;
    }
    if (sync) {
      const before = running;
      cycle = new Promise((done) => {
        const reply = before?.reply ?? followReply(inspect, 0, Date.now());
        running = {
          ...(before ?? {
            action: null,
            minted: null,
            reportEnd: false,
            hidden: 0,
            asked: { text: '', readings: [], values: '', digest: null },
          }),
          reply,
          done,
        };
      });
    }
    up.open = !sync;
    up.socket.write(all);
  };

  const refuseCall = (): Promise<void> =>
    deny(
      { code: '0A000', message: 'calls of functions by their number are not possible through the firewall' },
      true,
    );

  const loop = async (): Promise<void> => {
    let batch: Frame[] = [];
    let size = 0;
    for (let message = await held.source.next(); message !== null; message = await held.source.next()) {
      if (message.type === 'd' || message.type === 'c' || message.type === 'f') {
        await copyIn.take(message);
        continue;
      }
      if (message.type === 'X') return;
      await cycle;
      if (skipping) {
        if (message.type !== 'S') continue;
        skipping = false;
        await write(readyForQuery());
        continue;
      }
      switch (message.type) {
        case 'Q': {
          const end = message.body.indexOf(0);
          if (end !== message.body.length - 1 || batch.length > 0) {
            await deny({ code: '08P01', message: 'the message is malformed' }, true);
            return;
          }
          await simpleQuery(message.body.toString('utf8', 0, end));
          break;
        }
        case 'P':
        case 'B':
        case 'D':
        case 'E':
        case 'C':
          batch.push({ type: message.type, body: Buffer.from(message.body), raw: Buffer.from(message.raw) });
          size += message.raw.length;
          if (size > MAX_BATCH) return;
          break;
        case 'H':
        case 'S': {
          const frames = [...batch, message];
          batch = [];
          size = 0;
          await runBatch(frames, message.type === 'S');
          break;
        }
        case 'F':
          await refuseCall();
          break;
        default:
          await write(failure({ code: '08P01', message: 'the message is of no known type' }, 'FATAL'));
          return;
      }
    }
  };

  const greet = async (): Promise<boolean> => {
    const asked: Asked = { text: '', readings: [], values: '', digest: null };
    return greetClient(held, cancelKey, await ask(asked, Buffer.alloc(0)), write);
  };

  const cancel = (): void => {
    if (asking !== null) asking.abort();
    else if (link !== null && link.key !== null && running !== null)
      void cancelUpstream(route, link.key, context);
  };

  const serve = async (): Promise<void> => {
    try {
      if (await greet()) await loop();
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      context.refused('08P01', error.message);
      await write(failure({ code: '08P01', message: error.message }, 'FATAL'));
    } finally {
      leaving = true;
      // Who leaves while something runs wants it stopped.
      cancel();
      const up = link;
      if (up !== null) {
        await closeUpstream(up);
        await lost(up);
      }
      client.end();
    }
  };
  client.once('close', () => {
    leaving = true;
    cancel();
  });
  return { session: context.route.session, cancel, ended: serve() };
}

const LOCKS_FIRST = new Set([
  'select',
  'insert',
  'update',
  'delete',
  'merge',
  'begin',
  'commit',
  'rollback',
  'set',
  'show',
]);
const LISTEN_TO_GRANTS =
  'SAVEPOINT csn_rights; LOCK TABLE information_schema.sql_features IN ACCESS SHARE MODE; ROLLBACK TO SAVEPOINT csn_rights; RELEASE SAVEPOINT csn_rights';

function stateLetter(byte: number | undefined): 'I' | 'T' | 'E' {
  return byte === 0x54 ? 'T' : byte === 0x45 ? 'E' : 'I';
}
