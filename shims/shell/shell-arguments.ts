import { isatty } from 'node:tty';

/** What a shell's own arguments say; the same reading as csrc/shell-arguments.c. */
export interface ShellArguments {
  readonly command: boolean;
  readonly interactive: boolean;
  readonly login: boolean;
  readonly posix: boolean;
  readonly privileged: boolean;
  readonly script: string | null;
  readonly start: string;
  /** Index of the first word that is not an option. */
  readonly operands: number;
}

const WITH_VALUE = new Set(['--rcfile', '--init-file']);

/** Reads the words after the shell's name. */
export function readShellArguments(words: readonly string[], env: NodeJS.ProcessEnv): ShellArguments {
  const long = new Set<string>();
  const short = new Set<string>();
  let rcfile: string | null = null;
  let posix = env['POSIXLY_CORRECT'] !== undefined;
  let at = 0;
  for (; at < words.length; at += 1) {
    const word = words[at] ?? '';
    if (word === '--' || word === '-') {
      at += 1;
      break;
    }
    if (word.startsWith('--')) {
      long.add(word);
      if (WITH_VALUE.has(word)) {
        at += 1;
        rcfile = words[at] ?? null;
      }
      continue;
    }
    if (!/^[-+]./.test(word)) break;
    const letters = [...word.slice(1)];
    if (word.startsWith('-')) for (const letter of letters) short.add(letter);
    for (const letter of letters)
      if (letter === 'o' || letter === 'O') {
        at += 1;
        if (words[at] === 'posix' && word.startsWith('-')) posix = true;
      }
  }
  const command = short.has('c');
  const script = command || short.has('s') ? null : (words[at] ?? null);
  const login = short.has('l') || long.has('--login');
  return {
    command,
    script,
    login,
    posix: posix || long.has('--posix'),
    privileged: short.has('p'),
    interactive: short.has('i') || (!command && script === null && isatty(0) && isatty(2)),
    start: login
      ? long.has('--noprofile')
        ? 'none'
        : 'login'
      : long.has('--norc')
        ? 'none'
        : (rcfile ?? 'rc'),
    operands: at,
  };
}

/** True when our DEBUG trap will be armed in this bash. */
export function trapFollows(name: string, shell: ShellArguments): boolean {
  return name === 'bash' && !shell.posix && !shell.privileged && process.getuid?.() === process.geteuid?.();
}

/** The argv and environment that make bash load the trap. */
export function withTrap(
  argv: readonly string[],
  shell: ShellArguments,
  integration: string,
  env: NodeJS.ProcessEnv,
): { readonly argv: readonly string[]; readonly env: NodeJS.ProcessEnv } {
  const own = env['BASH_ENV'];
  const changed: NodeJS.ProcessEnv = {
    ...env,
    BASH_ENV: integration,
    ...(own !== undefined && own !== integration ? { COUNTERSIGN_BASH_ENV: own } : {}),
  };
  const [name = 'bash', ...words] = argv;
  if (!shell.interactive) return { argv: [name, '--norc', ...words], env: changed };
  const dropped = new Set(['--login', '--norc', '--noprofile']);
  const kept: string[] = [];
  for (let i = 0; i < words.length; i += 1) {
    const word = words[i] ?? '';
    if (i >= shell.operands) kept.push(word);
    else if (WITH_VALUE.has(word)) i += 1;
    else if (dropped.has(word)) continue;
    // A login shell ignores --init-file.
    else if (/^-[^-]/.test(word)) {
      const without = word.replaceAll('l', '');
      if (without !== '-') kept.push(without);
    } else kept.push(word);
  }
  return {
    argv: [name, '--init-file', integration, ...kept],
    env: { ...changed, COUNTERSIGN_BASH_START: shell.start },
  };
}
