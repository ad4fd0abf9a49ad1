import canonicalize from 'canonicalize';
import type { Action, Surface } from '../core/action.ts';
import type { ActionId, Digest, JsonObject, SessionId, TimeMs } from '../core/brand.ts';
import type { Command } from '../core/command.ts';
import type { Hasher } from '../core/ports.ts';
import { ok, type Result } from '../core/result.ts';
import { effectsOf } from '../core/semantic/effects.ts';
import type { Knowledge } from '../core/semantic/knowledge.ts';
import type { Place } from '../core/semantic/paths.ts';
import {
  normalizeArgv,
  normalizeCommandLine,
  type ShellFault,
  type ShellMeaning,
} from './shell/normalize.ts';

/** Everything about one command line but its meaning. */
export interface ShellSubmission {
  readonly id: ActionId;
  readonly sessionId: SessionId;
  readonly at: TimeMs;
  readonly surface: Surface;
  /** A command line as a shell reads it, or the words of one program start. */
  readonly command: { readonly line: string } | { readonly argv: readonly string[] };
  /** `run` for a line that a shell will read, `exec` for one program start. */
  readonly operation?: 'run' | 'exec';
  /** Text of the script that the program was asked to run, where the surface could read it. */
  readonly script?: string | null;
  readonly cwd: string | null;
  readonly home: string;
  readonly user: string;
  readonly workspace: string | null;
  /** Variables whose values are known to be what the shell will see. */
  readonly variables: Readonly<Record<string, string>>;
  readonly dialect: 'sh' | 'bash' | 'zsh' | 'unknown';
  readonly partsFollow: boolean;
  readonly dependsOn: readonly ActionId[];
  readonly modifiedFrom: Digest | null;
  /** What else was intercepted: it belongs to the parameters and to what an approval is bound to. */
  readonly more?: JsonObject;
}

/** Two ways in which a line never ends: they are in the shape of the text, not in any program. */
const FORK_BOMB = /([\w:.]{1,40})\s{0,20}\(\)\s{0,20}\{\s{0,20}\1\s{0,20}\|\s{0,20}\1\s{0,20}&?/;

/**
 * Builds the Action of a command line (AARM R1, R3.k, R5.a): parameters verbatim, commands and effects as what it means,
 * the digest over (tool, operation, parameters, cwd). Refuses what the shell reader refuses.
 */
export function buildShellAction(
  submission: ShellSubmission,
  knowledge: Knowledge,
  hasher: Hasher,
): Result<Action, ShellFault> {
  const { command, cwd, home, workspace, user, variables, dialect } = submission;
  const normalize = (text: string) =>
    normalizeCommandLine({ commandLine: text, dialect, cwd, home, variables });
  const given =
    'line' in command
      ? normalize(command.line)
      : normalizeArgv(command.argv, { dialect, cwd, home, variables });
  if (!given.ok) return given;
  const script = submission.script ?? null;
  const read = script === null ? null : normalize(script);
  if (read !== null && !read.ok) return read;
  const { commands, gaps } = read === null ? given.value : joined(given.value, read.value);
  const place: Place = { cwd, home, workspace, user };
  const inner = (text: string): readonly Command[] => {
    const result = normalize(text);
    return result.ok ? result.value.commands : [];
  };
  const effects = [...effectsOf(commands, place, knowledge, inner)];
  const text = `${'line' in command ? command.line : command.argv.join(' ')}\n${script ?? ''}`;
  if (FORK_BOMB.test(text.slice(0, 65536)))
    effects.push({
      kind: 'execute',
      object: { kind: 'code', value: 'fork bomb', known: true, many: true, labels: [] },
      command: null,
      recursive: true,
      force: false,
      reversible: 'no',
      tags: ['fork-bomb'],
    });
  const words: JsonObject = {
    ...('line' in command ? { command: command.line } : { argv: command.argv }),
    ...submission.more,
  };
  const parameters: JsonObject = script === null ? words : { ...words, script };
  return ok(
    actionOf(
      submission,
      { tool: 'shell', operation: submission.operation ?? 'run', parameters, commands, effects, gaps },
      hasher,
    ),
  );
}

/** The commands of a program start followed by those of the script it reads, numbered anew. */
function joined(first: ShellMeaning, script: ShellMeaning): ShellMeaning {
  const offset = first.commands.length;
  const moved = (index: number | null): number | null => (index === null ? null : index + offset);
  const commands = script.commands.map((c) => ({
    ...c,
    index: c.index + offset,
    pipedFrom: moved(c.pipedFrom),
    pipedTo: moved(c.pipedTo),
    origin: c.origin === 'line' ? ('script' as const) : c.origin,
    span: null,
  }));
  return { commands: [...first.commands, ...commands], gaps: [...first.gaps, ...script.gaps] };
}

/** What is known of a program text that an agent runs without a shell. */
export interface CodeSubmission extends Omit<ShellSubmission, 'command' | 'dialect' | 'variables'> {
  readonly language: string;
  readonly code: string;
}

/** Builds the Action of a program text in another language; its calls are scanned, never run. */
export function buildCodeAction(submission: CodeSubmission, knowledge: Knowledge, hasher: Hasher): Action {
  const { cwd, home, workspace, user, language, code } = submission;
  const inner = (text: string): readonly Command[] => {
    const result = normalizeCommandLine({ commandLine: text, dialect: 'sh', cwd, home, variables: {} });
    return result.ok ? result.value.commands : [];
  };
  const word = { text: language, raw: language, known: true, glob: false };
  const commands: readonly Command[] = [
    {
      index: 0,
      program: language,
      name: word,
      args: [],
      redirects: [],
      assignments: [],
      via: [],
      pipedFrom: null,
      pipedTo: null,
      origin: 'line',
      code: { language, text: code, known: true },
      cwd,
      span: null,
    },
  ];
  const effects = effectsOf(commands, { cwd, home, workspace, user }, knowledge, inner);
  const parameters: JsonObject = { language, code };
  return actionOf(
    submission,
    { tool: 'code', operation: 'run', parameters, commands, effects, gaps: [] },
    hasher,
  );
}

type Meaning = Pick<Action, 'tool' | 'operation' | 'parameters' | 'commands' | 'effects' | 'gaps'>;

function actionOf(
  submission: Omit<ShellSubmission, 'command' | 'dialect' | 'variables'>,
  meaning: Meaning,
  hasher: Hasher,
): Action {
  const { id, sessionId, at, surface, cwd, partsFollow, dependsOn, modifiedFrom } = submission;
  const { tool, operation, parameters } = meaning;
  return {
    ...meaning,
    id,
    sessionId,
    at,
    surface,
    cwd,
    digest: actionDigest({ tool, operation, parameters, cwd }, hasher),
    modifiedFrom,
    dependsOn,
    partsFollow,
  };
}

/** SHA-256 over the RFC 8785 form of what an approval is bound to. */
export function actionDigest(
  subject: Pick<Action, 'tool' | 'operation' | 'parameters' | 'cwd'>,
  hasher: Hasher,
): Digest {
  const { tool, operation, parameters, cwd } = subject;
  const text = canonicalize({ tool, operation, parameters, cwd });
  if (text === undefined) throw new Error('an action has no canonical form');
  return hasher.sha256(text);
}
