import { randomBytes } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { err, ok, type Result } from '../../electron/core/result.ts';
import { removeTemp } from './guard-launch.ts';
import type { Layers } from './preview-tree.ts';

/** A place that a preview works on a layer of. */
export interface PreviewPlace extends Layers {
  /** Which folder it was when the preview began. */
  readonly device: string;
  readonly inode: string;
}

/** Where a preview keeps its layers, and what it began with. */
export interface PreviewFolder {
  readonly id: string;
  readonly path: string;
  /** Handed to the guard as its overlay folder. */
  readonly layers: string;
  readonly startedNs: string;
  readonly places: readonly PreviewPlace[];
  /** What is run, for people. */
  readonly command: readonly string[];
}

const startSchema = z.strictObject({
  v: z.literal(1),
  id: z.string().regex(/^[0-9a-f]{8}$/),
  started_ns: z.string().regex(/^[0-9]{1,20}$/),
  places: z.array(
    z.strictObject({ place: z.string().startsWith('/'), device: z.string(), inode: z.string() }),
  ),
  command: z.array(z.string()),
});

const ID = /^[0-9a-f]{8}$/;

/** The folder of all previews. */
export function previewsIn(state: string): string {
  return join(state, 'previews');
}

/**
 * Makes the folder of one preview over the places that its session may write; the order of the places is the order of the layers. What a place
 * was is noted now: whatever changes in it from here on is not overwritten by a commit.
 */
export function makePreviewFolder(
  state: string,
  writable: readonly string[],
  command: readonly string[],
): Result<PreviewFolder, string> {
  const id = randomBytes(4).toString('hex');
  const path = join(previewsIn(state), id);
  const layers = join(path, 'layers');
  try {
    mkdirSync(previewsIn(state), { recursive: true, mode: 0o700 });
    mkdirSync(path, { mode: 0o700 });
    mkdirSync(layers, { mode: 0o700 });
    const marker = join(path, 'started');
    writeFileSync(marker, '', { mode: 0o600, flag: 'wx' });
    const startedNs = String(lstatSync(marker, { bigint: true }).ctimeNs);
    const places = writable.map((place, number) => {
      const facts = lstatSync(place, { bigint: true });
      const upper = join(layers, String(number), 'upper');
      return { place, upper, device: String(facts.dev), inode: String(facts.ino) };
    });
    const start = {
      v: 1,
      id,
      started_ns: startedNs,
      places: places.map(({ place, device, inode }) => ({ place, device, inode })),
      command: [...command],
    };
    writeWhole(join(path, 'start.json'), JSON.stringify(start));
    return ok({ id, path, layers, startedNs, places, command });
  } catch (cause) {
    return err(`the preview's folder \`${path}\` cannot be made: ${(cause as Error).message}`);
  }
}

/** Opens the folder of a preview that was made before. */
export function openPreviewFolder(state: string, id: string): Result<PreviewFolder, string> {
  const path = join(previewsIn(state), id);
  if (!ID.test(id))
    return err(`\`${id.slice(0, 40)}\` is no preview's id; \`countersign preview list\` shows them`);
  let text: string;
  try {
    text = readFileSync(join(path, 'start.json'), 'utf8');
  } catch {
    return err(`no preview \`${id}\` is kept; \`countersign preview list\` shows those that are`);
  }
  const parsed = startSchema.safeParse(parseJson(text));
  if (!parsed.success)
    return err(`the preview \`${id}\` is damaged; \`countersign preview discard ${id}\` removes it`);
  const layers = join(path, 'layers');
  const start = parsed.data;
  return ok({
    id,
    path,
    layers,
    startedNs: start.started_ns,
    places: start.places.map((place, number) => ({ ...place, upper: join(layers, String(number), 'upper') })),
    command: start.command,
  });
}

/** Ids of the previews that are kept, oldest name first. */
export function keptPreviews(state: string): readonly string[] {
  try {
    return readdirSync(previewsIn(state))
      .filter((name) => ID.test(name))
      .sort();
  } catch {
    return [];
  }
}

/** Removes a preview with its layers; its places stay as they are. */
export function removePreviewFolder(folder: Pick<PreviewFolder, 'path'>): void {
  removeTemp(folder.path);
}

/** Writes a file so that it is whole or as it was before. */
export function writeWhole(path: string, text: string): void {
  writeFileSync(`${path}.new`, text, { mode: 0o600, flush: true });
  renameSync(`${path}.new`, path);
}

/** Parses JSON; undefined when it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
