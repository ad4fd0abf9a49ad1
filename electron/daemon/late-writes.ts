import { dirname } from 'node:path';
import type { Action } from '../core/action.ts';
import type { ActionId } from '../core/brand.ts';
import { advanceLate, type LateDeed, type LateEvent, type LateWatch, watchLate } from '../core/late-watch.ts';
import type { Clock, Hasher, Random } from '../core/ports.ts';
import type { Knowledge } from '../core/semantic/knowledge.ts';
import type { LateKind } from '../core/semantic/late-change.ts';
import { MAX_LATE_TEXT } from '../core/semantic/late-change.ts';
import { lateKind } from '../core/semantic/late-files.ts';
import {
  type LateFile,
  NO_LATE_FILE,
  readLateFile,
  watchLateFolder,
  writeLateFile,
} from '../edge/late-store.ts';
import { buildLateAction, type LateContent } from '../wire/late-action.ts';
import type { Session } from './session-store.ts';
import type { Timers } from './timer.ts';

/** What of a session a judgement of its late writes needs. */
export type LateSession = Pick<Session, 'id' | 'home' | 'workspace' | 'identity'>;

/**
 * Decides one change. `waiting` is called when somebody has to be waited for: from then on the former content stands. A
 * throw is DENY.
 */
export type LateJudge<S> = (session: S, action: Action, waiting: () => void) => Promise<'ALLOW' | 'DENY'>;

export interface LateWritesPorts<S extends LateSession> {
  readonly judge: LateJudge<S>;
  readonly knowledge: Knowledge;
  readonly hasher: Hasher;
  readonly clock: Clock;
  readonly random: Random;
  readonly timers: Timers;
  /** Something that could not be put back, or was given up; for the ledger and for people. */
  readonly fault: (session: S, path: string, why: string) => void;
}

/** Watches over files whose content acts later, for all sessions (docs/guard-protocol.md, `late`). */
export interface LateWrites<S extends LateSession> {
  /**
   * Notes what lies at `hostPath` before it is opened for writing, at once. `path` is its name in the session. `refused`: it cannot
   * be kept (a special file, too large, too many), so it must not be opened for writing.
   */
  begin(session: S, path: string, hostPath: string): 'noted' | 'refused';
  /** Judges a content that is about to take the place of `hostPath` (null: it is about to be removed) before it does. */
  replace(session: S, path: string, hostPath: string, from: string | null): Promise<'ALLOW' | 'DENY'>;
  /** Looks at every file of the session; resolves when each is as somebody allowed it, or is a question with the former content in place. */
  settle(session: S): Promise<void>;
  /** Settles, puts back what is still undecided, and stops watching. */
  end(session: S): Promise<void>;
}

/** An editor or a package manager writes in several steps. */
const DEBOUNCE_MS = 200;
/** A judgement that takes longer has to wait for something: the former content is put back meanwhile. */
const MOMENT_MS = 50;
/** Writes through a mapping wake no watch; so every file is looked at now and then. */
const LOOK_MS = 2000;
const MAX_FILES = 4096;
const MAX_BYTES = 64 * 1024 * 1024;
const MAX_WATCHERS = 512;
/** Looks at one file in one go: something that rewrites it as fast as we look is stopped by the next question. */
const MAX_STEPS = 64;

interface Watched<S> {
  readonly path: string;
  readonly hostPath: string;
  readonly kind: LateKind;
  session: S;
  readonly sessions: Set<string>;
  watch: LateWatch<LateFile>;
  /** True once it was said that its content cannot be put back; not said again at each look. */
  faulted: boolean;
  /** Cancels the debounce that runs. */
  timer: (() => void) | null;
  /** Resolve when the present judgement is settled or waits for somebody. */
  readonly settled: (() => void)[];
}

/** Builds the watch over files whose content acts later. */
export function createLateWrites<S extends LateSession>(ports: LateWritesPorts<S>): LateWrites<S> {
  const files = new Map<string, Watched<S>>();
  const folders = new Map<string, { readonly close: () => void; readonly files: Set<Watched<S>> }>();
  let bytes = 0;
  let stopLooking: (() => void) | null = null;

  const look = (file: Watched<S>): void => {
    file.timer?.();
    file.timer = null;
    advance(file, { kind: 'seen', content: readLateFile(file.hostPath) });
  };

  const lookSoon = (file: Watched<S>): void => {
    file.timer ??= ports.timers.after(DEBOUNCE_MS, () => {
      file.timer = null;
      look(file);
    });
  };

  function advance(file: Watched<S>, first: LateEvent<LateFile>): void {
    const events: LateEvent<LateFile>[] = [first];
    let steps = 0;
    for (let event = events.shift(); event !== undefined; event = events.shift()) {
      const step = advanceLate(file.watch, event);
      bytes += sizeOf(step.watch) - sizeOf(file.watch);
      file.watch = step.watch;
      for (const deed of step.deeds) {
        if (deed.kind === 'look') steps += 1;
        if (steps > MAX_STEPS) {
          lookSoon(file);
          continue;
        }
        const answer = perform(file, deed);
        if (answer !== null) events.push(answer);
      }
    }
    if (!isOpen(file.watch)) for (const resolve of file.settled.splice(0)) resolve();
  }

  function perform(file: Watched<S>, deed: LateDeed<LateFile>): LateEvent<LateFile> | null {
    switch (deed.kind) {
      case 'look':
        return { kind: 'seen', content: readLateFile(file.hostPath) };
      case 'restore': {
        const done = writeLateFile(file.hostPath, deed.content);
        if (!done.ok && !file.faulted)
          ports.fault(
            file.session,
            file.path,
            done.error.code === 'failed' ? done.error.why : done.error.code,
          );
        file.faulted = !done.ok;
        return null;
      }
      case 'commit': {
        const done = writeLateFile(file.hostPath, deed.content, deed.over.digest);
        if (!done.ok && done.error.code === 'failed') ports.fault(file.session, file.path, done.error.why);
        return { kind: 'committed', ticket: deed.ticket, done: done.ok };
      }
      case 'judge': {
        const action = actionOf(file.session, file.path, file.kind, deed.before, deed.after);
        if (action === null) return { kind: 'verdict', ticket: deed.ticket, result: 'ALLOW' };
        const wait = (): void => advance(file, { kind: 'waiting', ticket: deed.ticket });
        const cancel = ports.timers.after(MOMENT_MS, wait);
        void decide(file.session, action, wait).then((result) => {
          cancel();
          advance(file, { kind: 'verdict', ticket: deed.ticket, result });
        });
        return null;
      }
    }
  }

  const decide = async (session: S, action: Action, waiting: () => void): Promise<'ALLOW' | 'DENY'> => {
    try {
      return (await ports.judge(session, action, waiting)) === 'ALLOW' ? 'ALLOW' : 'DENY';
    } catch {
      return 'DENY';
    }
  };

  const actionOf = (
    session: S,
    path: string,
    kind: LateKind,
    before: LateFile,
    after: LateFile,
  ): Action | null =>
    buildLateAction(
      {
        id: `act_${ports.random.token(12)}` as ActionId,
        sessionId: session.id,
        at: ports.clock.now(),
        kind,
        path,
        before: contentOf(before),
        after: contentOf(after),
        home: session.home,
        user: session.identity.human.name,
        workspace: session.workspace,
      },
      ports.knowledge,
      ports.hasher,
    );

  /** Null when it cannot be kept. */
  const noted = (session: S, path: string, hostPath: string, kind: LateKind): Watched<S> | null => {
    const had = files.get(hostPath);
    if (had !== undefined) {
      had.session = session;
      had.sessions.add(session.id);
      return had;
    }
    const standing = readLateFile(hostPath);
    const size = standing.kind === 'file' ? standing.bytes.length : 0;
    if (standing.kind === 'other' || files.size >= MAX_FILES || bytes + size > MAX_BYTES) return null;
    const file: Watched<S> = {
      path,
      hostPath,
      kind,
      session,
      sessions: new Set([session.id]),
      watch: watchLate(standing),
      faulted: false,
      timer: null,
      settled: [],
    };
    files.set(hostPath, file);
    bytes += size;
    watchFolderOf(file);
    stopLooking ??= lookEvery();
    return file;
  };

  const watchFolderOf = (file: Watched<S>): void => {
    const name = dirname(file.hostPath);
    const folder = folders.get(name);
    if (folder !== undefined) {
      folder.files.add(file);
      return;
    }
    if (folders.size >= MAX_WATCHERS) return;
    const inside = new Set([file]);
    const close = watchLateFolder(name, (changed) => {
      for (const one of inside)
        if (changed === null || one.hostPath === `${name === '/' ? '' : name}/${changed}`) lookSoon(one);
    });
    if (close !== null) folders.set(name, { close, files: inside });
  };

  const lookEvery = (): (() => void) => {
    let cancel = ports.timers.after(LOOK_MS, function again() {
      for (const file of files.values()) look(file);
      cancel = ports.timers.after(LOOK_MS, again);
    });
    return () => cancel();
  };

  const forget = (file: Watched<S>): void => {
    file.timer?.();
    files.delete(file.hostPath);
    bytes -= sizeOf(file.watch);
    const folder = folders.get(dirname(file.hostPath));
    folder?.files.delete(file);
    if (folder?.files.size === 0) {
      folder.close();
      folders.delete(dirname(file.hostPath));
    }
    if (files.size === 0) {
      stopLooking?.();
      stopLooking = null;
    }
  };

  const filesOf = (session: S): readonly Watched<S>[] =>
    [...files.values()].filter((file) => file.sessions.has(session.id));

  const settle = async (session: S): Promise<void> => {
    const own = filesOf(session);
    for (const file of own) look(file);
    await Promise.all(
      own
        .filter((file) => isOpen(file.watch))
        .map((file) => new Promise<void>((resolve) => file.settled.push(resolve))),
    );
  };

  return {
    begin(session, path, hostPath) {
      const kind = lateKind(path, session);
      if (kind === null) return 'noted';
      return noted(session, path, hostPath, kind) === null ? 'refused' : 'noted';
    },
    async replace(session, path, hostPath, from) {
      const kind = lateKind(path, session);
      if (kind === null) return 'ALLOW';
      const had = files.get(hostPath);
      // What lies there may be a proposal that nobody allowed: that is decided first, and is no starting point.
      if (had !== undefined) look(had);
      const before = had?.watch.standing ?? readLateFile(hostPath);
      const after: LateFile = from === null ? NO_LATE_FILE : readLateFile(from);
      const action = actionOf(session, path, kind, before, after);
      if (action !== null && (await decide(session, action, () => undefined)) === 'DENY') return 'DENY';
      const file = noted(session, path, hostPath, kind);
      if (file === null) return action === null && after.kind !== 'other' ? 'ALLOW' : 'DENY';
      // Only what was judged counts as allowed: what is written into it before it takes the name is seen and judged.
      advance(file, { kind: 'approved', digest: after.digest });
      lookSoon(file);
      return 'ALLOW';
    },
    settle,
    async end(session) {
      await settle(session);
      for (const file of filesOf(session)) {
        file.sessions.delete(session.id);
        if (file.sessions.size > 0) continue;
        // What nobody decided on is not let through because the session is over.
        if (file.watch.kind === 'judging')
          advance(file, { kind: 'verdict', ticket: file.watch.ticket, result: 'DENY' });
        if (file.watch.kind === 'judging')
          advance(file, { kind: 'verdict', ticket: file.watch.ticket, result: 'DENY' });
        forget(file);
      }
    },
  };
}

/** True while a content that nobody allowed may be on the disk. */
function isOpen(watch: LateWatch<LateFile>): boolean {
  return watch.kind === 'judging' && watch.placed === 'proposed';
}

function sizeOf(watch: LateWatch<LateFile>): number {
  const one = (file: LateFile | null): number => (file?.kind === 'file' ? file.bytes.length : 0);
  return watch.kind === 'quiet'
    ? one(watch.standing)
    : one(watch.standing) + one(watch.proposed) + one(watch.queued);
}

/** What a file held, as a judgement reads it. */
export function contentOf(file: LateFile): LateContent {
  switch (file.kind) {
    case 'none':
      return { kind: 'none' };
    case 'other':
      return { kind: 'unread', why: file.why, digest: null };
    case 'file': {
      if (file.bytes.length > MAX_LATE_TEXT)
        return { kind: 'unread', why: `it is larger than ${MAX_LATE_TEXT} bytes`, digest: file.digest };
      try {
        const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(file.bytes);
        return { kind: 'text', text, digest: file.digest };
      } catch {
        return { kind: 'unread', why: 'it is not text', digest: file.digest };
      }
    }
  }
}
