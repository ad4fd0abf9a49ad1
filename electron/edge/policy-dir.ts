import { type FSWatcher, watch } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Digest } from '../core/brand.ts';
import { provesForbidden } from '../core/policy/canary.ts';
import { type CompiledPolicy, compile } from '../core/policy/compile.ts';
import { type PolicyFault, policyFault } from '../core/policy/fault.ts';
import { err, ok, type Result } from '../core/result.ts';
import { type PolicyFile, parsePolicyFile } from '../wire/policy-file.ts';
import type { PolicyFileOptions } from '../wire/policy-rule.ts';
import { assemblePolicySet } from '../wire/policy-set.ts';
import { YAML_LIMITS } from '../wire/yaml-reader.ts';
import { nodeHasher } from './hasher.ts';

/** A directory of packs, or one file. `optional` may be absent; a required one that cannot be read is a fault. */
export interface PolicySource {
  readonly directory: string;
  readonly optional: boolean;
}

/** How long the files must be quiet before they are read again: editors write in several steps. */
const SETTLE_MS = 150;
/** A watch can be lost (network disks, limits of the kernel); reading again now and then is the net under it. */
const RESCAN_MS = 30_000;
const MAX_FILES = 500;

interface SourceText {
  readonly path: string;
  readonly text: string;
}

function unreadable(path: string, why: string): PolicyFault {
  return { ...policyFault('unreadable', why), place: { file: path, line: 1, column: 1 } };
}

const codeOf = (cause: unknown): string => (cause as NodeJS.ErrnoException | null)?.code ?? 'unknown error';

async function listFiles(source: PolicySource): Promise<Result<readonly string[], PolicyFault>> {
  try {
    const names = await readdir(source.directory);
    const files = names.filter((name) => /\.ya?ml$/.test(name) && !name.startsWith('.')).sort();
    if (files.length > MAX_FILES)
      return err(unreadable(source.directory, `more than ${MAX_FILES} policy files`));
    return ok(files.map((name) => join(source.directory, name)));
  } catch (cause) {
    const code = codeOf(cause);
    // Only absence is an empty directory; one that is there and closed to us is a fault, never "no rules".
    if (source.optional && code === 'ENOENT') return ok([]);
    if (code === 'ENOTDIR') return ok([source.directory]);
    return err(unreadable(source.directory, `the policy directory cannot be read (${code})`));
  }
}

async function readSource(path: string): Promise<Result<SourceText, PolicyFault>> {
  try {
    const { size } = await stat(path);
    if (size > YAML_LIMITS.characters * 4) return err(unreadable(path, 'the file is too large'));
    const bytes = await readFile(path);
    return ok({ path, text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) });
  } catch (cause) {
    const why =
      cause instanceof TypeError ? 'the file is not UTF-8' : `the file cannot be read (${codeOf(cause)})`;
    return err(unreadable(path, why));
  }
}

async function readSources(
  sources: readonly PolicySource[],
): Promise<Result<readonly SourceText[], readonly PolicyFault[]>> {
  const faults: PolicyFault[] = [];
  const texts: SourceText[] = [];
  for (const source of sources) {
    const files = await listFiles(source);
    if (!files.ok) {
      faults.push(files.error);
      continue;
    }
    for (const path of files.value) {
      const read = await readSource(path);
      if (read.ok) texts.push(read.value);
      else faults.push(read.error);
    }
  }
  return faults.length > 0 ? err(faults) : ok(texts);
}

/** Parses, assembles, compiles and proves one set from the texts; any fault refuses all of it. */
function buildPolicy(
  texts: readonly SourceText[],
  options: PolicyFileOptions,
): Result<CompiledPolicy, readonly PolicyFault[]> {
  const faults: PolicyFault[] = [];
  const files: PolicyFile[] = [];
  for (const { path, text } of texts) {
    const parsed = parsePolicyFile(text, path, options);
    if (parsed.ok) files.push(parsed.value);
    else faults.push(...parsed.error);
  }
  if (faults.length > 0) return err(faults);
  const set = assemblePolicySet(files, nodeHasher);
  if (!set.ok) return set;
  const compiled = compile(set.value);
  if (!compiled.ok) return compiled;
  if (provesForbidden(compiled.value) === null)
    return err([policyFault('bad_value', 'the set does not deny the self-test action')]);
  return compiled;
}

/** Reads the directories once (`policy check`, start of the daemon); all faults of all files at once. */
export async function loadPolicy(
  sources: readonly PolicySource[],
  options: PolicyFileOptions = {},
): Promise<Result<CompiledPolicy, readonly PolicyFault[]>> {
  const texts = await readSources(sources);
  return texts.ok ? buildPolicy(texts.value, options) : texts;
}

/** What is armed, and what is wrong with what is on disk. */
export type PolicyStatus =
  | { readonly kind: 'armed'; readonly policy: CompiledPolicy }
  /** The last good set stays armed while the files are refused. */
  | { readonly kind: 'armed_stale'; readonly policy: CompiledPolicy; readonly faults: readonly PolicyFault[] }
  /** Nothing was ever good: the daemon denies everything. */
  | { readonly kind: 'unarmed'; readonly faults: readonly PolicyFault[] };

/** A set that follows its files. */
export interface PolicyWatch {
  status(): PolicyStatus;
  /** Reads the files now, without waiting for a change; resolves with what is then armed. */
  reload(): Promise<PolicyStatus>;
  close(): void;
}

/** Tells what changed: a new set armed, or a refusal. Never called for a change that means nothing. */
export type PolicyListener = (status: PolicyStatus) => void;

function nextStatus(
  before: PolicyStatus,
  built: Result<CompiledPolicy, readonly PolicyFault[]>,
): PolicyStatus {
  if (built.ok) {
    if (before.kind === 'unarmed') return { kind: 'armed', policy: built.value };
    const { hash, version } = before.policy.set;
    // The same meaning keeps the same object: what was compiled against it stays valid.
    const same = hash === built.value.set.hash && version === built.value.set.version;
    return { kind: 'armed', policy: same ? before.policy : built.value };
  }
  if (before.kind === 'unarmed') return { kind: 'unarmed', faults: built.error };
  return { kind: 'armed_stale', policy: before.policy, faults: built.error };
}

const fingerprint = (read: Result<readonly SourceText[], readonly PolicyFault[]>): Digest =>
  nodeHasher.sha256(JSON.stringify(read));

/**
 * Arms the set in these directories and follows its files: a change is read once it settles, compared by content, and
 * armed whole or refused whole. INVARIANT (no silent disarming): a refused, vanished or unreadable file never removes a rule.
 */
export async function watchPolicy(
  sources: readonly PolicySource[],
  listener: PolicyListener,
  options: PolicyFileOptions = {},
): Promise<PolicyWatch> {
  const first = await readSources(sources);
  let seen = fingerprint(first);
  let status = nextStatus(
    { kind: 'unarmed', faults: [] },
    first.ok ? buildPolicy(first.value, options) : first,
  );
  let closed = false;
  let settling: NodeJS.Timeout | null = null;
  let reading: Promise<PolicyStatus> = Promise.resolve(status);

  const read = async (): Promise<PolicyStatus> => {
    const texts = await readSources(sources);
    const now = fingerprint(texts);
    if (closed || now === seen) return status;
    seen = now;
    const before = status;
    status = nextStatus(before, texts.ok ? buildPolicy(texts.value, options) : texts);
    const quiet = status.kind === 'armed' && before.kind === 'armed' && status.policy === before.policy;
    if (!quiet) listener(status);
    return status;
  };
  // One reading after another: two at once could arm the older text last.
  const reload = (): Promise<PolicyStatus> => {
    reading = reading.then(read, read);
    return reading;
  };
  const settle = (): void => {
    if (settling !== null) clearTimeout(settling);
    settling = setTimeout(() => {
      attach();
      void reload();
    }, SETTLE_MS);
    settling.unref();
  };

  const watchers = new Map<string, FSWatcher>();
  const attach = (): void => {
    if (closed) return;
    for (const { directory } of sources) {
      if (watchers.has(directory)) continue;
      try {
        const watcher = watch(directory, { persistent: false }, settle);
        const lost = (): void => {
          watcher.close();
          watchers.delete(directory);
        };
        watcher.on('error', lost);
        watchers.set(directory, watcher);
      } catch {
        // Not there yet: the rescan below notices when it is.
      }
    }
  };
  attach();
  const rescan = setInterval(() => {
    attach();
    void reload();
  }, RESCAN_MS);
  rescan.unref();

  return {
    status: () => status,
    reload,
    close: () => {
      closed = true;
      clearInterval(rescan);
      if (settling !== null) clearTimeout(settling);
      for (const watcher of watchers.values()) watcher.close();
    },
  };
}
