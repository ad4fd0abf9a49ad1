import type { Json, JsonObject } from '../core/brand.ts';
import type { FactRead, MissingFact, RankVerdict } from '../core/decision.ts';
import type { BacktestReport } from '../core/policy/backtest.ts';
import type { Explanation, RuleExplanation } from '../core/policy/explain.ts';
import type { PolicyFault } from '../core/policy/fault.ts';
import { visibleLine } from './terminal-text.ts';

/** Longest value of a fact shown on a line. */
const SHOWN = 120;

function shownValue(value: Json): string {
  const text = visibleLine(JSON.stringify(value));
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
}

/** `file:line:column: message`, as editors and compilers write it, with what was probably meant. */
export function faultLine(fault: PolicyFault): string {
  const { place, rule, suggestion } = fault;
  const at = place === null ? '' : `${visibleLine(place.file)}:${place.line}:${place.column}: `;
  const of = rule === null || fault.message.includes(`\`${rule}\``) ? '' : ` (rule \`${visibleLine(rule)}\`)`;
  const meant = suggestion === null ? '' : `; did you mean \`${visibleLine(suggestion)}\`?`;
  return `${at}${visibleLine(fault.message)}${of}${meant}`;
}

/** The lines of `policy check` for a refused set: each fault, then the count and what stays armed. */
export function checkLines(faults: readonly PolicyFault[]): readonly string[] {
  if (faults.length === 0) return ['the policy set is in order'];
  const count = faults.length === 1 ? '1 fault' : `${faults.length} faults`;
  return [...faults.map(faultLine), '', `${count}; the whole set is refused, the last good one stays armed`];
}

/** Faults as JSON, one object each (`policy check --json`). */
export function checkJson(faults: readonly PolicyFault[]): JsonObject {
  return {
    ok: faults.length === 0,
    faults: faults.map((fault) => ({
      code: fault.code,
      message: fault.message,
      rule: fault.rule,
      file: fault.place?.file ?? null,
      line: fault.place?.line ?? null,
      column: fault.place?.column ?? null,
      suggestion: fault.suggestion,
    })),
  };
}

const pad = (text: string, width: number): string => text.padEnd(width);

function rankLine({ rank, result, rules, reason }: RankVerdict, decided: boolean): string {
  const by = rules.length === 0 ? '' : ` [${rules.join(', ')}]`;
  return `${decided ? '→' : ' '} ${pad(rank, 14)} ${pad(result === 'silent' ? '–' : result, 8)}${by} ${visibleLine(reason)}`;
}

function ruleLine(rule: RuleExplanation): string {
  const detail = rule.detail === '' ? '' : `: ${visibleLine(rule.detail)}`;
  const said = rule.state.replace('_', ' ');
  return `  ${pad(said, 12)} ${pad(rule.subject, 12)} ${rule.rule} (${rule.class}, priority ${rule.priority}, ${visibleLine(rule.source)})${detail}`;
}

function factLine({ path, state, value }: FactRead): string {
  const said = state === 'known' ? shownValue(value) : state.replace('_', ' ');
  return `  ${pad(path, 28)} ${said}`;
}

const missingText = ({ path, resolvers }: MissingFact): string => `${path} (${resolvers.join(', ')})`;

/** The lines of `policy explain`: the decision, each rank's verdict, each candidate rule, each fact read. */
export function explanationLines({ decision, rules, facts }: Explanation): readonly string[] {
  const by = decision.rule === null ? '' : ` by rule \`${decision.rule}\``;
  const spoke = rules.filter((rule) => rule.state !== 'not_matched');
  const silent = rules.filter((rule) => rule.state === 'not_matched');
  return [
    `${decision.result} at rank ${decision.rank}${by}`,
    `  ${visibleLine(decision.reason)}`,
    ...(decision.instead === null ? [] : [`  instead: ${visibleLine(decision.instead)}`]),
    ...(decision.missing.length === 0 ? [] : [`  missing: ${decision.missing.map(missingText).join('; ')}`]),
    `  risk ${decision.risk}, confidence ${decision.confidence}, policy ${visibleLine(decision.policy.version)} ${decision.policy.hash.slice(0, 12)}`,
    '',
    'ranks, in order',
    ...decision.ranks.map((verdict) => rankLine(verdict, verdict.rank === decision.rank)),
    '',
    `candidate rules: ${spoke.length} of ${rules.length} spoke`,
    ...spoke.map(ruleLine),
    ...(silent.length > MAX_SILENT
      ? [`  and ${silent.length} did not match (--json names them)`]
      : silent.map(ruleLine)),
    '',
    'facts read',
    ...(facts.length === 0 ? ['  none'] : facts.map(factLine)),
  ];
}

/** More rules than this that had nothing to say only hide those that had. */
const MAX_SILENT = 5;

/** An explanation as JSON, snake_case (`policy explain --json`). */
export function explanationJson({ decision, rules, facts }: Explanation): JsonObject {
  return {
    decision: decision.result,
    rank: decision.rank,
    rule: decision.rule,
    reason: decision.reason,
    instead: decision.instead,
    risk: decision.risk,
    confidence: decision.confidence,
    policy: { version: decision.policy.version, hash: decision.policy.hash },
    commands: decision.commands,
    missing: decision.missing.map(({ path, resolvers }) => ({ path, resolvers })),
    ranks: decision.ranks.map((verdict) => ({
      rank: verdict.rank,
      result: verdict.result,
      rules: verdict.rules,
      reason: verdict.reason,
    })),
    rules: rules.map((rule) => ({
      rule: rule.rule,
      class: rule.class,
      rank: rule.rank,
      priority: rule.priority,
      subject: rule.subject,
      state: rule.state,
      detail: rule.detail,
      source: rule.source,
    })),
    facts: facts.map(({ path, state, value }) => ({ path, state, value })),
  };
}

/** The lines of `policy backtest`: how many would change and how, then each change. */
export function backtestLines(report: BacktestReport): readonly string[] {
  const { total, unchanged, transitions, changes } = report;
  const counts = Object.entries(transitions)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([arrow, count]) => `  ${pad(arrow, 20)} ${count}`);
  return [
    `${total} recorded actions: ${unchanged} unchanged, ${changes.length} would be decided otherwise`,
    ...counts,
    ...changes.map(
      ({ actionId, before, after, direction }) =>
        `${actionId} ${before.result} → ${after.result} (${direction}; ${before.rule ?? before.rank} → ${after.rule ?? after.rank}) ${visibleLine(after.reason)}`,
    ),
  ];
}

/** A backtest as JSON (`policy backtest --json`). */
export function backtestJson(report: BacktestReport): JsonObject {
  return {
    total: report.total,
    unchanged: report.unchanged,
    transitions: report.transitions,
    changes: report.changes.map((change) => ({
      index: change.index,
      action: change.actionId,
      direction: change.direction,
      before: { ...change.before },
      after: { ...change.after },
    })),
  };
}
