import { createReadStream, readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Result5 } from '../../electron/core/decision.ts';
import type { CompiledPolicy } from '../../electron/core/policy/compile.ts';
import { evaluate } from '../../electron/core/policy/evaluate.ts';
import { err, ok, type Result } from '../../electron/core/result.ts';
import type { Knowledge } from '../../electron/core/semantic/knowledge.ts';
import { nodeHasher } from '../../electron/edge/hasher.ts';
import { parseCase, type RecordedCase } from '../../electron/wire/case-file.ts';
import { type CasePlace, normalizeCase } from '../../electron/wire/recorded-action.ts';
import { visibleJson, visibleLine } from '../../electron/wire/terminal-text.ts';
import { complain, printOut, readWords, showHelp, wrongUse } from './command-words.ts';
import { EXIT } from './exit-codes.ts';
import { firstFacts, NO_ACTION, NO_SESSION } from './policy-facts.ts';
import { loadJudgement } from './policy-source.ts';

const HELP = `countersign policy test --cases FILE.jsonl — judges recorded actions; executes nothing

  countersign policy test --cases cases.jsonl                     for people, with a count at the end
  countersign policy test --cases cases.jsonl --json              {"id","decision","rule","reason"}, one line a case, in order
  countersign policy test --cases - --policy ./packs --json < cases.jsonl
  countersign policy test --cases c.jsonl --tools tools.json --json

A kind of action that this build does not evaluate is answered DEFER and says so, never ALLOW. Labels in a case are not read.
Exit codes: 0 every case was answered, 1 the set is refused, 2 wrong use or a malformed line (which is named), 4 no such file.`;

/** Cases do not say where they happen: in the project of an ordinary user, of whom nothing else is known. */
const HOME = '/home/user';
const WORKSPACE = '/home/user/project';
const PLACE: CasePlace = {
  id: NO_ACTION,
  sessionId: NO_SESSION,
  at: 0,
  cwd: WORKSPACE,
  home: HOME,
  workspace: WORKSPACE,
  user: 'user',
  variables: { HOME, PWD: WORKSPACE, USER: 'user', LOGNAME: 'user', TMPDIR: '/tmp', SHELL: '/bin/bash' },
};

interface CaseAnswer {
  readonly id: string;
  readonly decision: Result5;
  readonly rule: string | null;
  readonly reason: string;
}

/** Runs `countersign policy test`; returns the exit code. */
export async function testCases(argv: readonly string[]): Promise<number> {
  const words = readWords(argv, {
    cases: { type: 'string' },
    tools: { type: 'string' },
    policy: { type: 'string', multiple: true },
  });
  if (!words.ok) return wrongUse('policy test', words.error);
  const { values, positionals } = words.value;
  if (values.help) return showHelp(HELP);
  if (positionals[0] !== undefined)
    return wrongUse(
      'policy test',
      `unexpected \`${positionals[0].slice(0, 80)}\`; the file is given with \`--cases\``,
    );
  if (values.cases === undefined) return wrongUse('policy test', 'say which cases: `--cases FILE.jsonl`');
  if (values.cases !== '-' && statSync(values.cases, { throwIfNoEntry: false }) === undefined)
    return complain(`there is no file \`${visibleLine(values.cases)}\``, EXIT.unreadable);
  const tools = values.tools === undefined ? null : toolsFault(values.tools);
  if (tools !== null) return complain(tools, EXIT.usage);
  const judgement = await loadJudgement((values.policy ?? []).map((path) => resolve(path)));
  if (judgement === null) return EXIT.refused;
  const counts: Record<string, number> = {};
  const lines = linesOf(values.cases);
  for await (const { number, text } of lines) {
    const row = text.ok ? parseCase(text.value) : null;
    if (!text.ok || row === null || !row.ok) {
      const why = text.ok ? (row?.ok === false ? row.error.message : 'unreadable') : text.error;
      return complain(
        `${visibleLine(values.cases)}:${number}: ${visibleLine(why)}; what comes after is not judged`,
        EXIT.usage,
      );
    }
    const answer = answerOf(row.value, judgement.policy, judgement.knowledge);
    counts[answer.decision] = (counts[answer.decision] ?? 0) + 1;
    await printOut(values.json ? `${visibleJson(answer)}\n` : `${answerLine(answer)}\n`);
  }
  if (!values.json)
    await printOut(
      `\n${
        Object.entries(counts)
          .map(([decision, count]) => `${decision} ${count}`)
          .join(' · ') || 'no cases'
      }\n`,
    );
  return EXIT.done;
}

function answerOf(row: RecordedCase, policy: CompiledPolicy, knowledge: Knowledge): CaseAnswer {
  const made = normalizeCase(row, PLACE, knowledge, nodeHasher);
  if (made.kind !== 'action') return { id: row.id, decision: 'DEFER', rule: null, reason: made.reason };
  const facts = firstFacts(made.action, {
    intent: row.intent,
    workspace: WORKSPACE,
    home: HOME,
    user: 'user',
    uid: 1000,
    at: 0,
    environment: [],
  });
  const { result, rule, reason } = evaluate(policy, facts);
  return { id: row.id, decision: result, rule, reason };
}

function answerLine({ id, decision, rule, reason }: CaseAnswer): string {
  return `${decision.padEnd(8)} ${visibleLine(id)}  ${rule === null ? '' : `[${rule}] `}${visibleLine(reason)}`;
}

/** What is wrong with a file of tool definitions; null when nothing is. No kind that is evaluated yet reads them. */
function toolsFault(path: string): string | null {
  try {
    const parsed: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return typeof parsed === 'object' && parsed !== null
      ? null
      : `\`${visibleLine(path)}\` holds no tool definitions`;
  } catch (cause) {
    const why =
      cause instanceof SyntaxError ? cause.message : ((cause as NodeJS.ErrnoException).code ?? 'error');
    return `the tool definitions in \`${visibleLine(path)}\` cannot be read: ${visibleLine(why)}`;
  }
}

/** A case beyond this is refused unread, so that a file without line ends does not fill the memory. */
const MAX_LINE_BYTES = 8 << 20;

interface CaseLine {
  readonly number: number;
  readonly text: Result<string, string>;
}

/** The lines of a file or of standard input that are not blank, as they arrive; nothing after one that cannot be read. */
async function* linesOf(path: string): AsyncGenerator<CaseLine> {
  const source = path === '-' ? process.stdin : createReadStream(path);
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const textOf = (bytes: Buffer): Result<string, string> => {
    try {
      return ok(decoder.decode(bytes));
    } catch {
      return err('not UTF-8');
    }
  };
  let number = 0;
  let rest: Buffer[] = [];
  let held = 0;
  try {
    for await (const chunk of source) {
      const bytes = chunk as Buffer;
      let from = 0;
      for (let end = bytes.indexOf(10); end !== -1; end = bytes.indexOf(10, from)) {
        const text = textOf(Buffer.concat([...rest, bytes.subarray(from, end)]));
        rest = [];
        held = 0;
        from = end + 1;
        number += 1;
        if (!text.ok || text.value.trim() !== '') yield { number, text };
      }
      if (from < bytes.length) {
        rest.push(bytes.subarray(from));
        held += bytes.length - from;
      }
      if (held > MAX_LINE_BYTES)
        return yield { number: number + 1, text: err('the line is longer than 8 MiB') };
    }
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === undefined) throw cause;
    return yield { number: number + 1, text: err(`cannot be read (${code})`) };
  }
  const text = textOf(Buffer.concat(rest));
  if (!text.ok || text.value.trim() !== '') yield { number: number + 1, text };
}
