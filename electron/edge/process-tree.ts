import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';

/** What /proc says of one process; null when it is gone or the platform has no /proc. */
export interface ProcessFacts {
  readonly pid: number;
  readonly parent: number;
  /** Controlling terminal's device number; 0 when it has none. */
  readonly tty: number;
  /** Clock ticks after boot at which it started: tells a reused pid from the first owner. */
  readonly startTicks: number;
}

/** Reads one process. The name field may contain spaces and parentheses, so fields count from the last `)`. */
export function readProcess(pid: number): ProcessFacts | null {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return null;
  }
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const parent = Number(fields[1]);
  const tty = Number(fields[4]);
  const startTicks = Number(fields[19]);
  if (!Number.isInteger(parent) || !Number.isInteger(tty) || !Number.isInteger(startTicks)) return null;
  return { pid, parent, tty, startTicks };
}

/** True when a process holds `path` open: how a client of the control door proves which process it is. */
export function holdsOpen(pid: number, path: string): boolean {
  let names: string[];
  try {
    names = readdirSync(`/proc/${pid}/fd`);
  } catch {
    return false;
  }
  for (const name of names) {
    try {
      if (readlinkSync(`/proc/${pid}/fd/${name}`) === path) return true;
    } catch {
      // The descriptor was closed between listing and reading: not this one.
    }
  }
  return false;
}

/** The pids above a process, nearest first, ending at 1; bounded, so that a racing tree cannot hold us. */
export function ancestorsOf(pid: number): readonly number[] {
  const chain: number[] = [];
  let current = pid;
  for (let depth = 0; depth < 512; depth += 1) {
    const facts = readProcess(current);
    if (facts === null || facts.parent <= 0) break;
    chain.push(facts.parent);
    current = facts.parent;
  }
  return chain;
}

/** True when the process's environment names a session: a second sign, beside ancestry, that an agent started it. */
export function carriesSession(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1')
      .split('\0')
      .some((entry) => entry.startsWith('COUNTERSIGN_SESSION='));
  } catch {
    // Unreadable environment (another user, or gone): treat as carrying one, for this only ever refuses a grant.
    return true;
  }
}

/**
 * Names of the variables that a program was started with; null when they cannot be read. Asked while the program stands before its first
 * instruction, nothing in it can have changed them.
 */
export function environmentNames(pid: number): readonly string[] | null {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1')
      .split('\0')
      .filter((entry) => entry !== '')
      .map((entry) => entry.split('=', 1)[0] ?? '');
  } catch {
    return null;
  }
}

/**
 * True when the kernel keeps a process's memory from other processes of its user (and writes no core file of it): its files in /proc are
 * not its user's then. False for root's, whose are root's either way, and where it cannot be seen.
 */
export function isSealed(pid: number): boolean {
  const uid = process.getuid?.() ?? 0;
  try {
    return uid !== 0 && statSync(`/proc/${pid}/mem`).uid !== uid;
  } catch {
    return false;
  }
}

/**
 * The hard limit of file locks that a session's first process sets for all below it. Nobody but root can raise a hard limit again, so
 * the mark outlives a cleaned environment, a double fork, the death of that first process, and the session. The limit itself limits nothing.
 */
export const SESSION_MARK = 0x43534e;

/** True when a process comes out of a session, living or ended, by the mark it inherited; true too when that cannot be read. */
export function isMarked(pid: number): boolean {
  try {
    const line = readFileSync(`/proc/${pid}/limits`, 'utf8')
      .split('\n')
      .find((text) => text.startsWith('Max file locks'));
    const hard = line?.trim().split(/\s{2,}/)[2];
    // Lower still is a mark that somebody tried to make unreadable.
    return hard !== undefined && hard !== 'unlimited' && Number(hard) <= SESSION_MARK;
  } catch {
    return true;
  }
}

/** True on platforms where processes can be looked at this way. */
export function canSeeProcesses(): boolean {
  return readProcess(process.pid) !== null;
}
