import { isAbsolute } from 'node:path';
import { err, ok, type Result } from '../../electron/core/result.ts';
import { type ConnectEnvelope, type FileEnvelope, SHIM_OPERATIONS } from '../../electron/wire/submit.ts';
import type { Field } from './frame.ts';

/** What the file shim asks, before the session adds its own part and signs. */
export type FileQuestion =
  | Omit<FileEnvelope, 'session' | 'sequence'>
  | Omit<ConnectEnvelope, 'session' | 'sequence'>;

const MAX_PATH = 8192;

/** Reads a question about a file (AARM R1). What no kernel would take for a path, or no shim of ours sends, is refused. */
export function readFileQuestion(fields: readonly Field[], pid: number): Result<FileQuestion, string> {
  const name = text(fields, 'O');
  const operation = SHIM_OPERATIONS.find((known) => known === name);
  if (operation === undefined) return err('the question is about no known file operation');
  const path = pathIn(fields, 'p');
  if (!path.ok) return path;
  if (path.value === null || !isAbsolute(path.value)) return err('the question has no absolute path');
  const destination = pathIn(fields, 't');
  if (!destination.ok) return destination;
  if ((operation === 'rename' || operation === 'link') && destination.value === null)
    return err(`\`${operation}\` has no destination`);
  const mode = text(fields, 'M');
  if (mode !== null && !/^[0-7]{1,4}$/.test(mode)) return err('the mode is not an octal number');
  return ok({
    surface: 'file',
    operation,
    path: path.value,
    destination: destination.value,
    recursive: fields.some((f) => f.tag === 'R'),
    mode: mode === null ? null : Number.parseInt(mode, 8),
    program: absoluteIn(fields, 'e'),
    cwd: absoluteIn(fields, 'c'),
    pid,
  });
}

/** Reads a question about a connection (AARM R1). */
export function readConnectQuestion(fields: readonly Field[], pid: number): Result<FileQuestion, string> {
  const host = text(fields, 'h');
  const port = text(fields, 'j');
  if (host === null || host === '' || host.length > 1024) return err('the question has no host');
  if (port === null || !/^\d{1,5}$/.test(port) || Number(port) > 65535)
    return err('the question has no port');
  return ok({
    surface: 'file',
    operation: 'connect',
    host,
    port: Number(port),
    cwd: absoluteIn(fields, 'c'),
    pid,
  });
}

function text(fields: readonly Field[], tag: string): string | null {
  return fields.find((f) => f.tag === tag)?.bytes.toString('utf8') ?? null;
}

/** A path, or null where there is none. Bytes that are not text would be judged as another path than the kernel sees. */
function pathIn(fields: readonly Field[], tag: string): Result<string | null, string> {
  const bytes = fields.find((f) => f.tag === tag)?.bytes;
  if (bytes === undefined) return ok(null);
  const path = bytes.toString('utf8');
  if (path.length > MAX_PATH) return err(`the path is longer than ${MAX_PATH} characters`);
  if (path.includes('\0')) return err('the path holds a NUL');
  if (!Buffer.from(path, 'utf8').equals(bytes)) return err('the path is not valid UTF-8');
  return ok(path);
}

/** A path that only adds to what is known: left out when it is none. */
function absoluteIn(fields: readonly Field[], tag: string): string | null {
  const path = text(fields, tag);
  return path !== null && isAbsolute(path) && path.length <= MAX_PATH && !path.includes('\0') ? path : null;
}
