import { delimiter } from 'node:path';
import { type GuardMode, guardedEnvironment } from './guard-launch.ts';
import type { FileShim } from './session-dir.ts';
import { type ExplicitProxy, type TrustFiles, trustEnvironment } from './trust-environment.ts';

/** What a shim waits longer than the daemon may take before it denies by itself. */
const GRACE_MS = 2500;

/** Where a session's parts lie, for its agent. */
export interface AgentPlaces {
  readonly path: string;
  readonly session: string;
  readonly directory: string;
  readonly socket: string;
  readonly shims: string;
  readonly bashIntegration: string;
  /** Null: the kernel guard holds the session, or the person switched it off before the session began. */
  readonly fileShim: FileShim | null;
  readonly deadlineMs: number;
  /** What the session's programs trust. */
  readonly trust: TrustFiles;
  /** Null where the guard routes connections. */
  readonly proxy: ExplicitProxy | null;
}

/**
 * The agent's environment: what it had, the shims first on PATH, and names. No key of ours and no secret is in it but, where
 * no guard routes connections, what the proxy knows the session by.
 */
export function agentEnvironment(
  mode: GuardMode | null,
  temp: string | null,
  places: AgentPlaces,
): NodeJS.ProcessEnv {
  const own = process.env['BASH_ENV'];
  const env: NodeJS.ProcessEnv = {
    ...(mode === null || temp === null ? process.env : guardedEnvironment(process.env, mode, temp)),
    PATH: mode !== null ? places.path : `${places.shims}${delimiter}${places.path}`,
    COUNTERSIGN_SESSION: places.session,
    COUNTERSIGN_SESSION_DIR: places.directory,
    COUNTERSIGN_SURFACE: places.socket,
    COUNTERSIGN_SHIM_DIR: places.shims,
    COUNTERSIGN_DEADLINE_MS: String(places.deadlineMs + GRACE_MS),
    BASH_ENV: places.bashIntegration,
    // The first bash of a login with a socket as standard input would read ~/.bashrc in place of BASH_ENV.
    SHLVL: String(Math.max(1, Number(process.env['SHLVL']) || 1)),
    ...(own === undefined ? {} : { COUNTERSIGN_BASH_ENV: own }),
    ...trustEnvironment(places.trust, places.proxy, process.env),
    ...(places.fileShim === null ? {} : fileShimEnvironment(places.fileShim, process.env)),
  };
  // On a terminal of its own a variable without a value would be the word `undefined`.
  return Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined));
}

/** What makes Node and Python load the file shim, the person's own values kept behind it. */
function fileShimEnvironment(shim: FileShim, env: NodeJS.ProcessEnv): Record<string, string> {
  // `--require` and not `--import`: the one way that every Node from 18 on takes for scripts, modules and threads alike.
  const quoted = `--require "${shim.node.replace(/["\\]/g, '\\$&')}"`;
  const options = env['NODE_OPTIONS'];
  const python = env['PYTHONPATH'];
  return {
    NODE_OPTIONS: options ? `${quoted} ${options}` : quoted,
    PYTHONPATH: python ? `${shim.python}${delimiter}${python}` : shim.python,
  };
}
