import type { Command, Word } from '../../core/command.ts';
import { UNKNOWN_TEXT } from '../../core/command.ts';
import { emit, type Frame, type Machine, type Output, through } from './machine.ts';
import { hasOption, type Options, optionValue, scanOptions } from './options.ts';
import { type Handler, plain, wrapped } from './plain.ts';
import { childScope, stay } from './scope.ts';
import { takeAssignments } from './shapes.ts';
import { shell, shellText } from './shells.ts';
import { joinText, literalWord, resolvePath, textAt } from './word.ts';

/** `sudo` with all its options: `-u`, `-E`, `-D dir`, `-i` and `-s` with or without a command. */
export const sudo: Handler = (m, f, call, program) => {
  const shape =
    program === 'doas'
      ? { short: 'uC' }
      : {
          short: 'ugpCrtTUhDRac',
          long: 'user group prompt close-from role type command-timeout other-user host chdir chroot',
        };
  const scanned = scanOptions(m, call.words, 1, shape);
  if (program !== 'doas' && hasOption(scanned, 'e', 'edit', 'l', 'list', 'v', 'validate', 'V', 'version'))
    return plain(m, f, call);
  const assignments = takeAssignments(call.words, scanned.at);
  const words = call.words.slice(scanned.at + assignments.length);
  const user = optionValue(scanned, 'u', 'user')?.text ?? 'root';
  const login = program !== 'doas' && hasOption(scanned, 'i', 'login');
  if (words.length === 0) {
    if (!login && !hasOption(scanned, 's', 'shell')) return plain(m, f, call);
    return rootShell(m, f, call, program, user);
  }
  return wrapped(m, f, call, program, words, {
    detail: user,
    place: 'root',
    distance: hasOption(scanned, 'E', 'preserve-env') ? 'child' : 'other',
    assignments,
    ...directoryOf(f, scanned, login),
  });
};

function directoryOf(
  f: Frame,
  scanned: Options,
  login: boolean,
): { readonly directories?: readonly string[] } {
  if (login) return { directories: [] };
  const chdir = optionValue(scanned, 'D', 'chdir');
  if (chdir === undefined) return {};
  return { directories: directoryAt(f, chdir) };
}

function directoryAt(f: Frame, word: Word | null): readonly string[] {
  if (word === null || !word.known || word.glob) return [];
  if (word.text.startsWith('/')) return [resolvePath(null, word.text) ?? '/'];
  return f.scope.directories.map((from) => resolvePath(from, word.text) ?? '/');
}

/** An interactive root shell; what is piped into it is code. */
function rootShell(
  m: Machine,
  f: Frame,
  call: Parameters<Handler>[2],
  program: string,
  user: string,
): Output {
  if (f.input.kind === 'inherited') return plain(m, f, call);
  const inner = through({ ...f, scope: childScope(f.scope, null, 'other') }, program, user, 'root');
  return shell(m, inner, { ...call, words: [literalWord('sh')] }, 'sh');
}

const SU_SHAPE = {
  short: 'cgGswTC',
  long: 'command session-command group supp-group shell whitelist-environment',
};

/** `su user -c code`, `runuser -u user -- cmd`. */
export const su: Handler = (m, f, call, program) => {
  const { words } = call;
  let user = 'root';
  let code: Word | null | undefined;
  let login = false;
  let at = 1;
  if (program === 'runuser') {
    const scanned = scanOptions(m, words, 1, { short: `u${SU_SHAPE.short}`, long: `user ${SU_SHAPE.long}` });
    const named = optionValue(scanned, 'u', 'user');
    if (named !== undefined)
      return wrapped(m, f, call, program, words.slice(scanned.at), {
        detail: named?.text ?? '',
        place: 'root',
        distance: 'other',
      });
  }
  // Options may stand on both sides of the user.
  for (let rounds = 0; rounds < 8 && at < words.length; rounds++) {
    const scanned = scanOptions(m, words, at, SU_SHAPE);
    code = optionValue(scanned, 'c', 'command', 'session-command') ?? code;
    login ||= hasOption(scanned, 'l', 'login');
    at = scanned.at;
    const word = textAt(words, at);
    if (at >= words.length) break;
    if (word === '-') login = true;
    else user = word;
    at++;
  }
  if (code === undefined || code === null) {
    if (f.input.kind === 'inherited') return plain(m, f, call);
    return rootShell(m, f, call, program, user);
  }
  const frame = login ? { ...f, scope: leftDirectory(f) } : f;
  return shellText(m, frame, call, code.text, {
    program,
    words: [code],
    detail: user,
    place: 'root',
    distance: 'other',
    known: code.known,
  });
};

function leftDirectory(f: Frame): Frame['scope'] {
  const scope = childScope(f.scope, null, 'child');
  stay(scope, []);
  return scope;
}

const ENV_SHAPE = {
  short: 'uCSP',
  long: 'unset chdir split-string block-signal default-signal ignore-signal argv0',
};

/** `env -i -u NAME -C dir -S string NAME=value cmd`. */
export const env: Handler = (m, f, call, program) => {
  let { words } = call;
  let at = 1;
  let directories: readonly string[] | undefined;
  let cleared = false;
  for (let rounds = 0; rounds < 8; rounds++) {
    const scanned = scanOptions(m, words, at, ENV_SHAPE);
    at = scanned.at;
    if (textAt(words, at) === '-') {
      cleared = true;
      at++;
    }
    cleared ||= hasOption(scanned, 'i', 'ignore-environment', 'u', 'unset');
    const chdir = optionValue(scanned, 'C', 'chdir');
    if (chdir !== undefined) directories = directoryAt(f, chdir);
    const split = optionValue(scanned, 'S', 'split-string');
    if (split === undefined || split === null) break;
    words = [...words.slice(0, 1), ...splitString(split), ...words.slice(at)];
    at = 1;
  }
  const assignments = takeAssignments(words, at);
  const rest = words.slice(at + assignments.length);
  if (rest.length === 0) return plain(m, f, call);
  return wrapped(m, f, call, program, rest, {
    assignments,
    distance: cleared ? 'other' : 'child',
    ...(directories === undefined ? {} : { directories }),
  });
};

/** `env -S` splits at white space, with quotes, and puts in `${NAME}`, which is left unknown. */
function splitString(word: Word): Word[] {
  const out: Word[] = [];
  const pattern = /(?:[^\s'"\\$]|'[^']*'|"(?:[^"\\]|\\.)*"|\\.|\$(?:\{[^}]*\})?)+/gs;
  for (const [piece] of word.text.matchAll(pattern)) {
    if (piece.startsWith('#')) break;
    const text = piece.replace(
      /'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)|\$\{[^}]*\}/gs,
      (match, a?: string, b?: string, c?: string) =>
        match.startsWith('$')
          ? UNKNOWN_TEXT
          : (a ?? b?.replace(/\\(.)/gs, '$1') ?? (c === '_' ? ' ' : (c ?? ''))),
    );
    out.push({ text, raw: piece, known: !text.includes(UNKNOWN_TEXT), glob: word.glob });
  }
  return out;
}

/** `exec cmd`: the shell becomes the command. `exec > file` only redirects. */
export const exec: Handler = (m, f, call) => {
  const scanned = scanOptions(m, call.words, 1, { short: 'a' });
  const words = call.words.slice(scanned.at);
  if (words.length === 0) return plain(m, f, call);
  // An interactive shell goes on when the program is not found, so what follows is not dead.
  return wrapped(m, f, call, 'exec', words);
};

/** `command cmd`, `builtin cmd`: the same shell, no function. `command -v cmd` only asks. */
export const command: Handler = (m, f, call, program) => {
  const scanned = scanOptions(m, call.words, 1, {});
  if (hasOption(scanned, 'v', 'V')) return plain(m, f, call);
  const words = call.words.slice(scanned.at);
  if (words.length === 0) return plain(m, f, call);
  return m.run.program(m, through(f, program, '', 'here'), { ...call, words });
};

/** `flock file cmd`, `flock file -c code`. */
export const flock: Handler = (m, f, call, program) => {
  const scanned = scanOptions(m, call.words, 1, { short: 'wE', long: 'wait timeout conflict-exit-code' });
  const after = call.words.slice(scanned.at + 1);
  if (/^(?:-c|--command)$/.test(textAt(after, 0))) {
    const code = after[1];
    return code === undefined
      ? plain(m, f, call)
      : shellText(m, f, call, code.text, { program, words: [code], known: code.known });
  }
  return wrapped(m, f, call, program, textAt(after, 0) === '--' ? after.slice(1) : after);
};

/** `bwrap --bind a b cmd`: options take none, one or two words. What it may reach depends on its binds, so it runs `here`. */
export const bwrap: Handler = (m, f, call, program) => {
  let i = 1;
  for (; i < call.words.length; i++) {
    const name = textAt(call.words, i);
    if (!name.startsWith('-')) break;
    if (name === '--') {
      i++;
      break;
    }
    i += BWRAP_WORDS[name.slice(2)] ?? 0;
  }
  return wrapped(m, f, call, program, call.words.slice(i));
};

const BWRAP_WORDS: Readonly<Record<string, number>> = Object.fromEntries([
  ...'bind bind-try dev-bind dev-bind-try ro-bind ro-bind-try setenv symlink file bind-data ro-bind-data chmod bind-fd ro-bind-fd'
    .split(' ')
    .map((name) => [name, 2] as const),
  ...'chdir unsetenv lock-file sync-fd remount-ro exec-label file-label proc dev tmpfs mqueue dir seccomp add-seccomp-fd block-fd userns-block-fd info-fd json-status-fd cap-add cap-drop uid gid hostname perms size args userns userns2 pidns argv0 overlay-src tmp-overlay ro-overlay'
    .split(' ')
    .map((name) => [name, 1] as const),
]);

/** `watch cmd…`: its words joined are shell code. */
export const watch: Handler = (m, f, call, program) => {
  const scanned = scanOptions(m, call.words, 1, { short: 'nq', long: 'interval equexit' });
  const words = call.words.slice(scanned.at);
  if (words.length === 0) return plain(m, f, call);
  if (hasOption(scanned, 'x', 'exec')) return wrapped(m, f, call, program, words);
  return shellText(m, f, call, joinText(words, 0), { program, words });
};

/** `script -c code file`, and the form of the BSDs, `script file cmd…`. */
export const script: Handler = (m, f, call, program) => {
  const scanned = scanOptions(m, call.words, 1, {
    short: 'cIOBTEo',
    long: 'command log-in log-out log-io log-timing echo output-limit',
  });
  const code = optionValue(scanned, 'c', 'command');
  emit(m, f, call, null);
  if (code !== undefined && code !== null)
    return shellText(m, f, call, code.text, { program, words: [code], known: code.known });
  const words: readonly Word[] = call.words.slice(scanned.at + 1);
  return words.length === 0
    ? null
    : m.run.process(m, through(f, program, '', 'here'), { ...call, words, redirects: [], assignments: [] });
};

/** A loader given a program: `/lib64/ld-linux-x86-64.so.2 /bin/rm`. */
export const loader: Handler = (m, f, call, program) => {
  const scanned = scanOptions(m, call.words, 1, { long: 'library-path preload audit argv0 inhibit-rpath' });
  return wrapped(m, f, call, program, call.words.slice(scanned.at));
};

export type Assignments = Command['assignments'];
