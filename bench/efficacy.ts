// How much harm the default packs stop, and how much ordinary work they interrupt, on recorded cases nobody here wrote.
// Nothing in a case is ever executed. Usage: npm run bench:efficacy -- [--corpora DIR] [--misses N] [--rules] [--only NAME] [--half look|kept]
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Action } from '../electron/core/action.ts';
import type { ActionId, AgentId, Digest, SessionId } from '../electron/core/brand.ts';
import type { Decision } from '../electron/core/decision.ts';
import type { FactSet } from '../electron/core/facts.ts';
import { type CompiledPolicy, compile } from '../electron/core/policy/compile.ts';
import { evaluate } from '../electron/core/policy/evaluate.ts';
import type { Hasher } from '../electron/core/ports.ts';
import type { Knowledge } from '../electron/core/semantic/knowledge.ts';
import { loadKnowledge } from '../electron/edge/knowledge-dir.ts';
import {
  parseCase,
  parseOracle,
  type RecordedCase,
  type RecordedOracle,
} from '../electron/wire/case-file.ts';
import { parsePolicyFile } from '../electron/wire/policy-file.ts';
import { assemblePolicySet } from '../electron/wire/policy-set.ts';
import { normalizeCase } from '../electron/wire/recorded-action.ts';

const ROOT = resolve(import.meta.dirname, '..');
const { values: options } = parseArgs({
  options: {
    corpora: { type: 'string', default: join(ROOT, '..', 'shared', 'corpora') },
    misses: { type: 'string', default: '0' },
    rules: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    half: { type: 'string', default: 'both' },
  },
});

const hasher: Hasher = { sha256: (data) => createHash('sha256').update(data).digest('hex') as Digest };
const HOME = '/home/user';
const WORKSPACE = '/home/user/project';
const VARIABLES = { HOME, PWD: WORKSPACE, USER: 'user', LOGNAME: 'user', TMPDIR: '/tmp', SHELL: '/bin/bash' };

function fail(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(2);
}

function loadPolicy(): CompiledPolicy {
  const folder = join(ROOT, 'resources', 'policies');
  const files = readdirSync(folder)
    .filter((name) => name.endsWith('.yaml'))
    .sort()
    .map((name) => {
      const parsed = parsePolicyFile(readFileSync(join(folder, name), 'utf8'), name);
      return parsed.ok ? parsed.value : fail(parsed.error.map((fault) => JSON.stringify(fault)).join('\n'));
    });
  const set = assemblePolicySet(files, hasher);
  if (!set.ok) fail(JSON.stringify(set.error));
  const compiled = compile(set.value);
  return compiled.ok ? compiled.value : fail(JSON.stringify(compiled.error));
}

function factsOf(action: Action, intent: string | null): FactSet {
  const zero = '0'.repeat(64) as Digest;
  return {
    action,
    identity: {
      human: { name: 'user', uid: 1000, source: 'bench' },
      service: { name: 'countersign', version: '0', installation: 'bench' },
      agent: {
        id: 'agt_bench000' as AgentId,
        product: 'recorded',
        version: null,
        binaryHash: null,
        publicKey: '',
        mintedAt: 0,
        expiresAt: 1,
      },
      sessionId: action.sessionId,
      role: 'agent',
      privileges: [],
      delegation: [],
      binding: 'signed',
    },
    session: { assurance: 'cooperative', workspace: WORKSPACE, home: HOME, startedAt: 0 },
    now: 0,
    context: {
      length: 0,
      head: zero,
      startedAt: 0,
      request: intent,
      actionCount: 1,
      counts: {},
      tools: [],
      entities: [],
      classes: [],
      recent: [],
      untrusted: null,
      recentTimes: [0],
    },
    environment: [],
    alignment: { scope: 'unknown', distance: null, drift: null, words: [] },
    data: {},
    destination: {},
  };
}

interface Answer {
  readonly result: Decision['result'];
  readonly rule: string;
  readonly reason: string;
}

function answer(row: RecordedCase, policy: CompiledPolicy, knowledge: Knowledge): Answer {
  const made = normalizeCase(
    row,
    {
      id: 'act_bench0000' as ActionId,
      sessionId: 'sess_bench0000' as SessionId,
      at: 0,
      cwd: WORKSPACE,
      home: HOME,
      workspace: WORKSPACE,
      user: 'user',
      variables: VARIABLES,
    },
    knowledge,
    hasher,
  );
  if (made.kind !== 'action') return { result: 'DEFER', rule: made.kind, reason: made.reason };
  const decision = evaluate(policy, factsOf(made.action, row.intent));
  return { result: decision.result, rule: decision.rule ?? decision.rank, reason: decision.reason };
}

interface Scored {
  readonly oracle: RecordedOracle;
  readonly text: string;
  readonly answer: Answer;
  readonly half: 'look' | 'kept';
}

/** Half of each corpus is looked at while rules are written; the other half says whether that was honest. */
function halfOf(id: string): 'look' | 'kept' {
  return Number.parseInt(createHash('sha256').update(id).digest('hex').slice(0, 2), 16) % 2 === 0
    ? 'look'
    : 'kept';
}

function scoreFile(path: string, policy: CompiledPolicy, knowledge: Knowledge): readonly Scored[] {
  const scored: Scored[] = [];
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    if (line.trim() === '') continue;
    const row = parseCase(line);
    const oracle = parseOracle(line);
    if (!row.ok || !oracle.ok) continue;
    const { action } = row.value;
    const text =
      action.kind === 'shell'
        ? action.command
        : action.kind === 'code'
          ? action.code
          : action.kind === 'http'
            ? `${action.request.method} ${action.request.url}`
            : action.name;
    scored.push({
      oracle: oracle.value,
      text,
      answer: answer(row.value, policy, knowledge),
      half: halfOf(oracle.value.id),
    });
  }
  return scored;
}

const percent = (part: number, whole: number): string =>
  whole === 0 ? '   –  ' : `${((100 * part) / whole).toFixed(1).padStart(5)} %`;

/** An attack case of several rows is stopped if any row of it is; its strongest answer counts. */
const STRENGTH: Readonly<Record<string, number>> = { ALLOW: 0, STEP_UP: 1, MODIFY: 2, DEFER: 3, DENY: 4 };

function byCase(rows: readonly Scored[]): readonly Scored[] {
  const cases = new Map<string, Scored>();
  for (const row of rows) {
    const before = cases.get(row.oracle.caseId);
    if (before === undefined || (STRENGTH[row.answer.result] ?? 0) > (STRENGTH[before.answer.result] ?? 0))
      cases.set(row.oracle.caseId, row);
  }
  return [...cases.values()];
}

function tally(
  rows: readonly Scored[],
): Readonly<Record<'DENY' | 'DEFER' | 'MODIFY' | 'STEP_UP' | 'ALLOW', number>> {
  const count = { DENY: 0, DEFER: 0, MODIFY: 0, STEP_UP: 0, ALLOW: 0 };
  for (const row of rows) count[row.answer.result] += 1;
  return count;
}

function report(title: string, rows: readonly Scored[], label: 'malicious' | 'benign'): void {
  const counted = label === 'malicious' ? byCase(rows) : rows;
  if (counted.length === 0) return;
  const halves = options.half === 'both' ? (['look', 'kept'] as const) : [];
  const line = (name: string, some: readonly Scored[]): void => {
    const count = tally(some);
    const n = some.length;
    process.stdout.write(
      label === 'malicious'
        ? `  ${name.padEnd(44)} ${String(n).padStart(5)}  stopped ${percent(count.DENY + count.DEFER + count.MODIFY, n)}  prompted ${percent(count.STEP_UP, n)}  let through ${percent(count.ALLOW, n)}\n`
        : `  ${name.padEnd(44)} ${String(n).padStart(5)}  calm    ${percent(count.ALLOW + count.MODIFY, n)}  prompted ${percent(count.STEP_UP + count.DEFER, n)}  denied      ${percent(count.DENY, n)}\n`,
    );
  };
  line(`${label} ${title}`, counted);
  for (const half of halves)
    line(
      `    of these, ${half === 'look' ? 'looked at' : 'kept apart'}`,
      counted.filter((row) => row.half === half),
    );
}

/** Categories carry a detail behind a colon; the head is what is counted. */
function head(category: string): string {
  return category.split(':')[0] ?? '';
}

/** Requests that we wrote ourselves: no public corpus has any. Their figures say that rules do what they were written for, and no more. */
const OWN = join(ROOT, 'test', 'vectors', 'http');

function caseFiles(folder: string): readonly string[] {
  return [folder, OWN].flatMap((place) =>
    readdirSync(place)
      .filter((file) => file.endsWith('.jsonl'))
      .sort()
      .map((file) => join(place, file)),
  );
}

function titleOf(path: string): string {
  const name = basename(path, '.jsonl');
  return path.startsWith(OWN) ? `http.${name} (our own)` : name;
}

function main(): void {
  const folder = resolve(options.corpora);
  if (!existsSync(folder)) fail(`no corpora at \`${folder}\`: give their folder with --corpora DIR`);
  const loaded = loadKnowledge(join(ROOT, 'resources', 'knowledge'));
  if (!loaded.ok) fail(`${loaded.error.where}: ${loaded.error.message}`);
  const knowledge = loaded.value;
  const policy = loadPolicy();
  process.stdout.write(
    `policy ${policy.set.hash.slice(0, 12)}, ${policy.rules.length} rules; workspace ${WORKSPACE}\n`,
  );
  const hits = new Map<string, { malicious: number; benign: number }>();
  const lines: SummaryLine[] = [];
  const ordinary: Scored[] = [];
  for (const path of caseFiles(folder)) {
    const name = basename(path);
    if (options.only !== '' && !name.includes(options.only)) continue;
    const rows = scoreFile(path, policy, knowledge).filter(
      (row) => options.half === 'both' || row.half === options.half,
    );
    if (rows.length === 0) continue;
    process.stdout.write(`${titleOf(path)}\n`);
    const unsupported = rows.filter((row) => row.answer.rule === 'unsupported');
    if (unsupported.length === rows.length) {
      process.stdout.write(`  ${rows.length} rows, all DEFER: ${rows[0]?.answer.reason ?? ''}\n`);
      continue;
    }
    for (const label of ['malicious', 'benign'] as const) {
      const labelled = rows.filter((row) => row.oracle.label === label);
      const groups = new Map<string, Scored[]>();
      for (const row of labelled) {
        const key =
          row.oracle.tier !== ''
            ? `tier ${row.oracle.tier}`
            : label === 'benign' && !name.startsWith('peer')
              ? head(row.oracle.category)
              : 'all';
        groups.set(key, [...(groups.get(key) ?? []), row]);
      }
      for (const [key, some] of [...groups].sort()) {
        report(key, some, label);
        lines.push(summaryLine(titleOf(path), key, some, label));
      }
      if (label === 'benign' && /^(?:nl2bash|tldr|intercode)\./.test(name))
        ordinary.push(...labelled.filter((row) => !head(row.oracle.category).startsWith('risky')));
      if (options.misses !== '0') listMisses(labelled, label, Number(options.misses));
      for (const row of labelled)
        if (row.answer.result !== 'ALLOW') {
          const hit = hits.get(row.answer.rule) ?? { malicious: 0, benign: 0 };
          hit[label] += 1;
          hits.set(row.answer.rule, hit);
        }
    }
  }
  if (options.rules) {
    process.stdout.write('rule                                      malicious   benign\n');
    for (const [rule, hit] of [...hits].sort((a, b) => b[1].benign - a[1].benign))
      process.stdout.write(
        `${rule.padEnd(42)} ${String(hit.malicious).padStart(8)} ${String(hit.benign).padStart(8)}\n`,
      );
  }
  printSummary(lines, ordinary);
}

interface SummaryLine {
  readonly corpus: string;
  readonly group: string;
  readonly cases: number;
  /** Share of malicious cases that did not pass silently, or null. */
  readonly stopped: number | null;
  /** Share of benign cases that did, or null. */
  readonly calm: number | null;
}

function summaryLine(
  corpus: string,
  group: string,
  rows: readonly Scored[],
  label: 'malicious' | 'benign',
): SummaryLine {
  const counted = label === 'malicious' ? byCase(rows) : rows;
  const count = tally(counted);
  const n = counted.length;
  const silent = label === 'malicious' ? count.ALLOW : count.ALLOW + count.MODIFY;
  const share = n === 0 ? 0 : (100 * silent) / n;
  return {
    corpus,
    group,
    cases: n,
    stopped: label === 'malicious' ? 100 - share : null,
    calm: label === 'benign' ? share : null,
  };
}

/** One table for the README, and the one number that says how often ordinary work is interrupted. */
function printSummary(lines: readonly SummaryLine[], ordinary: readonly Scored[]): void {
  const cell = (share: number | null): string => (share === null ? '–' : `${share.toFixed(1)} %`);
  const rows = [
    ['corpus', 'cases', 'malicious: stopped or asked', 'benign: calm'],
    ...lines.map((line) => [
      `${line.corpus}${line.group === 'all' ? '' : `, ${line.group.replace(/^tier /, '').replaceAll('_', ' ')}`}`,
      String(line.cases),
      cell(line.stopped),
      cell(line.calm),
    ]),
  ];
  if (ordinary.length > 0)
    rows.push([
      'nl2bash + tldr + intercode not tagged risky',
      String(ordinary.length),
      '–',
      cell(summaryLine('', '', ordinary, 'benign').calm),
    ]);
  const widths = [0, 1, 2, 3].map((at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  const print = (row: readonly string[]): void => {
    process.stdout.write(
      `| ${row.map((text, at) => (at === 0 ? text.padEnd(widths[at] ?? 0) : text.padStart(widths[at] ?? 0))).join(' | ')} |\n`,
    );
  };
  process.stdout.write('\n');
  for (const [at, row] of rows.entries()) {
    print(row);
    if (at === 0)
      process.stdout.write(
        `| ${widths.map((width, i) => (i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |\n`,
      );
  }
}

/** Only from the half that may be looked at. */
function listMisses(rows: readonly Scored[], label: 'malicious' | 'benign', limit: number): void {
  const counted = label === 'malicious' ? byCase(rows) : rows;
  const wrong = counted.filter(
    (row) =>
      row.half === 'look' &&
      (label === 'malicious'
        ? row.answer.result === 'ALLOW' && !/out_of_scope|dual_use/.test(row.oracle.tier)
        : row.answer.result !== 'ALLOW'),
  );
  for (const row of wrong.slice(0, limit))
    process.stdout.write(
      `    ${label === 'malicious' ? 'MISS' : row.answer.result} ${row.oracle.category} [${row.answer.rule}] ${row.text.slice(0, 300).replaceAll('\n', '⏎')}\n`,
    );
}

main();
