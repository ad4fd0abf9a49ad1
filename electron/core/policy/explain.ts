import type { RuleId } from '../brand.ts';
import type { Decision, FactRead } from '../decision.ts';
import type { FactSet } from '../facts.ts';
import type { CompiledPolicy, CompiledRule } from './compile.ts';
import { evaluateWith } from './evaluate.ts';
import {
  type Fault,
  isAbsent,
  isFault,
  isUnknown,
  type Unknown,
  type Value,
  valueToJson,
} from './fact-value.ts';
import { subjectName } from './finding.ts';
import type { SubjectRef } from './match.ts';
import type { RuleClass } from './rule.ts';

/** What one candidate rule said of one subject (`action`, `commands[0]`, `effects[2]`). */
export interface RuleExplanation {
  readonly rule: RuleId;
  readonly class: RuleClass;
  readonly rank: CompiledRule['rank'];
  readonly priority: number;
  readonly subject: string;
  readonly state: 'matched' | 'not_matched' | 'unknown' | 'error';
  /** The facts that were unknown, or the error; empty otherwise. */
  readonly detail: string;
  readonly source: string;
}

/** A decision with everything that led to it (R3.i). */
export interface Explanation {
  readonly decision: Decision;
  readonly rules: readonly RuleExplanation[];
  readonly facts: readonly FactRead[];
}

type State = 'matched' | 'not_matched' | Unknown | Fault;

function ruleExplanation(compiled: CompiledRule, subject: SubjectRef, state: State): RuleExplanation {
  const { rule, rank } = compiled;
  const said =
    typeof state === 'string'
      ? { state, detail: '' }
      : isFault(state)
        ? ({ state: 'error', detail: state.message } as const)
        : ({ state: 'unknown', detail: state.paths.join(', ') } as const);
  return {
    rule: rule.id,
    class: rule.class,
    rank,
    priority: rule.priority,
    subject: subjectName(subject),
    source: rule.source,
    ...said,
  };
}

/** `command.flags` read for the second command is `commands[1].flags`. */
function absolutePath(path: string, subject: SubjectRef): string {
  const match = /^(command|effect)(?=[.[]|$)/.exec(path);
  if (match === null || match[0] !== subject.kind) return path;
  return `${subjectName(subject)}${path.slice(match[0].length)}`;
}

function factRead(path: string, value: Value): FactRead {
  if (isAbsent(value)) return { path, state: isUnknown(value) ? 'unknown' : 'not_applicable', value: null };
  return value === null
    ? { path, state: 'not_applicable', value: null }
    : { path, state: 'known', value: valueToJson(value) };
}

/**
 * Decides like `evaluate` and tells why: each rank's verdict (in `decision.ranks`), each candidate rule with what it
 * said, each fact read and whether it was known. Slower than `evaluate`; the decision is the same.
 */
export function explain(policy: CompiledPolicy, facts: FactSet): Explanation {
  const rules: RuleExplanation[] = [];
  const reads = new Map<string, FactRead>();
  const decision = evaluateWith(policy, facts, {
    rule: (compiled, subject, state) => {
      rules.push(ruleExplanation(compiled, subject, state));
    },
    fact: (path, subject, value) => {
      const full = absolutePath(path, subject);
      if (!reads.has(full)) reads.set(full, factRead(full, value));
    },
  });
  return { decision, rules, facts: [...reads.values()].sort((a, b) => (a.path < b.path ? -1 : 1)) };
}
