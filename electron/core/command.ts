/**
 * A word of a command line after everything that can be known without running it was done (quotes removed,
 * known variables and `~` expanded). What only running could tell stays unknown.
 */
export interface Word {
  /** Best known text. Unknown stretches appear as the character U+FFFC, so that no literal can imitate them. */
  readonly text: string;
  /** As written, for people. */
  readonly raw: string;
  /** False when any stretch is unknown (an unset variable, a substitution, arithmetic). */
  readonly known: boolean;
  /** True when it contains an active glob or brace pattern; `text` is then the pattern. */
  readonly glob: boolean;
}

/** The stand-in for a stretch of a word that only running could tell. */
export const UNKNOWN_TEXT = '\uFFFC';

export interface Redirect {
  /** `<`, `>`, `>>`, `<>`, `>|`, `&>`, `&>>`, `<<`, `<<<` */
  readonly operator: string;
  readonly descriptor: number | null;
  /** The file, or null for a heredoc or here-string. */
  readonly target: Word | null;
  /** Heredoc or here-string text. */
  readonly body: Word | null;
  /**
   * True when it belongs to what surrounds the command (`{ …; } > file`, `while …; done < file`, a function's body): the shell
   * opens it before, and without, running any simple command.
   */
  readonly shared?: true;
}

/** What stands between the agent's own words and this command: `sudo`, `bash -c`, `xargs`, `ssh host`, `heredoc`, `function f`. */
export interface Wrapper {
  readonly program: string;
  /** Words of the wrapper that matter to policy: user, host, container. */
  readonly detail: string;
  /**
   * Where what is wrapped runs: `here` (this machine, this user), `root` (this machine, other privileges),
   * `remote` (another machine), `container`.
   */
  readonly place: 'here' | 'root' | 'remote' | 'container';
}

/**
 * One simple command that a command line will run (AARM R3.k): wrappers resolved, the chain kept in `via`.
 */
export interface Command {
  /** Position in `Action.commands`. */
  readonly index: number;
  /**
   * Lower-cased basename without a version suffix or `.exe` (`/usr/bin/Python3.11` → `python3`), `''` when unknown,
   * `:` (with an empty name) for a line of only assignments or redirects.
   */
  readonly program: string;
  /** argv[0] as written. */
  readonly name: Word;
  /** Arguments after argv[0], in order. */
  readonly args: readonly Word[];
  readonly redirects: readonly Redirect[];
  /** `NAME=value` given to this command. */
  readonly assignments: readonly { readonly name: string; readonly value: Word }[];
  readonly via: readonly Wrapper[];
  /** Absolute directory it runs in; null when that cannot be known (an unguarded `cd` that may fail, another machine). */
  readonly cwd: string | null;
  /** When `cwd` is null but only these are possible (`cd /a; …` runs in `/a`, or where it was): all of them. */
  readonly cwdCandidates?: readonly string[];
  /** Index of the command whose standard output is this one's standard input, or its code (`bash -c "$(curl …)"`); null when none. */
  readonly pipedFrom: number | null;
  /** Index of the command that reads (or runs) this one's standard output; null when none. */
  readonly pipedTo: number | null;
  /** Where its code came from: the line itself, a heredoc or pipe fed to an interpreter, a substitution … */
  readonly origin: 'line' | 'substitution' | 'heredoc' | 'argument' | 'function' | 'eval' | 'trap' | 'script';
  /** Code in another language given to this command (`python -c`, `node -e`, `psql -c`), or null. */
  readonly code: { readonly language: string; readonly text: string; readonly known: boolean } | null;
  /** Character range in the command line, for marking; null for derived commands. */
  readonly span: { readonly start: number; readonly end: number } | null;
}
