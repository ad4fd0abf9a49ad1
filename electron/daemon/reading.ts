import { readdirSync } from 'node:fs';
import { dirname, join, matchesGlob } from 'node:path';
import type { ActionId, TimeMs } from '../core/brand.ts';
import type { Level } from '../core/context.ts';
import { type Classified, higherLevel } from '../core/data/classification.ts';
import type { FlowStore } from '../core/data/flow.ts';
import type { Finding } from '../core/data/payload.ts';
import type { UntrustedSignal } from '../core/data/untrusted.ts';
import type { Effect } from '../core/effect.ts';
import type { Clock } from '../core/ports.ts';
import {
  fileState,
  MAX_READ_BYTES,
  NOTHING_READ,
  type ReadScan,
  type ReadScanner,
  readBeginning,
} from '../edge/read-scan.ts';
import { hostPath } from './guard-normalize.ts';
import type { Session } from './session-store.ts';
import type { Timers } from './timer.ts';

/** What of a session's reads the session's context is told. */
export interface ReadNews {
  /** It holds more than its place said. */
  readonly raised: Classified | null;
  readonly signals: readonly UntrustedSignal[];
  readonly source: string;
}

/**
 * Remembers what sessions read (AARM R2.b, T3): classified, fingerprinted and looked at for signs of untrusted content. What an action
 * that was let through is about to read is there before the session's next action is judged, or known to be late.
 */
export interface Reading {
  /** Files that the effects of an action will read; `tell` hears what was found in each, at once or later. */
  noteFiles(
    session: Session,
    effects: readonly Effect[],
    under: ActionId | null,
    tell: (news: ReadNews) => void,
  ): void;
  /**
   * Files that a session could read unseen: looked at before anything of it is judged, and again when they changed. `whole`: all of the text counts,
   * else the secrets in it (all of it where there are none).
   */
  noteSurveyed(session: Session, files: readonly Surveyed[]): void;
  /** While it is not settled, what the session may have read is not known. */
  noteSurveying(session: Session, surveying: Promise<void>): void;
  /** Marks that were made elsewhere: of a response, of an environment variable. */
  noteMarks(session: Session, source: Classified, marks: Uint8Array, under: ActionId | null): void;
  /** A short text whole: what the session was begun with. The text is not kept. */
  noteText(session: Session, source: Classified, text: string): void;
  /** True for what we opened ourselves a moment ago: a watch cannot tell whose reading it saw. */
  isOurs(path: string): boolean;
  /** Resolves when what the session is reading is known, or after half a second; null when nothing is under way. */
  settled(session: Session): Promise<void> | null;
  /** True while something classified that the session may have read has not been looked at. */
  late(session: Session): boolean;
  close(): Promise<void>;
}

/** A classified file that a session may come to. */
export interface Surveyed {
  readonly path: string;
  readonly source: Classified;
  readonly whole: boolean;
  readonly settings: boolean;
}

export interface ReadingPorts {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly store: FlowStore;
  /** Resolves when what earlier sessions read is known; null once it is. A large store takes a moment after the start. */
  readonly loading?: () => Promise<void> | null;
  readonly scanner: ReadScanner;
  /** Looks at bytes at once; `edge/read-scan-text.ts` under the installation's key. */
  readonly scanNow: (bytes: Uint8Array, settings: boolean) => ReadScan;
  readonly marksOf: (text: string) => Uint8Array;
  readonly classify: (effect: Effect, session: Session) => Classified | null;
}

/** So many bytes of one action's files are looked at before the reply; the loop stands still meanwhile, some milliseconds. The rest is late until the scanner is through. */
const AT_ONCE_BYTES = 16 * 1024;
/** Files that one action's patterns and folders come to. */
const MAX_FILES = 64;
const MAX_DEPTH = 4;
const MAX_QUEUE = 512;
const PER_MINUTE_BYTES = 64 * 1024 * 1024;
const MINUTE_MS = 60_000;
const WAIT_MS = 500;
const OURS_MS = 1000;
const MAX_KNOWN = 4096;
/** Not content, or without an end. */
const NO_CONTENT = /^\/(?:proc|sys|dev|run)(?:\/|$)/;
/** Made by machines and anew: reading all of it says nothing. */
const SKIPPED = new Set(['.git', 'node_modules', '.cache', '__pycache__', 'target', 'dist', 'build']);

interface Target {
  readonly path: string;
  readonly source: Classified;
  readonly settings: boolean;
}

interface Known {
  readonly stamp: string;
  readonly scan: ReadScan;
}

interface Pending {
  count: number;
  classified: number;
  waiters: (() => void)[];
}

/** Makes the watch over what is read. */
export function createReading(ports: ReadingPorts): Reading {
  const { clock, timers, store, scanner } = ports;
  /** Files that were looked at, by path: the same content is not looked at twice, and remembered for each session that reads it. */
  const known = new Map<string, Known>();
  const pending = new Map<string, Pending>();
  /** When we opened a file last. */
  const opened = new Map<string, TimeMs>();
  const queue: (() => Promise<void>)[] = [];
  let working = false;
  let spent = 0;
  let minute: TimeMs = 0;

  const pendingOf = (session: Session): Pending => {
    const now = pending.get(session.id) ?? { count: 0, classified: 0, waiters: [] };
    pending.set(session.id, now);
    return now;
  };
  const begin = (session: Session, urgent: boolean) => {
    const now = pendingOf(session);
    now.count += 1;
    if (urgent) now.classified += 1;
  };
  const settle = (session: Session, urgent: boolean) => {
    const now = pendingOf(session);
    now.count -= 1;
    if (urgent) now.classified -= 1;
    if (now.count > 0) return;
    pending.delete(session.id);
    for (const waiter of now.waiters) waiter();
  };

  const take = (
    session: Session,
    { source, settings }: Target,
    scan: ReadScan,
    under: ActionId | null,
    tell: (news: ReadNews) => void,
  ) => {
    if (scan.bytes === 0) return;
    const level = raisedLevel(source.level, scan.findings);
    const because = level === source.level ? source.because : findingText(scan.findings);
    const held: Classified = { ...source, level, because };
    rememberFile(session, source, scan, settings, under);
    // What lies in the workspace is its content: that it holds a test's token makes no secret of the session.
    const raised = level !== source.level && source.level !== 'INTERNAL' ? held : null;
    if (raised !== null || scan.signals.length > 0)
      tell({ raised, signals: scan.signals, source: source.source });
  };
  /** The text by what it is and who it speaks of, the secrets in it apart: a file with a key in it is no secret from end to end. */
  const rememberFile = (
    session: Session,
    source: Classified,
    scan: ReadScan,
    settings: boolean,
    under: ActionId | null,
  ) => {
    const personal = scan.findings.filter(({ kind }) => kind === 'personal');
    const place = besideSecrets(source, scan, settings);
    const level = raisedLevel(place.level, personal);
    const because = level === place.level ? place.because : findingText(personal);
    remember(session, { ...place, level, because }, scan.marks, under);
    rememberSecrets(session, source, scan, settings, under);
  };
  /** A key that lies open in the work may be a test's, and in a folder of tests it is: somebody is asked before it leaves. One in its own place never leaves. */
  const rememberSecrets = (
    session: Session,
    source: Classified,
    scan: ReadScan,
    settings: boolean,
    under: ActionId | null,
  ) => {
    const lying = source.level === 'INTERNAL' && !settings;
    if (lying && FOR_TESTS.test(source.source)) return;
    const level = lying ? 'CONFIDENTIAL' : 'RESTRICTED';
    const found = scan.findings.filter(({ kind }) => kind === 'secret');
    const because = found.length === 0 ? 'a setting that gives access' : findingText(found);
    // A source of its own: the level of a source is that of all its text.
    remember(session, { source: `${source.source}#secrets`, level, because }, scan.secrets, under);
  };
  const remember = (session: Session, source: Classified, marks: Uint8Array, under: ActionId | null) => {
    if (marks.length === 0 || source.level === 'PUBLIC') return;
    store.remember(
      {
        name: source.source,
        level: source.level,
        because: source.because,
        session: session.id,
        action: under,
        at: clock.now(),
      },
      marks,
    );
  };
  const keep = (path: string, stamp: string, scan: ReadScan) => {
    known.delete(path);
    known.set(path, { stamp, scan });
    const oldest = known.keys().next().value;
    if (known.size > MAX_KNOWN && oldest !== undefined) known.delete(oldest);
  };

  const work = async () => {
    if (working) return;
    working = true;
    for (let job = queue.shift(); job !== undefined; job = queue.shift()) await job();
    working = false;
  };
  /** What a minute may cost; over it the rest waits for the next. */
  const room = async (bytes: number) => {
    if (clock.now() - minute >= MINUTE_MS) {
      minute = clock.now();
      spent = 0;
    }
    spent += bytes;
    if (spent <= PER_MINUTE_BYTES) return;
    await new Promise<void>((resolve) => timers.after(minute + MINUTE_MS - clock.now(), resolve));
    minute = clock.now();
    spent = bytes;
  };

  const own = (path: string) => {
    opened.delete(path);
    opened.set(path, clock.now());
    const oldest = opened.keys().next().value;
    if (opened.size > MAX_FILES && oldest !== undefined) opened.delete(oldest);
  };
  /** Looks at files as they are now and tells of each, those that are known or small at once. */
  const look = <T extends Target>(
    session: Session,
    targets: readonly T[],
    told: (target: T, scan: ReadScan) => void,
  ) => {
    let atOnce = 0;
    for (const target of targets) {
      const state = fileState(target.path);
      if (state === null) continue;
      const before = known.get(target.path);
      if (before?.stamp === state.stamp) {
        told(target, before.scan);
        continue;
      }
      const urgent = isClassified(target.source) || target.settings;
      if (urgent && atOnce + state.size <= AT_ONCE_BYTES) {
        atOnce += state.size;
        own(target.path);
        const bytes = readBeginning(target.path, AT_ONCE_BYTES);
        const scan = bytes === null ? NOTHING_READ : ports.scanNow(bytes, target.settings);
        keep(target.path, state.stamp, scan);
        told(target, scan);
        continue;
      }
      // Content of the workspace is the first that is given up when there is too much.
      if (queue.length >= MAX_QUEUE && !urgent) continue;
      begin(session, urgent);
      queue.push(async () => {
        const bytes = Math.min(state.size, MAX_READ_BYTES);
        await room(bytes);
        try {
          own(target.path);
          const scan = await scanner.scan(target.path, MAX_READ_BYTES, target.settings);
          own(target.path);
          keep(target.path, state.stamp, scan);
          told(target, scan);
        } finally {
          settle(session, urgent);
        }
      });
    }
    void work();
  };

  return {
    noteFiles(session, effects, under, tell) {
      look(session, targetsOf(session, effects, ports.classify), (target, scan) =>
        take(session, target, scan, under, tell),
      );
    },
    noteSurveyed(session, files) {
      look(session, files, (file, scan) => {
        if (scan.bytes === 0) return;
        if (file.whole || scan.secrets.length === 0) remember(session, file.source, scan.marks, null);
        rememberSecrets(session, file.source, scan, file.settings, null);
      });
    },
    noteSurveying(session, surveying) {
      begin(session, true);
      const done = () => settle(session, true);
      void surveying.then(done, done);
    },
    noteMarks: remember,
    noteText: (session, source, text) => remember(session, source, ports.marksOf(text), null),
    isOurs: (path) => clock.now() - (opened.get(path) ?? Number.NEGATIVE_INFINITY) < OURS_MS,
    settled(session) {
      const now = pending.get(session.id);
      const reads = now !== undefined && now.classified > 0 ? now : null;
      const store = ports.loading?.() ?? null;
      if (reads === null && store === null) return null;
      return new Promise((resolve) => {
        let open = 0;
        const one = () => {
          open -= 1;
          if (open > 0) return;
          cancel();
          resolve();
        };
        const cancel = timers.after(WAIT_MS, resolve);
        if (reads !== null) {
          open += 1;
          reads.waiters.push(one);
        }
        if (store !== null) {
          open += 1;
          void store.then(one);
        }
      });
    },
    late: (session) => (pending.get(session.id)?.classified ?? 0) > 0 || (ports.loading?.() ?? null) !== null,
    close: () => scanner.close(),
  };
}

function isClassified({ level }: Classified): boolean {
  return level === 'CONFIDENTIAL' || level === 'RESTRICTED';
}

/** Keys of tests are made to be seen; where policy's own rows name them they count all the same. */
export const FOR_TESTS = /\/(?:tests?|__tests__|fixtures?|testdata|test-data|specs?|examples?|samples?)\//i;

/** Files whose plain values are secrets too. */
export function holdsSettings(labels: readonly string[]): boolean {
  return labels.includes('env-file') || labels.includes('secret');
}

/** The level of something by what was found in it (R2.b). */
export function raisedLevel(level: Level, findings: readonly Finding[]): Level {
  const count = (kind: Finding['kind']) =>
    findings.reduce((sum, finding) => sum + (finding.kind === kind ? finding.count : 0), 0);
  if (count('secret') > 0) return 'RESTRICTED';
  return count('personal') >= PERSONAL_LEAST ? higherLevel(level, 'CONFIDENTIAL') : level;
}

/** A file that is secret by its name alone is so for what gives access in it: where that was found, the rest is settings and remarks. */
function besideSecrets(source: Classified, { secrets }: ReadScan, settings: boolean): Classified {
  return settings && secrets.length > 0 && /^label (?:secret|env-file)$/.test(source.because)
    ? { ...source, level: 'INTERNAL', because: 'stands beside a secret' }
    : source;
}

/** One address is a signature; several are people. */
const PERSONAL_LEAST = 3;

/** What was found, as a reason. */
export function findingText(findings: readonly Finding[]): string {
  return `found ${[...new Set(findings.map((finding) => finding.detector))].slice(0, 4).join(', ')}`;
}

/** The files of this machine that effects read, each with what says how sensitive it is; bounded. */
function targetsOf(
  session: Session,
  effects: readonly Effect[],
  classify: ReadingPorts['classify'],
): readonly Target[] {
  const targets = new Map<string, Target>();
  const add = (path: string, source: Classified, settings: boolean) => {
    if (targets.size < MAX_FILES && !NO_CONTENT.test(path) && !targets.has(path))
      targets.set(path, { path, source: { ...source, source: `path:${path}` }, settings });
  };
  for (const effect of effects) {
    const { object } = effect;
    if (effect.kind !== 'read' || object.kind !== 'path' || !object.known) continue;
    if (object.labels.includes('remote') || object.labels.includes('container')) continue;
    const source = classify(effect, session);
    if (source === null) continue;
    const path = hostPath(session, object.value);
    const settings = holdsSettings(object.labels);
    if (object.many || /[*?[\]{}]/.test(path)) for (const one of expanded(path)) add(one, source, settings);
    else if (effect.recursive) for (const one of below(path, 0)) add(one, source, settings);
    else add(path, source, settings);
  }
  return [...targets.values()];
}

/** Files that a pattern names now: only its last part may be one. */
function expanded(pattern: string): readonly string[] {
  const folder = dirname(pattern);
  if (/[*?[\]{}]/.test(folder)) return [];
  return entries(folder)
    .map((name) => join(folder, name.name))
    .filter((path) => matchesGlob(path, pattern))
    .slice(0, MAX_FILES);
}

/** Files below a folder, or the file itself. */
function below(path: string, depth: number): readonly string[] {
  const found: string[] = [];
  const inside = entries(path);
  if (inside.length === 0) return [path];
  for (const entry of inside) {
    if (found.length >= MAX_FILES) break;
    if (entry.isFile()) found.push(join(path, entry.name));
    else if (entry.isDirectory() && depth < MAX_DEPTH && !SKIPPED.has(entry.name))
      found.push(...below(join(path, entry.name), depth + 1));
  }
  return found.slice(0, MAX_FILES);
}

function entries(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true }).slice(0, 1024);
  } catch {
    return [];
  }
}
