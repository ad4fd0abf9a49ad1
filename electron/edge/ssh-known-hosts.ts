import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** The person's own list of hosts; empty where there is none. */
export function readOwnKnownHosts(home: string = homedir()): string {
  try {
    return readFileSync(join(home, '.ssh/known_hosts'), 'utf8');
  } catch {
    return '';
  }
}
