import { parseDocument } from 'yaml';
import type { Action } from '../core/action.ts';
import type { ActionId, Digest, Json, SessionId, TimeMs } from '../core/brand.ts';
import type { Command } from '../core/command.ts';
import type { Effect, EffectObject } from '../core/effect.ts';
import type { Hasher } from '../core/ports.ts';
import { effectsOf } from '../core/semantic/effects.ts';
import { type Knowledge, labelsOfName } from '../core/semantic/knowledge.ts';
import {
  type LateItem,
  type LateKind,
  type LatePorts,
  MAX_LATE_PROGRAM,
} from '../core/semantic/late-change.ts';
import { lateChange } from '../core/semantic/late-files.ts';
import { fixedObject, hostOf } from '../core/semantic/objects.ts';
import { type Place, seePath } from '../core/semantic/paths.ts';
import { normalizeCommandLine } from './shell/normalize.ts';
import { actionDigest } from './shell-action.ts';

/** YAML is read by people; what is larger, or nests deeper, is not read and goes to scrutiny. */
const MAX_YAML = 128 * 1024;
/** Names for repeated parts: a few are ordinary, many are made to grow. */
const MAX_ANCHORS = 100;

/** Readers of formats that core has no reader for. */
export const lateReaders: LatePorts = {
  yaml(text) {
    if (text.length > MAX_YAML || bracketDepth(text) > 100 || anchorsIn(text) > MAX_ANCHORS) return null;
    try {
      const document = parseDocument(text, {
        prettyErrors: false,
        version: '1.2',
        uniqueKeys: false,
        merge: true,
      });
      if (document.errors.length > 0) return null;
      // What refers to itself has no text, and what grows past reading is not read.
      const plain = JSON.stringify(document.toJS({ maxAliasCount: 100 }) ?? null);
      return plain.length > 16 * MAX_YAML ? null : (JSON.parse(plain) as Json);
    } catch {
      return null;
    }
  },
};

function anchorsIn(text: string): number {
  return (text.match(/(?:^|[\s,[{])&[^\s&]/g) ?? []).length;
}

function bracketDepth(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (const char of text) {
    if (char === '[' || char === '{') deepest = Math.max(deepest, ++depth);
    else if (char === ']' || char === '}') depth = Math.max(0, depth - 1);
  }
  return deepest;
}

/** A change of a file whose content acts later, with all that is known around it. */
export interface LateSubmission {
  readonly id: ActionId;
  readonly sessionId: SessionId;
  readonly at: TimeMs;
  readonly kind: LateKind;
  /** As the session sees it: absolute, canonical. */
  readonly path: string;
  /** Whole contents; null where there is no file. */
  readonly before: LateContent;
  readonly after: LateContent;
  readonly home: string;
  readonly user: string;
  readonly workspace: string | null;
}

/** What a file held: nothing, a text, or what was not read (too large, not text, no file) and why. */
export type LateContent =
  | { readonly kind: 'none' }
  | { readonly kind: 'text'; readonly text: string; readonly digest: Digest }
  | { readonly kind: 'unread'; readonly why: string; readonly digest: Digest | null };

/** Bytes of program text of one change that are read for what they would do; past that it is unreadable. */
const MAX_PROGRAMS = 256 * 1024;

/**
 * Builds the Action of a change of a file that acts later (AARM R1): `persist` or `configure` on the file, tagged by what
 * changed, and the effects of the commands that would run later, tagged `later`, so that the rules about remote code and secrets apply
 * to them. Null when nothing acts later that did not before.
 */
export function buildLateAction(
  submission: LateSubmission,
  knowledge: Knowledge,
  hasher: Hasher,
): Action | null {
  const { path, kind, before, after, home, user, workspace } = submission;
  const change = changeOf(submission);
  if (change.length === 0) return null;
  const cwd = projectOf(path);
  const place: Place = { cwd, home, workspace, user };
  const meaning: Meaning = { commands: [], effects: [], spent: 0 };
  const seen = seePath(path, false, place, knowledge.paths);
  const file: EffectObject = { kind: 'path', value: path, known: true, many: false, labels: seen.labels };
  for (const item of change) {
    const unread = readPrograms(item, place, knowledge, meaning);
    meaning.effects.push(...itemEffects(item, file, unread, knowledge));
  }
  const parameters = {
    path,
    kind,
    before: digestOf(before),
    after: digestOf(after),
    changes: change.map(({ what, name, before: was, after: is, runs, when, outside }) => ({
      what,
      name,
      before: was,
      after: is,
      runs: runs === null ? null : bounded(runs),
      when,
      outside,
    })),
  } satisfies Json;
  const subject = { tool: 'file', operation: 'write-late', parameters, cwd };
  return {
    ...subject,
    id: submission.id,
    sessionId: submission.sessionId,
    at: submission.at,
    surface: 'guard',
    commands: meaning.commands,
    effects: meaning.effects,
    gaps: [],
    digest: actionDigest(subject, hasher),
    modifiedFrom: null,
    dependsOn: [],
    // What runs in the session when it is asked for is intercepted then, with its real words.
    partsFollow: change.every((item) => item.runs === null || !item.outside || item.machine === 'elsewhere'),
  };
}

function digestOf(content: LateContent): string | null {
  return content.kind === 'none' ? null : content.digest;
}

function bounded(text: string): string {
  return text.length <= 4000 ? text : `${text.slice(0, 4000)}… (${text.length} characters)`;
}

function changeOf({ kind, path, before, after }: LateSubmission): readonly LateItem[] {
  const was = before.kind === 'text' ? before.text : null;
  if (after.kind !== 'unread')
    return lateChange(kind, path, was, after.kind === 'none' ? null : after.text, lateReaders);
  return [
    {
      what: 'unknown',
      name: `content that was not read: ${after.why}`,
      before: null,
      after: null,
      ran: null,
      runs: null,
      language: 'shell',
      when: 'when it is asked for',
      outside: true,
      machine: 'here',
      tags: ['unreadable'],
      url: null,
    },
  ];
}

/** The folder that what is in the file will run in, as far as its name tells. */
function projectOf(path: string): string {
  const folders = path.split('/').slice(0, -1);
  const dotted = folders.findIndex((name, at) => at > 0 && /^\.[a-z]/.test(name));
  return (dotted > 0 ? folders.slice(0, dotted) : folders).join('/') || '/';
}

interface Meaning {
  readonly commands: Command[];
  readonly effects: Effect[];
  spent: number;
}

/** What is worth a question in a text that is only written down; the rest is asked when it runs, if at all. */
const SERIOUS_LATER: readonly Effect['kind'][] = [
  'read',
  'write',
  'delete',
  'move',
  'permission',
  'execute',
  'upload',
  'send',
  'connect',
  'persist',
  'configure',
  'history',
];
/** On another machine only what comes from elsewhere or goes there unseen counts. */
const SERIOUS_ELSEWHERE = ['remote-code', 'reverse-shell', 'encoded', 'secret-out', 'miner', 'shell-socket'];
/** Words for an agent are prose with commands in it: only what is certain to be one, and to do harm, counts. */
const SERIOUS_WORDS = [...SERIOUS_ELSEWHERE, 'secret'];

function isSerious(effect: Effect, item: LateItem): boolean {
  const hasTag = (tags: readonly string[]): boolean => effect.tags.some((tag) => tags.includes(tag));
  if (item.what === 'instruction')
    return (
      hasTag(SERIOUS_WORDS) ||
      (effect.kind === 'delete' && effect.object.known && effect.object.labels.includes('home-root'))
    );
  return item.machine === 'elsewhere' ? hasTag(SERIOUS_ELSEWHERE) : SERIOUS_LATER.includes(effect.kind);
}

/** Adds what a text would do that the former text of that name did not. True when it could not be read. */
function readPrograms(item: LateItem, place: Place, knowledge: Knowledge, into: Meaning): boolean {
  if (item.runs === null || item.runs.trim() === '') return false;
  into.spent += item.runs.length;
  if (into.spent > MAX_PROGRAMS) return true;
  const now = meaningOf(item.runs, item, place, knowledge);
  if (now === null) return true;
  const then =
    item.ran === null || item.ran.length > MAX_LATE_PROGRAM
      ? null
      : meaningOf(item.ran, item, place, knowledge);
  const known = new Set((then?.effects ?? []).map(effectKey));
  const fresh = now.effects.filter((effect) => !known.has(effectKey(effect)) && isSerious(effect, item));
  const moved = new Map<number, number>();
  for (const effect of fresh) {
    let command: number | null = null;
    if (effect.command !== null) {
      command = moved.get(effect.command) ?? into.commands.length;
      const original = now.commands[effect.command];
      if (!moved.has(effect.command) && original !== undefined) {
        moved.set(effect.command, command);
        into.commands.push({
          ...original,
          index: command,
          // The neighbours of a pipe may not be among the kept ones.
          pipedFrom: null,
          pipedTo: null,
          origin: 'script',
          span: null,
        });
      }
    }
    into.effects.push({ ...effect, command, tags: [...effect.tags, 'later'] });
  }
  return false;
}

function effectKey({ kind, object, tags, recursive }: Effect): string {
  return JSON.stringify([kind, object.kind, object.value, object.known, tags, recursive]);
}

function meaningOf(
  text: string,
  item: LateItem,
  place: Place,
  knowledge: Knowledge,
): { readonly commands: readonly Command[]; readonly effects: readonly Effect[] } | null {
  const { cwd, home } = place;
  const read = (commandLine: string) =>
    normalizeCommandLine({
      commandLine,
      dialect: 'bash',
      cwd,
      home,
      variables: { HOME: home, USER: place.user },
    });
  const inner = (line: string): readonly Command[] => {
    const result = read(line);
    return result.ok ? result.value.commands : [];
  };
  if (item.language === 'shell' || item.language === 'rust') {
    const result = read(text);
    if (!result.ok) return null;
    const { commands } = result.value;
    return { commands, effects: effectsOf(commands, place, knowledge, inner) };
  }
  const word = { text: item.language, raw: item.language, known: true, glob: false };
  const commands: readonly Command[] = [
    {
      index: 0,
      program: item.language === 'python' ? 'python3' : 'node',
      name: word,
      args: [],
      redirects: [],
      assignments: [],
      via: [],
      pipedFrom: null,
      pipedTo: null,
      origin: 'script',
      code: { language: item.language, text, known: true },
      cwd,
      span: null,
    },
  ];
  return { commands, effects: effectsOf(commands, place, knowledge, inner) };
}

function itemEffects(
  item: LateItem,
  file: EffectObject,
  unread: boolean,
  knowledge: Knowledge,
): readonly Effect[] {
  const settings = item.what === 'config-key' || item.what === 'restraint' || item.what === 'source';
  const base = { command: null, recursive: false, force: false, reversible: 'unknown' as const };
  const effects: Effect[] = [
    {
      ...base,
      kind: settings ? 'configure' : 'persist',
      object: file,
      tags: [
        'acts-later',
        ...item.tags,
        ...(item.outside ? ['unasked'] : []),
        ...(unread && !item.tags.includes('unreadable') ? ['unreadable'] : []),
        ...(file.labels.includes('self') ? ['self'] : []),
      ],
    },
  ];
  if (item.url !== null && item.what === 'source')
    effects.push({
      ...base,
      kind: 'configure',
      object: fixedObject('url', item.url, labelsOfName(knowledge.hosts, hostOf(item.url))),
      tags: [
        'later',
        ...(item.tags.includes('other-source') || item.when !== 'on install' ? [] : ['registry-override']),
      ],
    });
  return effects;
}
