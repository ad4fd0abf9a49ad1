import type { PathIndex } from '../core/semantic/path-index.ts';
import { type Place, seePath } from '../core/semantic/paths.ts';

/**
 * What reads its own credential without a person being asked: only where the program, as it was started, cannot hand the content on.
 *
 * Safe is `ssh` with the options below: it proves that it has a key and never says it. Not safe, and asked about:
 * - ssh with `-F`, `-o Include` (it prints lines that it cannot read), `-I`, `-o PKCS11Provider` (code of the agent's in its memory),
 *   `-o AddKeysToAgent`, `-o IdentityAgent` or SSH_AUTH_SOCK (a key goes to whoever listens there), LD_PRELOAD and what else brings code in;
 * - ssh-keygen (`-y`, `-p`), ssh-add, gpg-agent (it exports keys to whoever connects), gpg (`--export-secret-keys`, `--enarmor`);
 * - git's credential helpers: `git credential fill` prints, and `-c http.proxy=`, `-c http.sslVerify=false` send it where the agent listens;
 * - gh (`auth token`, `gist create FILE`), kubectl (`config view --raw`, `-o go-template-file=`, `--server=`, KUBECONFIG), docker (DOCKER_HOST),
 *   aws (`configure get`, `configure export-credentials`), gcloud (`auth print-access-token`): each has a way to say it or to send it elsewhere.
 */

/** A program as the kernel was about to start it, when nothing in it had run yet. */
export interface ProgramStart {
  /** Canonical path. */
  readonly program: string;
  /** All words, argv[0] in front. */
  readonly argv: readonly string[];
  /** Names of its variables. */
  readonly variables: readonly string[];
}

/** ssh's options without a value, and those with one that is a name, a number or a file that it never prints. */
const SSH_FLAGS = /^-[46AaCfGgKkMNnqsTtVvXxYy]+$/;
const SSH_VALUED = /^-[bBcDeiJLlmOpRSWw]$/;
/** Settings that say nothing of where keys go, what is read as settings, or what is loaded. */
const SSH_SETTINGS =
  /^(?:BatchMode|ClearAllForwardings|Compression|ConnectTimeout|ConnectionAttempts|ForwardAgent|IdentitiesOnly|LogLevel|PermitLocalCommand|Port|RemoteCommand|RequestTTY|SendEnv|ServerAliveCountMax|ServerAliveInterval|StrictHostKeyChecking|User)[= ]/i;
/** Variables by which code, settings or another listener get into a program of C and its libraries. */
const UNSAFE_VARIABLES =
  /^(?:LD_|GLIBC_|GCONV_|LOCPATH$|NLSPATH$|MALLOC_|OPENSSL|SSL(?!_CERT_(?:FILE|DIR)$)|KRB5|GSS|P11_|PKCS11|NSS_|HOSTALIASES$|SSH_(?!CONNECTION$|CLIENT$|TTY$))/i;

/** True when what was started is a program whose own credentials may be read by it unasked (`readsItsOwn`). */
export function keepsItsOwn(start: ProgramStart): boolean {
  return (
    nameOf(start.program) === 'ssh' &&
    isPlainSsh(start.argv.slice(1)) &&
    !start.variables.some((name) => UNSAFE_VARIABLES.test(name))
  );
}

/** True when `path` is a credential of that program's own: a file right in `~/.ssh` for ssh. */
export function readsItsOwn(program: string, path: string, home: string): boolean {
  return (
    nameOf(program) === 'ssh' &&
    path.startsWith(`${home}/.ssh/`) &&
    !path.slice(home.length + 6).includes('/')
  );
}

/** Options may come before and after the host; after both, all is the other machine's. */
function isPlainSsh(words: readonly string[]): boolean {
  let host = false;
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? '';
    if (!word.startsWith('-')) {
      if (host) return true;
      host = true;
    } else if (word === '--') {
      // Before the host it ends nothing: ssh reads options again after it.
      if (host) return true;
    } else if (word === '-o') {
      at += 1;
      if (!SSH_SETTINGS.test(words[at] ?? '')) return false;
    } else if (word.startsWith('-o')) {
      if (!SSH_SETTINGS.test(word.slice(2))) return false;
    } else if (SSH_VALUED.test(word)) {
      at += 1;
    } else if (!SSH_FLAGS.test(word) && !SSH_VALUED.test(word.slice(0, 2))) {
      return false;
    }
  }
  return true;
}

function nameOf(program: string): string {
  return program.slice(program.lastIndexOf('/') + 1);
}

/** Package managers read their own settings at each start; the settings of another program are a credential like any other. */
const OWN_SETTINGS: readonly (readonly [RegExp, RegExp])[] = [
  [/\/(?:npm|pnpm|yarn|corepack)\/(?:[^/]+\/)*[\w.-]+\.c?js$/, /^\/\.(?:npmrc|yarnrc\.yml)$/],
  [/\/(?:pip|pip3|twine|uv)[\d.]*$/, /^\/\.(?:netrc|pypirc)$/],
  [/\/aws$/, /^\/\.aws\//],
];

/**
 * True when an installed script reads what belongs to it; for the file shim of a cooperative session. One that lies where the agent writes
 * may only bear the name.
 */
export function scriptReadsItsOwn(script: string, path: string, place: Place, index: PathIndex): boolean {
  if (!path.startsWith(`${place.home}/`)) return false;
  const { labels } = seePath(script, false, place, index);
  if (labels.some((label) => label === 'workspace' || label === 'temp')) return false;
  return OWN_SETTINGS.some(([who, what]) => who.test(script) && what.test(path.slice(place.home.length)));
}
