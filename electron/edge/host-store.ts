import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** Hosts that something was sent to from this installation, kept across sessions (fact `destination.first_seen`). */
export interface HostStore {
  has(host: string): boolean;
  /** Remembers a host; on disk a moment later. */
  add(host: string): void;
  /** Writes what is not on disk yet. */
  close(): void;
}

export interface HostStoreOptions {
  readonly directory: string;
  /** Past this many, those that were used longest ago are forgotten, and count as new again. */
  readonly maxHosts?: number;
  /** Runs `callback` after `delayMs`. */
  readonly after: (delayMs: number, callback: () => void) => () => void;
  readonly say: (line: string) => void;
}

const MAX_HOSTS = 8192;
const MAX_HOST = 253;
const WRITE_AFTER_MS = 2000;
const FILE = 'hosts';
const HOST = /^[a-z0-9._:-]+$/;

/**
 * Opens the list in `directory`, one host a line, used last at the end. What cannot be read or is no host is left out: then a host counts as
 * new, which only ever asks more.
 */
export function openHostStore(options: HostStoreOptions): HostStore {
  const { directory, maxHosts = MAX_HOSTS, after, say } = options;
  const path = join(directory, FILE);
  // In order of use: a Set keeps it, and a host that is used again goes to its end.
  const hosts = new Set<string>(readHosts(path).slice(-maxHosts));
  let cancel: (() => void) | null = null;

  const write = (): void => {
    cancel?.();
    cancel = null;
    const fault = writeWhole(path, [...hosts]);
    if (fault !== null) say(`the list of hosts that were seen cannot be written: ${fault}`);
  };

  return {
    has: (host) => hosts.has(host.toLowerCase()),
    add(given) {
      const host = given.toLowerCase();
      if (!isHost(host)) return;
      const known = hosts.delete(host);
      hosts.add(host);
      for (const oldest of hosts) {
        if (hosts.size <= maxHosts) break;
        hosts.delete(oldest);
      }
      // The order alone is not worth a write; it is written with the next new host.
      if (!known) cancel ??= after(WRITE_AFTER_MS, write);
    },
    close: () => {
      if (cancel !== null) write();
    },
  };
}

function isHost(text: string): boolean {
  return text.length > 0 && text.length <= MAX_HOST && HOST.test(text);
}

function readHosts(path: string): readonly string[] {
  try {
    return readFileSync(path, 'utf8').split('\n').filter(isHost);
  } catch {
    return [];
  }
}

/** Whole or not at all: a file beside it takes its place. Returns why not. */
function writeWhole(path: string, hosts: readonly string[]): string | null {
  const temporary = `${path}.new`;
  try {
    const descriptor = openSync(temporary, 'w', 0o600);
    try {
      writeSync(descriptor, hosts.map((host) => `${host}\n`).join(''));
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, path);
    return null;
  } catch (cause) {
    rmSync(temporary, { force: true });
    return (cause as NodeJS.ErrnoException).code ?? 'unknown error';
  }
}
