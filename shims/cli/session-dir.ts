import {
  accessSync,
  chmodSync,
  constants,
  copyFileSync,
  lstatSync,
  mkdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, join } from 'node:path';
import { err, ok, type Result } from '../../electron/core/result.ts';
import type { Calm } from '../../electron/wire/calm.ts';
import type { Installation } from './installation.ts';

/** A session's own directory: its socket, its shims, its bash integration. */
export interface SessionDir {
  readonly path: string;
  readonly socket: string;
  readonly shims: string;
  readonly bashIntegration: string;
  /** Null where the kernel guard holds the session. */
  readonly fileShim: FileShim | null;
  /** Program and leading arguments of the session's first process. */
  readonly init: readonly string[];
  remove(): void;
}

/** What brings the file shim into the programs of a session. */
export interface FileShim {
  /** Loaded by Node before anything else (`--require`). */
  readonly node: string;
  /** A directory for PYTHONPATH. */
  readonly python: string;
}

const SHELLS = ['sh', 'bash', 'dash', 'zsh'] as const;
const PROGRAM_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,63}$/;
const MAX_SOCKET_PATH = 107;

/**
 * Makes the directory of a session: a shim for each shell and each named program that is installed (a shim for one that is
 * not would make an agent believe that it is).
 */
export function makeSessionDir(
  sessions: string,
  session: string,
  programs: readonly string[],
  installation: Installation,
  path: string,
  calm: Calm | null,
  proxyPort: number | null = null,
): Result<SessionDir, string> {
  const dir = join(sessions, session);
  const socket = join(dir, 'surface.sock');
  if (Buffer.byteLength(socket) > MAX_SOCKET_PATH)
    return err(`socket path \`${socket}\` is too long; set COUNTERSIGN_HOME to a shorter directory`);
  try {
    mkdirSync(sessions, { recursive: true, mode: 0o700 });
    const facts = lstatSync(sessions);
    if (!facts.isDirectory() || (process.getuid && facts.uid !== process.getuid()))
      return err(`\`${sessions}\` does not belong to this user; remove it or set COUNTERSIGN_HOME`);
    // The proxy may have put the socket of the SSH agent there.
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const shims = join(dir, 'shims');
    mkdirSync(shims, { mode: 0o700 });
    // A way to the shims that no shell function can stand in for (bash-integration.bash says why).
    symlinkSync('shims', join(dir, 'the shims'));
    const bashIntegration = join(dir, 'bash-integration.bash');
    copyFileSync(installation.bashIntegration, bashIntegration);
    const fileShim = calm === null ? null : copyFileShim(join(dir, 'file'), installation, calm, proxyPort);
    for (const name of new Set([...SHELLS, ...programs]))
      if (PROGRAM_NAME.test(name) && isInstalled(name, path)) makeShim(shims, name, installation);
    for (const name of ['countersign-ask', 'countersign-exec', 'countersign-init'])
      makeShim(shims, name, installation);
    return ok({
      path: dir,
      socket,
      shims,
      bashIntegration,
      fileShim,
      init: [join(shims, 'countersign-init')],
      remove: () => rmSync(dir, { recursive: true, force: true }),
    });
  } catch (cause) {
    return err(`cannot prepare \`${dir}\`: ${(cause as Error).message}`);
  }
}

/** The file shim finds its session by where it lies, as the C shims do; an agent that clears the environment still has it. */
function copyFileShim(
  directory: string,
  installation: Installation,
  calm: Calm,
  proxy: number | null,
): FileShim {
  const python = join(directory, 'python');
  mkdirSync(python, { recursive: true, mode: 0o700 });
  const node = join(directory, 'node-preload.cjs');
  copyFileSync(join(installation.fileShim, 'node-preload.cjs'), node);
  copyFileSync(join(installation.fileShim, 'python/sitecustomize.py'), join(python, 'sitecustomize.py'));
  // Its own program is not watched: it asks.
  const known = { own: [installation.shimFallback], calm, proxy };
  writeFileSync(join(directory, 'session.json'), JSON.stringify(known), { mode: 0o600 });
  return { node, python };
}

function makeShim(shims: string, name: string, installation: Installation): void {
  const at = join(shims, name);
  if (installation.shim !== null) {
    symlinkSync(installation.shim, at);
    return;
  }
  const words = [process.execPath, installation.shimFallback, at].map(
    (w) => `'${w.replaceAll("'", `'\\''`)}'`,
  );
  writeFileSync(at, `#!/bin/sh\nexec ${words.join(' ')} "$@"\n`);
  chmodSync(at, 0o700);
}

/** True when a file of that name that this user may execute is on the search path. */
function isInstalled(name: string, path: string): boolean {
  return path.split(delimiter).some((directory) => {
    try {
      const file = join(directory || '.', name);
      accessSync(file, constants.X_OK);
      return statSync(file).isFile();
    } catch {
      return false;
    }
  });
}
