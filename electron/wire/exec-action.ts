import type { Action } from '../core/action.ts';
import type { ActionId, Digest, SessionId, TimeMs } from '../core/brand.ts';
import type { Hasher } from '../core/ports.ts';
import { ok, type Result } from '../core/result.ts';
import type { Knowledge } from '../core/semantic/knowledge.ts';
import type { Place } from '../core/semantic/paths.ts';
import { isBelow } from './file-action.ts';
import type { ExecQuestion } from './guard-message.ts';
import type { ShellFault } from './shell/normalize.ts';
import { programOf } from './shell/program.ts';
import { buildShellAction } from './shell-action.ts';

/** One program start as the kernel sees it. */
export interface ExecSubmission {
  readonly id: ActionId;
  readonly sessionId: SessionId;
  readonly at: TimeMs;
  readonly question: ExecQuestion;
  readonly place: Place;
  /** Folders whose content the session can write: names in them are the agent's own. */
  readonly writable: readonly string[];
  /** Text of the script that a shell was asked to run, where it could be read. */
  readonly script: string | null;
  readonly modifiedFrom: Digest | null;
}

/** Programs that do what the name they are started by says. */
const MULTI_CALL = new Set(['busybox', 'toybox', 'coreutils', 'systemctl', 'kmod', 'lvm']);
const SHELLS = new Map<string, 'bash' | 'sh' | 'zsh'>([
  ['bash', 'bash'],
  ['sh', 'sh'],
  ['dash', 'sh'],
  ['zsh', 'zsh'],
]);
/** Options of shells whose next word is their value. */
const VALUED = new Set(['-o', '+o', '-O', '+O', '--rcfile', '--init-file']);

/**
 * Builds the Action of a program start that the kernel is about to make (AARM R1, R3.k). The name is what the kernel runs and not what
 * the agent calls it: names in places that the session can write are paths, and mean no program that policy knows.
 */
export function buildExecAction(
  submission: ExecSubmission,
  knowledge: Knowledge,
  hasher: Hasher,
): Result<Action, ShellFault> {
  const { question, place } = submission;
  const words = wordsOf(question, submission.writable, knowledge);
  const [name = ''] = words;
  const dialect = SHELLS.get(name);
  const exact =
    question.argv.every((word) => word.exact) &&
    question.program.exact &&
    question.called.exact &&
    (question.script?.exact ?? true);
  const first = question.argv[0]?.text ?? '';
  const built = buildShellAction(
    {
      id: submission.id,
      sessionId: submission.sessionId,
      at: submission.at,
      surface: 'guard',
      operation: 'exec',
      command: { argv: words },
      script: submission.script,
      cwd: question.cwd,
      home: place.home,
      user: place.user,
      workspace: place.workspace,
      variables: {},
      dialect: dialect ?? 'unknown',
      // Programs that such a shell starts are asked about again; what they are not, core/parts.ts says.
      partsFollow: dialect !== undefined,
      dependsOn: [],
      modifiedFrom: submission.modifiedFrom,
      more: {
        program: question.program.text,
        ...(question.script === null ? {} : { script_file: question.script.text }),
        ...(first === name ? {} : { argv0: first }),
        ...(exact ? {} : { escaped: true }),
      },
    },
    knowledge,
    hasher,
  );
  if (!built.ok) return built;
  const gaps = [...built.value.gaps];
  if (!exact) gaps.push('its words are not valid UTF-8');
  if (question.script === null && disguised(question, name, knowledge))
    gaps.push(`it is told that its name is \`${base(first).slice(0, 64)}\``);
  return ok(gaps.length === built.value.gaps.length ? built.value : { ...built.value, gaps });
}

/** The words that are judged, the program's trustworthy name in front. */
export function wordsOf(
  question: ExecQuestion,
  writable: readonly string[],
  knowledge: Knowledge,
): readonly string[] {
  const { argv, script } = question;
  const texts = argv.map((word) => word.text);
  if (script !== null) {
    const called = nameOf(question.called.text, writable);
    if (!question.writable && called !== null && knowledge.programs.has(programOf(called))) {
      const at = scriptAt(texts, question);
      return [called, ...texts.slice(at + 1)];
    }
    return [nameOf(question.program.text, writable) ?? question.program.text, ...texts.slice(1)];
  }
  if (question.writable) return [question.program.text, ...texts.slice(1)];
  const program = nameOf(question.program.text, writable) ?? question.program.text;
  const first = base(texts[0] ?? '');
  if (MULTI_CALL.has(program) && first !== '' && first !== program) return [first, ...texts.slice(1)];
  // A link in a place of the agent's own gives any program any name: only the program itself is believed.
  return [nameOf(question.called.text, writable) ?? program, ...texts.slice(1)];
}

/**
 * The words by which a line that was judged before may have started this program: by each of its paths, whole or from the directory
 * that it runs in. argv[0] is not among them: it is whatever the agent says.
 */
export function startsOf(question: ExecQuestion): readonly (readonly string[])[] {
  const texts = question.argv.map((word) => word.text);
  const rest = texts.slice(question.script === null ? 1 : scriptAt(texts, question) + 1);
  const paths = [question.called.text, question.script?.text ?? question.program.text];
  const names = new Set<string>();
  for (const path of paths) {
    names.add(path);
    if (question.cwd === null || !isBelow(path, question.cwd) || path === question.cwd) continue;
    const inside = path.slice(question.cwd === '/' ? 1 : question.cwd.length + 1);
    names.add(`./${inside}`);
    if (inside.includes('/')) names.add(inside);
  }
  return [...names].map((name) => [name, ...rest]);
}

/** The file that a shell started with these words would read its commands from, as written; null for none. */
export function scriptOperand(question: ExecQuestion): string | null {
  if (question.script !== null) return question.script.text;
  const words = question.argv.slice(1);
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at];
    if (word === undefined || !word.exact) return null;
    const { text } = word;
    if (text === '--') return words[at + 1]?.text ?? null;
    if (!/^[-+]./.test(text)) return text;
    if (VALUED.has(text)) at += 1;
    else if (/^[-+][A-Za-z]*[cs]/.test(text)) return null;
  }
  return null;
}

/** True for the shells whose scripts are read. */
export function isShell(question: ExecQuestion): boolean {
  return SHELLS.has(programOf(base(question.program.text))) || SHELLS.has(base(question.called.text));
}

/** Names of open files: what they are called there is a number that the agent chose. */
const BY_NUMBER: readonly string[] = ['/proc', '/dev/fd'];

/** A path's last component, where its folder is not the session's to write; else null. */
function nameOf(path: string, writable: readonly string[]): string | null {
  return [...BY_NUMBER, ...writable].some((folder) => isBelow(path, folder)) ? null : base(path);
}

function base(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** Where the script stands among the interpreter's words: after the interpreter and at most one option. */
function scriptAt(texts: readonly string[], question: ExecQuestion): number {
  const fits = (text: string | undefined) =>
    text !== undefined && (base(text) === base(question.called.text) || text === question.script?.text);
  if (fits(texts[1])) return 1;
  return fits(texts[2]) ? 2 : 1;
}

/** argv[0] names another program that policy knows: some programs do what it says. */
function disguised(question: ExecQuestion, name: string, knowledge: Knowledge): boolean {
  const first = programOf(base(question.argv[0]?.text ?? '').replace(/^-/, ''));
  if (first === '' || first === programOf(base(name)) || first === programOf(base(question.program.text)))
    return false;
  return knowledge.programs.has(first);
}
