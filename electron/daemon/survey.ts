import { dirname } from 'node:path';
import type { TimeMs } from '../core/brand.ts';
import { type ClassifyRows, classifyRead } from '../core/data/classification.ts';
import { classifyRowsOf } from '../core/data/destination.ts';
import type { Effect } from '../core/effect.ts';
import type { Clock } from '../core/ports.ts';
import { createTreeWalk, type WalkBounds } from '../edge/tree-walk.ts';
import { FOR_TESTS, holdsSettings, type Reading, type Surveyed } from './reading.ts';
import type { Session } from './session-store.ts';

/**
 * Finds the files that a session could read without our seeing it and that say by name or by policy that they are classified, and has them
 * fingerprinted before anybody reads them (AARM R2.b, T3): how a program opens a file does not matter then.
 */
export interface Survey {
  /** Begins with a session's opening and with each changed policy; what the session does is judged when it is done, or after half a second. */
  begin(session: Session): void;
  /** Before something is sent: what changed since is looked at. Cheap when nothing did. */
  refresh(session: Session): void;
}

export interface SurveyPorts {
  readonly clock: Clock;
  readonly reading: Reading;
  readonly rows: (session: Session) => ClassifyRows | null;
  readonly labels: (session: Session, path: string) => readonly string[];
  /** Told in words for people what was left out. */
  readonly say: (message: string) => void;
}

const MAX_FOUND = 512;
const WORKSPACE: WalkBounds = {
  maxEntries: 20_000,
  maxDepth: 12,
  // Made by machines, or by nobody here.
  skipped: new Set(['.git', 'node_modules', '.cache', '__pycache__', '.venv', 'venv', 'target', 'dist']),
};
const NAMED_PLACE: WalkBounds = { ...WORKSPACE, maxEntries: 5000 };
const HOME_PLACE: WalkBounds = { ...WORKSPACE, maxEntries: 500, maxDepth: 0 };
/** Where tools keep what they log in with, beside the home's own files. */
const HOME_PLACES = ['', '/.ssh', '/.aws', '/.docker', '/.kube', '/.config/gh', '/.cargo'];
/** Paths whose meaning is kept, and how many new ones are looked at in one go (about 5 ms). */
const MAX_KNOWN = 32_768;
const AT_A_TIME = 200;
const AGAIN_MS = 250;
const WALK_AGAIN_MS = 1000;

interface Found {
  files: readonly Surveyed[];
  /** What policy and names say of each path; null for most. */
  readonly known: Map<string, Surveyed | null>;
  lookedAt: TimeMs;
  walkedAt: TimeMs;
  walking: boolean;
}

/** Makes a survey of what sessions could read. */
export function createSurvey(ports: SurveyPorts): Survey {
  const { clock, reading } = ports;
  const walkTree = createTreeWalk();
  const bySession = new Map<string, Found>();

  const walk = async (session: Session, found: Found): Promise<void> => {
    if (found.walking) return;
    found.walking = true;
    try {
      const rows = ports.rows(session);
      const files = new Map<string, Surveyed>();
      for (const [place, bounds] of placesOf(session, rows)) {
        const { files: paths, cut } = await walkTree(place, bounds);
        let fresh = 0;
        for (const path of paths) {
          if (files.size >= MAX_FOUND) break;
          let file = found.known.get(path);
          if (file === undefined) {
            file = surveyed(ports, session, rows, path);
            if (found.known.size < MAX_KNOWN) found.known.set(path, file);
            fresh += 1;
            // Others wait for the loop.
            if (fresh % AT_A_TIME === 0) await new Promise((resolve) => setImmediate(resolve));
          }
          if (file !== null) files.set(path, file);
        }
        if (cut && bounds.maxDepth > 0)
          ports.say(
            `\`${place}\` has more than ${bounds.maxEntries} entries or lies too deep: classified files in the rest of it are known when they are read openly`,
          );
      }
      found.files = [...files.values()];
      found.walkedAt = clock.now();
      found.lookedAt = clock.now();
      if (session.endedAt === null) reading.noteSurveyed(session, found.files);
    } finally {
      found.walking = false;
    }
  };

  return {
    begin(session) {
      const before = bySession.get(session.id);
      const found: Found = before ?? {
        files: [],
        known: new Map(),
        lookedAt: 0,
        walkedAt: 0,
        walking: false,
      };
      // Policy may have changed.
      found.known.clear();
      if (before === undefined) {
        bySession.set(session.id, found);
        session.endings.add(() => void bySession.delete(session.id));
      }
      reading.noteSurveying(session, walk(session, found));
    },
    refresh(session) {
      const found = bySession.get(session.id);
      const now = clock.now();
      if (found === undefined || now - found.lookedAt < AGAIN_MS) return;
      found.lookedAt = now;
      reading.noteSurveyed(session, found.files);
      // New files too: a folder that did not change costs one look at its state.
      if (now - found.walkedAt >= WALK_AGAIN_MS && !found.walking)
        reading.noteSurveying(session, walk(session, found));
    },
  };
}

/** Folders that are looked through: the workspace, where tools keep logins, and where policy's rows point. */
function placesOf(session: Session, rows: ClassifyRows | null): ReadonlyMap<string, WalkBounds> {
  const { home, workspace } = session;
  const places = new Map<string, WalkBounds>();
  for (const place of HOME_PLACES) places.set(`${home}${place}`, HOME_PLACE);
  for (const row of rows?.rows ?? [])
    for (const pattern of row.paths) {
      const absolute = pattern.startsWith('~/') ? `${home}${pattern.slice(1)}` : pattern;
      const glob = absolute.search(/[*?[{]/);
      const solid = glob < 0 ? dirname(absolute) : absolute.slice(0, absolute.lastIndexOf('/', glob));
      // A pattern for anywhere is looked for in the workspace.
      if (solid.length > 1 && solid.startsWith('/') && !places.has(solid))
        places.set(solid, glob < 0 ? HOME_PLACE : NAMED_PLACE);
    }
  if (workspace !== null && workspace !== '/') places.set(workspace, WORKSPACE);
  return places;
}

/** What makes a file one to know beforehand; null for all others. */
function surveyed(
  { labels: labelsOf }: SurveyPorts,
  session: Session,
  rows: ClassifyRows | null,
  path: string,
): Surveyed | null {
  const row =
    rows === null ? undefined : classifyRowsOf(rows.rows, { kind: 'path', value: path }, rows.home)[0];
  const labels = labelsOf(session, path);
  const settings = holdsSettings(labels);
  const named = row !== undefined && (row.level === 'CONFIDENTIAL' || row.level === 'RESTRICTED');
  if (!named && (!settings || labels.includes('public-key') || FOR_TESTS.test(path))) return null;
  const effect: Effect = {
    kind: 'read',
    object: { kind: 'path', value: path, known: true, many: false, labels },
    command: null,
    recursive: false,
    force: false,
    reversible: 'yes',
    tags: [],
  };
  const classified = classifyRead(effect, rows);
  if (classified === null) return null;
  return { path, source: { ...classified, source: `path:${path}` }, whole: named, settings };
}
