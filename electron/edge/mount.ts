import { closeSync, constants, lstatSync, openSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** What one mount is: only within it can things be renamed. Two mounts of one file system are two. */
export interface Mount {
  readonly id: string;
  /** Directory at its top. */
  readonly top: string;
}

/** Linux, as on every architecture that the guard is built for; Node has no name for it. */
const O_PATH = 0o10000000;

/** The mount that a directory lies on. Throws what the system says when there is no such directory. */
export function mountOf(folder: string): Mount {
  return process.platform === 'linux' ? linuxMount(folder) : deviceOf(folder);
}

function linuxMount(folder: string): Mount {
  const descriptor = openSync(folder, O_PATH | constants.O_DIRECTORY);
  try {
    const id = /^mnt_id:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, 'utf8'))?.[1];
    if (id === undefined) throw new Error('the kernel does not say which mount a directory is on');
    for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
      const fields = line.split(' ');
      if (fields[0] === id && fields[4] !== undefined) return { id, top: unescaped(fields[4]) };
    }
    throw new Error('the mount is not below the root directory');
  } finally {
    closeSync(descriptor);
  }
}

/** Space, tab, newline and backslash are three octal digits there; bytes are bytes. */
function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_all, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

/** Elsewhere a mount is a device. */
function deviceOf(folder: string): Mount {
  const { dev } = lstatSync(folder);
  let top = folder;
  for (;;) {
    const parent = dirname(top);
    if (parent === top || lstatSync(parent).dev !== dev) return { id: String(dev), top };
    top = parent;
  }
}
