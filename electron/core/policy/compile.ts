import { err, ok, type Result } from '../result.ts';
import { type CompiledConstraint, compileConstraint } from './constraint.ts';
import { compileExpression, type Predicate } from './expression.ts';
import { isCompositionalPath } from './fact-schema.ts';
import { type PolicyFault, type PolicyFaultCode, policyFault } from './fault.ts';
import { parameterNamed, parametersOf } from './parameter.ts';
import type { PolicySet, Posture, Rule, Subject } from './rule.ts';
import { nearest } from './suggestion.ts';

/** A rule ready to be evaluated. */
export interface CompiledRule {
  readonly rule: Rule;
  readonly rank: 'forbidden' | 'compositional' | 'static';
  readonly predicate: Predicate | null;
  readonly constraints: readonly CompiledConstraint[];
}

/** Rules about one kind of subject, found by the one value that tells most of them apart. */
export interface RuleIndex {
  candidates(key: string): readonly CompiledRule[];
  readonly all: readonly CompiledRule[];
}

/** Rules by subject: actions by tool, commands by program, effects by kind. */
export type RuleIndexes = Readonly<Record<Subject, RuleIndex>>;

/** A policy set, checked and indexed; immutable, made once per armed set. */
export interface CompiledPolicy {
  readonly set: PolicySet;
  readonly forbidden: RuleIndexes;
  readonly ordinary: RuleIndexes;
  readonly rules: readonly CompiledRule[];
}

const RULE_ID = /^[a-z0-9][a-z0-9._/-]{1,79}$/;

/** The order in which rules are named when several say the same; never the order of the file. */
function byPrecedence(a: CompiledRule, b: CompiledRule): number {
  if (a.rule.priority !== b.rule.priority) return b.rule.priority - a.rule.priority;
  return a.rule.id < b.rule.id ? -1 : a.rule.id > b.rule.id ? 1 : 0;
}

function keysOf(rule: Rule): readonly string[] | undefined {
  if (rule.subject === 'action') return rule.match.tools;
  return rule.subject === 'command' ? rule.match.programs : rule.match.effects;
}

function indexRules(rules: readonly CompiledRule[]): RuleIndex {
  const keys = new Set(rules.flatMap(({ rule }) => keysOf(rule) ?? []));
  const general = rules.filter(({ rule }) => keysOf(rule) === undefined);
  const byKey = new Map(
    [...keys].map((key) => [key, rules.filter(({ rule }) => keysOf(rule)?.includes(key) ?? true)] as const),
  );
  return { candidates: (key) => byKey.get(key) ?? general, all: rules };
}

function indexBySubject(rules: readonly CompiledRule[]): RuleIndexes {
  const of = (subject: Subject): RuleIndex =>
    indexRules(rules.filter(({ rule }) => rule.subject === subject));
  return { action: of('action'), command: of('command'), effect: of('effect') };
}

function rankOf(rule: Rule, predicate: Predicate | null): CompiledRule['rank'] {
  if (rule.class === 'forbidden') return 'forbidden';
  // An allow or a rewrite never stands above the static rules: it could only weaken them from there.
  if (rule.class === 'allow' || rule.class === 'modify') return 'static';
  if (rule.rank !== undefined) return rule.rank;
  return predicate?.paths.some(isCompositionalPath) === true ? 'compositional' : 'static';
}

/** Faults of one rule that its own fields show. */
function ruleFaults(rule: Rule): readonly PolicyFault[] {
  const faults: PolicyFault[] = [];
  const refuse = (field: string, message: string, code: PolicyFaultCode = 'bad_value'): void => {
    faults.push(policyFault(code, message, { rule: rule.id, field: [field] }));
  };
  if (!RULE_ID.test(rule.id))
    refuse('id', 'a rule id is 2 to 80 of a–z, 0–9, `.`, `_`, `/`, `-`, starting with a letter or digit');
  if (!Number.isSafeInteger(rule.priority) || Math.abs(rule.priority) > 1_000_000)
    refuse('priority', 'a priority is a whole number between -1000000 and 1000000');
  if (rule.class === 'modify' && rule.modify === null)
    refuse('modify', 'a `modify` rule needs `modify`', 'missing_key');
  if (rule.class !== 'modify' && rule.modify !== null)
    refuse('modify', `only a \`modify\` rule has \`modify\`; this one is \`${rule.class}\``);
  if (rule.unlessAligned === true && rule.class !== 'deny')
    refuse('unless_aligned', `only a \`deny\` rule has \`unless_aligned\`; this one is \`${rule.class}\``);
  if (rule.parameters.length > 0 && (rule.class === 'deny' || rule.class === 'forbidden'))
    refuse(
      'parameters',
      `a \`${rule.class}\` rule denies whatever the parameters are; use \`allow\` with constraints`,
    );
  if (rule.rank === 'compositional' && (rule.class === 'allow' || rule.class === 'modify'))
    refuse('rank', `a \`${rule.class}\` rule cannot be compositional`);
  const { programs, effects, labels, tags } = rule.match;
  const asksEffects = effects !== undefined || labels !== undefined || tags !== undefined;
  // INVARIANT (no sideways allow): allowing the whole because one part of it fits would let the other parts pass.
  if (rule.class === 'allow' && rule.subject === 'action' && (programs !== undefined || asksEffects))
    refuse('subject', 'an `allow` rule that names programs or effects is about a command or an effect');
  if (rule.class === 'allow' && rule.subject === 'command' && asksEffects)
    refuse('subject', 'an `allow` rule that names effects is about an effect');
  if (rule.subject === 'action' && rule.class === 'modify')
    refuse('subject', 'a `modify` rule is about a command or an effect');
  return faults;
}

/** What a rule reads of parameters that none of the tools it names ever has: it would never match, and nobody would know. */
function parameterFaults(rule: Rule, predicate: Predicate | null): readonly PolicyFault[] {
  const { tools } = rule.match;
  const known = tools === undefined ? null : parametersOf(tools);
  if (tools === undefined || known === null) return [];
  const faults: PolicyFault[] = [];
  const look = (name: string | null, field: readonly (string | number)[]): void => {
    if (name === null || known.includes(name)) return;
    const message = `${tools.map((tool) => `\`${tool}\``).join(' and ')} never has a parameter \`${name}\`; there are ${known.join(', ')}`;
    faults.push(
      policyFault('bad_value', message, { rule: rule.id, field, suggestion: nearest(name, known) }),
    );
  };
  for (const name of new Set((predicate?.paths ?? []).map(parameterNamed))) look(name, ['when']);
  rule.parameters.forEach(({ path }, index) => {
    look(path.split('.')[0] ?? null, ['parameters', index, 'path']);
  });
  return faults;
}

/** Checks one rule and makes it ready; all of its faults at once. */
export function compileRule(rule: Rule): Result<CompiledRule, readonly PolicyFault[]> {
  const faults = [...ruleFaults(rule)];
  const predicate = rule.when === null ? null : compileExpression(rule.when, rule.subject, rule.match.tools);
  if (predicate !== null && !predicate.ok) {
    const { message, at, suggestion } = predicate.error;
    faults.push(policyFault('expression', message, { rule: rule.id, field: ['when'], at, suggestion }));
  }
  const constraints: CompiledConstraint[] = [];
  rule.parameters.forEach((constraint, index) => {
    const compiled = compileConstraint(constraint, { rule: rule.id, field: ['parameters', index] });
    if (compiled.ok) constraints.push(compiled.value);
    else faults.push(...compiled.error);
  });
  faults.push(...parameterFaults(rule, predicate?.ok === true ? predicate.value : null));
  if (faults.length > 0) return err(faults);
  const checked = predicate?.ok === true ? predicate.value : null;
  return ok({ rule, predicate: checked, constraints, rank: rankOf(rule, checked) });
}

/** Faults of a posture. */
export function postureFaults(posture: Posture): readonly PolicyFault[] {
  const { minimumConfidence } = posture;
  if (minimumConfidence >= 0 && minimumConfidence <= 1) return [];
  return [policyFault('posture', 'a confidence lies between 0 and 1', { field: ['minimum_confidence'] })];
}

/**
 * Checks a whole set and indexes it; any fault refuses all of it, so that no rule is ever missing silently.
 */
export function compile(set: PolicySet): Result<CompiledPolicy, readonly PolicyFault[]> {
  const faults: PolicyFault[] = [...postureFaults(set.posture)];
  const seen = new Map<string, Rule>();
  const rules: CompiledRule[] = [];
  for (const rule of set.rules) {
    const before = seen.get(rule.id);
    if (before !== undefined) {
      faults.push(
        policyFault('duplicate_rule', `rule \`${rule.id}\` is already defined at ${before.source}`, {
          rule: rule.id,
          field: ['id'],
        }),
      );
    }
    seen.set(rule.id, rule);
    const compiled = compileRule(rule);
    if (compiled.ok) rules.push(compiled.value);
    else faults.push(...compiled.error);
  }
  if (faults.length > 0) return err(faults);
  const ordered = rules.sort(byPrecedence);
  return ok({
    set,
    rules: ordered,
    forbidden: indexBySubject(ordered.filter(({ rank }) => rank === 'forbidden')),
    ordinary: indexBySubject(ordered.filter(({ rank }) => rank !== 'forbidden')),
  });
}
