import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readlinkSync, readSync } from 'node:fs';
import type { EntryFacts, EntryKind, LayerEntry, LowerFacts } from '../../electron/core/preview.ts';
import { err, ok, type Result } from '../../electron/core/result.ts';

/** The layers of one writable place of a preview. */
export interface Layers {
  /** The place itself, absolute. */
  readonly place: string;
  readonly upper: string;
}

/** A listing that names no more than this is whole; the guard's own bound is the same. */
const MOST_BYTES = 256 * 1024 * 1024;
const LIST_MS = 120_000;
/** Files up to this size are compared byte by byte; a larger one that was opened for writing counts as changed. */
export const MOST_COMPARED_BYTES = 256 * 1024 * 1024;
/** Opens a place without what it holds (Linux; Node has no name for it). */
export const O_PATH = 0o10000000;

const KINDS: Readonly<Record<string, EntryKind>> = {
  f: 'file',
  d: 'folder',
  l: 'link',
  p: 'fifo',
  s: 'socket',
  n: 'device',
};

/** Lists what a preview changed in one place (countersign-guard --layer). Errors in words: the listing is whole, or it is none. */
export function listLayers(guard: string, layers: Layers): Result<readonly LayerEntry[], string> {
  const ran = spawnSync(guard, ['--layer', layers.upper, layers.place], {
    maxBuffer: MOST_BYTES,
    timeout: LIST_MS,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (ran.error !== undefined) return err(`the preview cannot be listed: ${ran.error.message}`);
  const entries = readListing(ran.stdout);
  if (!entries.ok) return entries;
  if (ran.status !== 0) return err(`the preview cannot be listed: ${ran.stderr.toString('utf8').trim()}`);
  return ok(entries.value.map((entry) => compared(entry, layers)));
}

/** Reads the records that `countersign-guard --layer` writes (shims/guard/csrc/layer.h). */
export function readListing(bytes: Buffer): Result<readonly LayerEntry[], string> {
  const texts = bytes.toString('latin1').split('\0');
  if (texts.pop() !== '' || texts.length % 5 !== 0) return err('the listing of the preview is malformed');
  const entries: LayerEntry[] = [];
  let whole = false;
  for (let at = 0; at < texts.length; at += 5) {
    const [sign = '', marks = '', upperText = '', lowerText = '', path = ''] = texts.slice(at, at + 5);
    if (whole) return err('the listing of the preview is malformed');
    if (sign === 'Z') {
      whole = true;
      continue;
    }
    if (sign === 'E')
      return err(`the preview cannot be looked into at \`${Buffer.from(path, 'latin1').toString('utf8')}\``);
    const upper = upperText.startsWith('w ') ? 'whiteout' : factsOf(upperText.split(' '));
    const lowerWords = lowerText.split(' ');
    const lower = lowerFactsOf(lowerWords);
    if ((sign !== 'U' && sign !== 'L') || upper === undefined || lower === undefined || !isRelative(path))
      return err('the listing of the preview is malformed');
    if ((sign === 'U') !== (upper !== null) || (sign === 'L' && lower === null))
      return err('the listing of the preview is malformed');
    entries.push({
      path,
      upper,
      lower,
      opaque: marks.includes('o'),
      strange: strangeness(marks),
      attributes: marks.includes('x'),
      content: 'unread',
    });
  }
  return whole ? ok(entries) : err('the listing of the preview is not whole');
}

function strangeness(marks: string): string | null {
  if (marks.includes('r') || marks.includes('m')) return 'its content is not in the layer';
  if (marks.includes('d')) return 'another file system is mounted there';
  return null;
}

function isRelative(path: string): boolean {
  return path === '' || path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}

function factsOf(words: readonly string[]): EntryFacts | null | undefined {
  if (words.length === 1 && words[0] === '') return null;
  const [letter = '', mode = '', size = '', mtimeNs = '', inode = '', links = ''] = words;
  const kind = KINDS[letter];
  const numbers = [size, mtimeNs, inode, links];
  if (kind === undefined || words.length < 6 || !/^[0-7]{1,4}$/.test(mode)) return undefined;
  if (numbers.some((text) => !/^[0-9]{1,20}$/.test(text))) return undefined;
  return { kind, mode: Number.parseInt(mode, 8), size: Number(size), mtimeNs, inode, links: Number(links) };
}

function lowerFactsOf(words: readonly string[]): LowerFacts | null | undefined {
  // A whiteout in the place itself is nothing that anybody sees there: a device like any other.
  const facts = factsOf(words[0] === 'w' ? ['n', ...words.slice(1)] : words);
  if (facts === null || facts === undefined) return facts;
  const [ctimeNs = '', device = ''] = words.slice(6);
  if (words.length !== 8 || !/^[0-9]{1,20}$/.test(ctimeNs) || !/^[0-9]{1,20}$/.test(device)) return undefined;
  return { ...facts, ctimeNs, device };
}

/** Compares what only bytes can tell: a file that was opened for writing, or a link that was made again. */
function compared(entry: LayerEntry, layers: Layers): LayerEntry {
  const { upper, lower, path } = entry;
  if (upper === null || upper === 'whiteout' || lower === null || upper.kind !== lower.kind) return entry;
  if (upper.kind === 'file') {
    if (upper.size !== lower.size || upper.size > MOST_COMPARED_BYTES)
      return { ...entry, content: 'different' };
    const a = digestOf(layers.upper, path);
    return { ...entry, content: a !== null && a === digestOf(layers.place, path) ? 'same' : 'different' };
  }
  if (upper.kind === 'link') {
    const a = targetOf(layers.upper, path);
    return {
      ...entry,
      content: a !== null && targetOf(layers.place, path)?.equals(a) === true ? 'same' : 'different',
    };
  }
  return { ...entry, content: 'same' };
}

/** An open folder and a name in it: `/proc/self/fd/N/name` reaches exactly that, and no link on the way there is followed. */
export interface Anchor {
  readonly fd: number;
  readonly name: Buffer;
}

/** The path of a name in an open folder. */
export function anchored(fd: number, name: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`/proc/self/fd/${fd}/`), name]);
}

/** Opens the folder that holds `path` below `root`; throws ELOOP or ENOTDIR when a link or a file is on the way. Close `fd`. */
export function openAnchor(root: string | Buffer, path: string): Anchor {
  const parts = path.split('/').map((part) => Buffer.from(part, 'latin1'));
  const name = parts.pop() ?? Buffer.alloc(0);
  let fd = openSync(root, O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  for (const part of parts) {
    let next: number;
    try {
      next = openSync(anchored(fd, part), O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    } finally {
      closeSync(fd);
    }
    fd = next;
  }
  return { fd, name };
}

/** Opens a regular file below `root` for reading; null when it is none, cannot be read, or a link leads there. */
export function openPlain(root: string, path: string): number | null {
  let anchor: Anchor | null = null;
  try {
    anchor = openAnchor(root, path);
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    const fd = openSync(anchored(anchor.fd, anchor.name), flags);
    if (fstatSync(fd).isFile()) return fd;
    closeSync(fd);
    return null;
  } catch {
    return null;
  } finally {
    if (anchor !== null) closeSync(anchor.fd);
  }
}

/** SHA-256 of a file below `root`, at most MOST_COMPARED_BYTES of it; null when it cannot be read whole. */
export function digestOf(root: string, path: string): string | null {
  const fd = openPlain(root, path);
  if (fd === null) return null;
  try {
    const hash = createHash('sha256');
    const room = Buffer.alloc(1024 * 1024);
    let total = 0;
    for (let got = readSync(fd, room); got > 0; got = readSync(fd, room)) {
      total += got;
      if (total > MOST_COMPARED_BYTES) return null;
      hash.update(room.subarray(0, got));
    }
    return hash.digest('hex');
  } catch {
    return null;
  } finally {
    closeSync(fd);
  }
}

/** Content of a file below `root`, when it has at most `maxBytes`; null otherwise. */
export function readPlain(root: string, path: string, maxBytes: number): Buffer | null {
  const fd = openPlain(root, path);
  if (fd === null) return null;
  try {
    const room = Buffer.alloc(maxBytes + 1);
    let size = 0;
    for (let got = readSync(fd, room, size, room.length - size, null); got > 0; ) {
      size += got;
      if (size > maxBytes) return null;
      got = readSync(fd, room, size, room.length - size, null);
    }
    return room.subarray(0, size);
  } catch {
    return null;
  } finally {
    closeSync(fd);
  }
}

/** Where a link below `root` points; null when it is none. */
export function targetOf(root: string, path: string): Buffer | null {
  let anchor: Anchor | null = null;
  try {
    anchor = openAnchor(root, path);
    return readlinkSync(anchored(anchor.fd, anchor.name), 'buffer');
  } catch {
    return null;
  } finally {
    if (anchor !== null) closeSync(anchor.fd);
  }
}
