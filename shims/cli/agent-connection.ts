import { createHash } from 'node:crypto';
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { err, ok, type Result } from '../../electron/core/result.ts';
import { quoted } from '../../electron/wire/answer-text.ts';
import { HOOK_FILES, type HookCommand, withHooks, withoutHooks } from '../../electron/wire/hook/config.ts';
import { HOOK_AGENTS, type HookAgent } from '../../electron/wire/hook/event.ts';
import { parseStrictJson } from '../../electron/wire/json.ts';
import type { Places } from '../../electron/wire/places.ts';
import type { Installation } from './installation.ts';

/** Seconds that a hook waits for a decision before it denies by itself: a person has two minutes. */
export const HOOK_WAIT_S = 140;

const recordSchema = z.strictObject({
  agent: z.enum(HOOK_AGENTS),
  /** The agent's file, links resolved. */
  file: z.string(),
  /** What it held before, base64; null where there was none. */
  before: z.string().nullable(),
  /** SHA-256 of what we wrote. */
  after: z.string(),
  mode: z.number().int().nullable(),
  /** Folders that were made for it, innermost first. */
  made: z.array(z.string()),
  at: z.number(),
  /** When doctor last saw the canary denied, by what hook. */
  proof: z.strictObject({ at: z.number(), hook: z.string() }).nullable(),
});

/** One agent's file that our hooks stand in, with what is needed to put it back. */
export type Connection = z.infer<typeof recordSchema>;

export interface ConnectionPlan {
  readonly agent: HookAgent;
  readonly file: string;
  readonly before: Buffer | null;
  readonly after: string;
}

/** The file that an agent reads its hooks from, for all of a person's work or for one project. */
export function hookFile(
  agent: HookAgent,
  scope: { readonly home: string; readonly project: string | null },
  env: Readonly<Record<string, string | undefined>>,
): Result<string, string> {
  const { user, project } = HOOK_FILES[agent];
  if (scope.project !== null) return ok(join(scope.project, project));
  if (user === null) return err(`\`${agent}\` has hooks of a project only; add \`--project\``);
  const moved = { 'claude-code': env['CLAUDE_CONFIG_DIR'], codex: env['CODEX_HOME'] } as Readonly<
    Record<string, string | undefined>
  >;
  const folder = moved[agent];
  return ok(folder ? join(folder, user.slice(user.indexOf('/') + 1)) : join(scope.home, user));
}

/** The command line that stands in an agent's file. */
export function hookCommand(
  agent: HookAgent,
  installation: Installation,
  places: Places,
  home: string | undefined,
): Result<HookCommand, string> {
  if (installation.hook === null)
    return err('the hook was not built: install a C compiler (gcc) and start `countersign` again');
  const words = [
    '--socket',
    places.hookSocket,
    '--start',
    join(installation.root, 'bin/countersign'),
    '--wait',
    String(HOOK_WAIT_S),
    ...(home ? ['--home', home] : []),
  ];
  const hook = installation.hook;
  return ok({
    waitS: HOOK_WAIT_S,
    commandFor: (event) => [hook, agent, event, ...words].map(quoted).join(' '),
  });
}

/** What connecting would change; nothing is written. A file that cannot be understood is left alone, and it is said why. */
export function planConnection(
  agent: HookAgent,
  named: string,
  command: HookCommand,
): Result<ConnectionPlan, string> {
  const file = resolved(named);
  const read = readBytes(file);
  if (!read.ok) return err(`\`${file}\` is left as it is: ${read.error}`);
  const text = read.value === null ? null : asText(read.value);
  if (text !== null && !text.ok) return err(`\`${file}\` is left as it is: ${text.error}`);
  const after = withHooks(text === null ? null : text.value, agent, command);
  if (!after.ok) return err(`\`${file}\` is left as it is: ${after.error}`);
  return ok({ agent, file, before: read.value, after: after.value });
}

/** Writes the hooks and remembers what was there. The first state stays the one to go back to, however often this is done. */
export function connectAgent(places: Places, plan: ConnectionPlan, now: number): Result<Connection, string> {
  const at = recordPath(places, plan.file);
  const had = readRecord(at);
  const ours = had !== null && plan.before !== null && sha256(plan.before) === had.after;
  const mode = plan.before === null ? null : statSync(plan.file).mode & 0o777;
  const made = had !== null && ours ? had.made : missingFolders(plan.file);
  const record: Connection = {
    agent: plan.agent,
    file: plan.file,
    before: had !== null && ours ? had.before : (plan.before?.toString('base64') ?? null),
    after: sha256(Buffer.from(plan.after)),
    mode: had !== null && ours ? had.mode : mode,
    made: [...made],
    at: now,
    proof: null,
  };
  try {
    // Remembered before it is changed: a crash in between leaves a file that can be put back.
    writeRecord(at, record);
    mkdirSync(dirname(plan.file), { recursive: true, mode: 0o700 });
    replaceFile(plan.file, Buffer.from(plan.after), mode ?? 0o600);
  } catch (cause) {
    if (had === null) rmSync(at, { force: true });
    return err(`\`${plan.file}\` cannot be written: ${(cause as Error).message}`);
  }
  return ok(record);
}

/**
 * Takes the hooks out again. A file that nobody changed since is put back byte for byte; from one that was changed only our entries are taken.
 * Says what was done.
 */
export function disconnectAgent(
  places: Places,
  connection: Connection,
): Result<'restored' | 'removed', string> {
  const { file, before, after, mode, made, agent } = connection;
  const read = readBytes(file);
  if (!read.ok) return err(`\`${file}\` is left as it is: ${read.error}`);
  try {
    let how: 'restored' | 'removed' = 'restored';
    const untouched = read.value !== null && sha256(read.value) === after;
    if (untouched && before !== null) replaceFile(file, Buffer.from(before, 'base64'), mode ?? 0o600);
    else if (untouched) rmSync(file);
    else if (read.value !== null) {
      how = 'removed';
      const text = asText(read.value);
      const left = text.ok ? withoutHooks(text.value, agent) : text;
      if (!left.ok) return err(`\`${file}\` is left as it is: ${left.error}`);
      if (left.value !== null) replaceFile(file, Buffer.from(left.value), statSync(file).mode & 0o777);
      else if (before === null) rmSync(file);
      else replaceFile(file, Buffer.from('{}\n'), statSync(file).mode & 0o777);
    }
    for (const folder of made) {
      // Somebody else's file may lie there by now.
      if (existsSync(folder) && readdirSync(folder).length === 0) rmdirSync(folder);
    }
    rmSync(recordPath(places, file), { force: true });
    return ok(how);
  } catch (cause) {
    return err(`\`${file}\` cannot be written: ${(cause as Error).message}`);
  }
}

/** Every connection of this installation, by file; what cannot be read is no connection. */
export function connections(places: Places): readonly Connection[] {
  const folder = recordFolder(places);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .map((name) => readRecord(join(folder, name)))
    .filter((record) => record !== null)
    .sort((a, b) => a.file.localeCompare(b.file));
}

/** Remembers that the canary was denied, or that it was not. */
export function noteProof(places: Places, connection: Connection, proof: Connection['proof']): void {
  writeRecord(recordPath(places, connection.file), { ...connection, proof });
}

/** What the hook of an installation is, as far as its file says: another build is another hook. */
export function hookIdentity(hook: string): string | null {
  try {
    accessSync(hook, constants.X_OK);
    return sha256(readFileSync(hook));
  } catch {
    return null;
  }
}

function recordFolder(places: Places): string {
  return join(places.state, 'connections');
}

function recordPath(places: Places, file: string): string {
  return join(recordFolder(places), `${sha256(Buffer.from(file)).slice(0, 32)}.json`);
}

function readRecord(path: string): Connection | null {
  try {
    const parsed = parseStrictJson(readFileSync(path, 'utf8'), { maxLength: 64 * 1024 * 1024, maxDepth: 8 });
    const record = parsed.ok ? recordSchema.safeParse(parsed.value) : null;
    return record?.success ? record.data : null;
  } catch {
    return null;
  }
}

function writeRecord(path: string, record: Connection): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  replaceFile(path, Buffer.from(`${JSON.stringify(record)}\n`), 0o600);
}

/** Whole or not at all; a link stays a link, for what it leads to is replaced. */
function replaceFile(path: string, bytes: Buffer, mode: number): void {
  const present = lstatSync(path, { throwIfNoEntry: false });
  if (present !== undefined) accessSync(path, constants.W_OK);
  const fresh = `${path}.countersign-${process.pid}`;
  try {
    writeFileSync(fresh, bytes, { mode, flag: 'wx' });
    chmodSync(fresh, mode);
    renameSync(fresh, path);
  } catch (cause) {
    rmSync(fresh, { force: true });
    throw cause;
  }
}

function resolved(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function readBytes(path: string): Result<Buffer | null, string> {
  const present = lstatSync(path, { throwIfNoEntry: false });
  if (present === undefined) return ok(null);
  if (!present.isFile()) return err('it is no regular file');
  try {
    return ok(readFileSync(path));
  } catch (cause) {
    return err((cause as Error).message);
  }
}

function asText(bytes: Buffer): Result<string, string> {
  try {
    return ok(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    return err('it is not UTF-8');
  }
}

/** Folders of a path that are not there yet, innermost first. */
function missingFolders(file: string): readonly string[] {
  const missing: string[] = [];
  for (let folder = dirname(file); !existsSync(folder); folder = dirname(folder)) missing.push(folder);
  return missing;
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
