import type { EntryFacts, PreviewEffect } from '../../electron/core/preview.ts';
import { unreachable } from '../../electron/core/result.ts';
import { readOctets } from '../../electron/wire/octets.ts';
import { visible, visibleLine } from '../../electron/wire/terminal-text.ts';
import { diffTexts, type Hunk, type TextDiff, textOf } from './preview-diff.ts';
import { digestOf, type Layers, readPlain, targetOf } from './preview-tree.ts';

/** What a preview would do in one of its places. */
export interface PlaceEffects {
  readonly layers: Layers;
  readonly effects: readonly PreviewEffect[];
  /** Paths whose extended attributes a commit does not carry along. */
  readonly attributes: readonly string[];
  /** Only how many there are is of interest. */
  readonly brief: boolean;
}

/** What a preview tried outside of its places, and was refused: `connect example.org:443`. */
export interface PreviewReport {
  readonly places: readonly PlaceEffects[];
  readonly attempts: readonly string[];
}

/** Files up to this size are shown line by line. */
const MOST_TEXT_BYTES = 1024 * 1024;
const MOST_SUMMARY_ROWS = 200;
const MOST_DIFF_LINES = 4000;
const BAR_COLUMNS = 40;

/** One file's difference, when both sides are text. */
type Content =
  | { readonly kind: 'text'; readonly diff: TextDiff }
  | { readonly kind: 'link'; readonly was: string | null; readonly now: string | null }
  | { readonly kind: 'bytes' }
  | { readonly kind: 'none' };

/** A path for people: bytes that are no UTF-8 and what could move the cursor are escaped. */
export function shownPath(path: string): string {
  return visibleLine(path === '' ? '.' : readOctets(Buffer.from(path, 'latin1')).text);
}

/** The whole report as lines for a terminal: a summary as of `git diff --stat`, then the differences. Nothing in it can move the cursor. */
export function previewLines(report: PreviewReport, how: { readonly whole: boolean }): readonly string[] {
  const mostRows = how.whole ? Number.MAX_SAFE_INTEGER : MOST_SUMMARY_ROWS;
  const mostLines = how.whole ? Number.MAX_SAFE_INTEGER : MOST_DIFF_LINES;
  const lines: string[] = [];
  const count = report.places.reduce((sum, place) => sum + place.effects.length, 0);
  if (count === 0) lines.push('it would change no file');
  for (const { layers, effects, attributes, brief } of report.places) {
    if (effects.length === 0) continue;
    lines.push(`in ${visibleLine(layers.place)}:`);
    if (brief && !how.whole) {
      lines.push(countsOf(effects));
      continue;
    }
    const contents = new Map(effects.slice(0, mostRows).map((effect) => [effect, contentOf(effect, layers)]));
    lines.push(...summary(effects, contents));
    if (attributes.length > 0)
      lines.push(
        ` (extended attributes of ${attributes.length} are not carried along: ${attributes.slice(0, 3).map(shownPath).join(', ')})`,
      );
    const diffs = [...contents].flatMap(([effect, content]) => diffLines(effect, content, layers));
    lines.push('');
    for (const line of diffs.slice(0, mostLines)) lines.push(line);
    if (diffs.length > mostLines) lines.push(`… ${diffs.length - mostLines} more lines`);
  }
  if (report.attempts.length > 0) {
    lines.push('it tried, and did not get:');
    for (const attempt of report.attempts) lines.push(`  ${visibleLine(attempt)}`);
  }
  return lines;
}

function summary(
  effects: readonly PreviewEffect[],
  contents: ReadonlyMap<PreviewEffect, Content>,
): readonly string[] {
  const rows = [...contents.keys()];
  const width = Math.min(
    60,
    rows.reduce((most, effect) => Math.max(most, [...nameOf(effect)].length), 0),
  );
  const most = [...contents.values()].reduce(
    (sum, c) => Math.max(sum, c.kind === 'text' ? c.diff.added + c.diff.removed : 1),
    1,
  );
  const lines = rows.map((effect) => {
    const content = contents.get(effect);
    return ` ${signOf(effect)} ${nameOf(effect).padEnd(width)} | ${measure(effect, content, most)}`;
  });
  if (effects.length > rows.length) lines.push(` … ${effects.length - rows.length} more`);
  lines.push(countsOf(effects));
  return lines;
}

function countsOf(effects: readonly PreviewEffect[]): string {
  const kinds = ['created', 'changed', 'moved', 'deleted', 'mode', 'times'] as const;
  const words = {
    created: 'created',
    changed: 'changed',
    moved: 'moved',
    deleted: 'deleted',
    mode: 'with another mode',
    times: 'with other times',
  };
  const counts = kinds
    .map((kind) => ({ kind, count: effects.filter((effect) => effect.kind === kind).length }))
    .filter(({ count }) => count > 0);
  return ` ${counts.map(({ kind, count }) => `${count} ${words[kind]}`).join(', ')}`;
}

function nameOf(effect: PreviewEffect): string {
  return effect.kind === 'moved'
    ? `${shownPath(effect.from)} → ${shownPath(effect.path)}`
    : shownPath(effect.path);
}

function signOf(effect: PreviewEffect): string {
  switch (effect.kind) {
    case 'created':
      return 'A';
    case 'changed':
      return 'M';
    case 'deleted':
      return 'D';
    case 'moved':
      return 'R';
    case 'mode':
    case 'times':
      return 'm';
    default:
      return unreachable(effect);
  }
}

function measure(effect: PreviewEffect, content: Content | undefined, most: number): string {
  switch (effect.kind) {
    case 'mode':
      return `mode ${octal(effect.was)} → ${octal(effect.now)}`;
    case 'times':
      return 'times';
    case 'moved':
      return 'same content';
    case 'deleted':
      if (effect.was.kind === 'folder') return `folder with ${effect.below} in it`;
      break;
    case 'created':
      if (effect.now.kind === 'folder') return 'folder';
      if (effect.now.kind !== 'file' && effect.now.kind !== 'link') return effect.now.kind;
      break;
    case 'changed':
      if (effect.was.links > 1 && content?.kind !== 'text')
        return `${sizes(effect)} (of ${effect.was.links} names this one)`;
      break;
    default:
      return unreachable(effect);
  }
  if (content?.kind === 'link') return 'link';
  if (content?.kind !== 'text') return sizes(effect);
  const { added, removed } = content.diff;
  const scale = Math.min(1, BAR_COLUMNS / most);
  const bar = '+'.repeat(Math.ceil(added * scale)) + '-'.repeat(Math.ceil(removed * scale));
  const names =
    effect.kind === 'changed' && effect.was.links > 1 ? ` (of ${effect.was.links} names this one)` : '';
  const mode =
    effect.kind === 'changed' && effect.was.mode !== effect.now.mode
      ? `, mode ${octal(effect.was)} → ${octal(effect.now)}`
      : '';
  return `${added + removed} ${bar}${names}${mode}`;
}

const octal = (facts: EntryFacts): string => facts.mode.toString(8).padStart(4, '0');

function sizes(effect: PreviewEffect): string {
  switch (effect.kind) {
    case 'created':
      return `${effect.now.size} bytes`;
    case 'deleted':
      return `${effect.was.size} bytes`;
    default:
      return `${effect.was.size} → ${effect.now.size} bytes`;
  }
}

/** Reads what an effect is about; both sides of a file only when both are small. */
function contentOf(effect: PreviewEffect, layers: Layers): Content {
  if (effect.kind === 'mode' || effect.kind === 'times' || effect.kind === 'moved') return { kind: 'none' };
  const was = effect.kind === 'created' ? null : effect.was;
  const now = effect.kind === 'deleted' ? null : effect.now;
  if (was?.kind === 'link' || now?.kind === 'link')
    return {
      kind: 'link',
      was: was === null ? null : linkText(targetOf(layers.place, effect.path)),
      now: now === null ? null : linkText(targetOf(layers.upper, effect.path)),
    };
  if ((was ?? now)?.kind !== 'file') return { kind: 'none' };
  const before = was === null ? '' : sideOf(layers.place, effect.path, was);
  const after = now === null ? '' : sideOf(layers.upper, effect.path, now);
  return before === null || after === null
    ? { kind: 'bytes' }
    : { kind: 'text', diff: diffTexts(before, after) };
}

function linkText(target: Buffer | null): string | null {
  return target === null ? null : readOctets(target).text;
}

function sideOf(root: string, path: string, facts: EntryFacts): string | null {
  if (facts.size > MOST_TEXT_BYTES) return null;
  const bytes = readPlain(root, path, MOST_TEXT_BYTES);
  return bytes === null ? null : textOf(bytes);
}

function diffLines(effect: PreviewEffect, content: Content, layers: Layers): readonly string[] {
  if (content.kind === 'none') return [];
  const name = shownPath(effect.path);
  const head = [
    effect.kind === 'created' ? '--- (nothing)' : `--- ${name}`,
    effect.kind === 'deleted' ? '+++ (nothing)' : `+++ ${name}`,
  ];
  switch (content.kind) {
    case 'link':
      return [
        ...head,
        ...(content.was === null ? [] : [`-link to ${visibleLine(content.was)}`]),
        ...(content.now === null ? [] : [`+link to ${visibleLine(content.now)}`]),
        '',
      ];
    case 'bytes':
      return [
        ...head,
        ...(effect.kind === 'created'
          ? []
          : [`-${bytesText(layers.place, effect.path, 'was' in effect ? effect.was : null)}`]),
        ...(effect.kind === 'deleted'
          ? []
          : [`+${bytesText(layers.upper, effect.path, 'now' in effect ? effect.now : null)}`]),
        '',
      ];
    case 'text':
      return [...head, ...content.diff.hunks.flatMap(hunkLines), ''];
    default:
      return unreachable(content);
  }
}

function bytesText(root: string, path: string, facts: EntryFacts | null): string {
  const digest = digestOf(root, path);
  return `${facts?.size ?? 0} bytes, ${digest === null ? 'not read' : `sha256 ${digest}`}`;
}

function hunkLines(hunk: Hunk): readonly string[] {
  const range = (start: number, count: number) => `${count === 0 ? start - 1 : start},${count}`;
  return [
    `@@ -${range(hunk.oldStart, hunk.oldCount)} +${range(hunk.newStart, hunk.newCount)} @@`,
    ...hunk.lines.flatMap(({ sign, text }) =>
      text.endsWith('\n')
        ? [`${sign}${visible(text.slice(0, -1))}`]
        : [`${sign}${visible(text)}`, '\\ no newline at end of file'],
    ),
  ];
}

/** The report as JSON for programs: every effect, with the differences of text. */
export function previewJson(report: PreviewReport) {
  return {
    places: report.places.map(({ layers, effects, attributes }) => ({
      place: layers.place,
      effects: effects.map((effect) => ({ ...effectJson(effect), ...contentJson(effect, layers) })),
      attributes_left: attributes.map(jsonPath),
    })),
    attempts: [...report.attempts],
  };
}

function jsonPath(path: string): string {
  return path === '' ? '.' : readOctets(Buffer.from(path, 'latin1')).text;
}

function effectJson(effect: PreviewEffect) {
  const facts = (of: EntryFacts) => ({ kind: of.kind, mode: octal(of), size: of.size });
  return {
    effect: effect.kind,
    path: jsonPath(effect.path),
    ...(effect.kind === 'moved' ? { from: jsonPath(effect.from) } : {}),
    ...('was' in effect ? { was: facts(effect.was) } : {}),
    ...('now' in effect ? { now: facts(effect.now) } : {}),
    ...(effect.kind === 'deleted' && effect.below > 0 ? { below: effect.below } : {}),
  };
}

function contentJson(effect: PreviewEffect, layers: Layers) {
  const content = contentOf(effect, layers);
  switch (content.kind) {
    case 'text':
      return {
        added: content.diff.added,
        removed: content.diff.removed,
        diff: content.diff.hunks.flatMap(hunkLines).join('\n'),
      };
    case 'link':
      return { link: { was: content.was, now: content.now } };
    case 'bytes':
      return {
        sha256: {
          was: 'was' in effect ? digestOf(layers.place, effect.path) : null,
          now: 'now' in effect ? digestOf(layers.upper, effect.path) : null,
        },
      };
    case 'none':
      return {};
    default:
      return unreachable(content);
  }
}
