/** Where Countersign keeps its files, from the environment (XDG base directories). Pure: nothing is created here. */
export interface Places {
  /** Ledger and keys' fallback file. */
  readonly state: string;
  /** The person's own policies and preferences. */
  readonly config: string;
  /** Sockets, for this boot. */
  readonly run: string;
  readonly submitSocket: string;
  /** In a directory of its own: only the guards of sessions speak there. */
  readonly guardSocket: string;
  /** In a directory of its own: the hooks of agents that the person starts by themselves speak there. */
  readonly hookSocket: string;
  /** In a directory of its own, so that a sandbox can leave the whole directory out. */
  readonly controlDir: string;
  readonly controlSocket: string;
  readonly capability: string;
  readonly sessions: string;
  /** Folders for temporary files of sessions that cannot have a /tmp of their own; no session sees another's. */
  readonly temp: string;
  readonly log: string;
}

/**
 * Derives every place from the environment. `COUNTERSIGN_HOME` puts everything under one directory (tests, second
 * installations). Unix socket paths must stay under 108 bytes: the run directory is kept short.
 */
export function placesFrom(env: Readonly<Record<string, string | undefined>>, home: string): Places {
  const one = env['COUNTERSIGN_HOME'];
  const state = one ? `${one}/state` : `${env['XDG_STATE_HOME'] || `${home}/.local/state`}/countersign`;
  const config = one ? `${one}/config` : `${env['XDG_CONFIG_HOME'] || `${home}/.config`}/countersign`;
  const runtime = env['XDG_RUNTIME_DIR'];
  const run = one ? `${one}/run` : runtime ? `${runtime}/countersign` : `${state}/run`;
  return {
    state,
    config,
    run,
    submitSocket: `${run}/submit/submit.sock`,
    guardSocket: `${run}/guard/guard.sock`,
    hookSocket: `${run}/hook/hook.sock`,
    controlDir: `${run}/control`,
    controlSocket: `${run}/control/control.sock`,
    capability: `${run}/control/capability`,
    sessions: `${run}/sessions`,
    temp: one ? `${one}/temp` : `${state}-temp`,
    log: `${state}/daemon.log`,
  };
}
