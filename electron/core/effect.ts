/** What an action does to the world, in few kinds, so that rules can be about the world and not about programs. */
export type EffectKind =
  | 'read'
  | 'write'
  | 'delete'
  | 'move'
  | 'permission'
  | 'execute'
  | 'download'
  | 'upload'
  | 'connect'
  | 'listen'
  | 'install'
  | 'uninstall'
  | 'publish'
  | 'privilege'
  | 'persist'
  | 'configure'
  | 'kill'
  | 'account'
  | 'history'
  | 'discover'
  | 'send'
  | 'spend';

export type ObjectKind =
  | 'path'
  | 'host'
  | 'url'
  | 'package'
  | 'ref'
  | 'repository'
  | 'process'
  | 'service'
  | 'table'
  | 'database'
  | 'device'
  | 'user'
  | 'container'
  | 'cloud'
  | 'code'
  | 'system'
  | 'none';

/** Something an effect touches. `labels` say what kind of thing it is; see docs/vocabulary.md for the list. */
export interface EffectObject {
  readonly kind: ObjectKind;
  /** Canonical name (absolute path, host, package …), or the best known pattern. */
  readonly value: string;
  readonly known: boolean;
  /** True when it is a pattern that may cover many (`*`, `--all`). */
  readonly many: boolean;
  readonly labels: readonly string[];
}

/** One effect of one command (or of the whole action when `command` is null). */
export interface Effect {
  readonly kind: EffectKind;
  readonly object: EffectObject;
  /** Index into `Action.commands`, or null. */
  readonly command: number | null;
  readonly recursive: boolean;
  readonly force: boolean;
  /** Whether what was there before can be had back: `yes` (git, trash, package manager), `no`, `unknown`. */
  readonly reversible: 'yes' | 'no' | 'unknown';
  /** Free-form qualifiers a rule may ask for: `history-rewrite`, `dry-run`, `remote-code`, `encoded`, `setuid` … */
  readonly tags: readonly string[];
}
