import { createHash } from 'node:crypto';
import { createReadStream, readFileSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ancestorsOf, readProcess } from './process-tree.ts';

/** The process that an agent is, as the system says. */
export interface AgentProcessFacts {
  readonly pid: number;
  /** Clock ticks after boot at which it started. */
  readonly startTicks: number;
  /** Its program, or the script that its interpreter runs. */
  readonly program: string;
}

/** What is known of an agent's program (AARM R6.c). */
export interface AgentBinary {
  readonly version: string | null;
  /** SHA-256 of the program or script, hex; null when it cannot be read. */
  readonly hash: string | null;
}

const SHELLS = /^(?:sh|bash|dash|zsh|ksh|fish|env)$/;
const INTERPRETERS = /^(?:node|nodejs|bun|deno|python[0-9.]*)$/;
const MAX_KNOWN = 64;

/**
 * The agent that a hook's process belongs to: the nearest process above it that is no shell. Null when it cannot be seen (it is gone,
 * or the platform shows no processes), or when `pid` is not a process of the hook's program.
 */
export function agentOfHook(pid: number, hookProgram: string): AgentProcessFacts | null {
  if (programOf(pid) !== hookProgram) return null;
  for (const above of ancestorsOf(pid)) {
    const program = programOf(above);
    if (program === null) return null;
    if (SHELLS.test(basename(program))) continue;
    const facts = readProcess(above);
    if (facts === null) return null;
    return { pid: above, startTicks: facts.startTicks, program: scriptOf(program, argvOf(above), above) };
  }
  return null;
}

/** True while the very process that started at `startTicks` lives. */
export function isAlive(pid: number, startTicks: number): boolean {
  return readProcess(pid)?.startTicks === startTicks;
}

/** Reads versions and hashes of programs; each is read once for as long as its file does not change. */
export function createBinaryReader(): (program: string) => Promise<AgentBinary> {
  const known = new Map<string, { readonly stamp: string; readonly binary: Promise<AgentBinary> }>();
  return (program) => {
    const stamp = stampOf(program);
    const had = known.get(program);
    if (stamp !== null && had?.stamp === stamp) return had.binary;
    const binary = hashOf(program).then((hash) => ({ hash, version: versionOf(program) }));
    if (stamp !== null) known.set(program, { stamp, binary });
    if (known.size > MAX_KNOWN) {
      const [oldest] = known.keys();
      if (oldest !== undefined) known.delete(oldest);
    }
    return binary;
  };
}

function programOf(pid: number): string | null {
  try {
    return readlinkSync(`/proc/${pid}/exe`).replace(/ \(deleted\)$/, '');
  } catch {
    return null;
  }
}

function argvOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1).slice(0, 64);
  } catch {
    return [];
  }
}

/** An interpreter is not the agent: the script it runs is. */
function scriptOf(program: string, argv: readonly string[], pid: number): string {
  if (!INTERPRETERS.test(basename(program))) return program;
  const script = argv.slice(1).find((word) => !word.startsWith('-'));
  if (script === undefined) return program;
  try {
    const base = isAbsolute(script) ? '/' : readlinkSync(`/proc/${pid}/cwd`);
    const path = realpathSync(resolve(base, script));
    return statSync(path).isFile() ? path : program;
  } catch {
    return program;
  }
}

function stampOf(program: string): string | null {
  try {
    const { ino, size, mtimeMs } = statSync(program);
    return `${ino} ${size} ${mtimeMs}`;
  } catch {
    return null;
  }
}

async function hashOf(program: string): Promise<string | null> {
  const hash = createHash('sha256');
  try {
    await pipeline(createReadStream(program, { highWaterMark: 1024 * 1024 }), hash);
    return hash.digest('hex');
  } catch {
    return null;
  }
}

/** The version that the package around a program names; null where there is none. */
function versionOf(program: string): string | null {
  let folder = dirname(program);
  for (let depth = 0; depth < 6; depth += 1) {
    try {
      const parsed: unknown = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
      if (typeof parsed === 'object' && parsed !== null && 'version' in parsed && 'name' in parsed)
        return String(parsed.version).slice(0, 64);
    } catch {
      // None here: one further up.
    }
    const parent = dirname(folder);
    if (parent === folder) return null;
    folder = parent;
  }
  return null;
}
