import { compileExpression, type Predicate } from './expression.ts';
import { MAX_STEPS, type Scope } from './expression-tree.ts';
import type { FactRoot } from './fact-schema.ts';
import { unknownAt, type Value } from './fact-value.ts';
import type { FactView } from './fact-view.ts';
import type { Rule } from './rule.ts';

/**
 * What can be said of a rule before anything happens: asked of its compiled predicate, never of its text. Everything here errs towards "it
 * may speak".
 */

/** What an action that sends nothing has in these facts (core/data/carried.ts); all else is unknown here. */
const NOTHING_SENT: Readonly<Record<string, Value>> = {
  data: { payload: null, flows: [], flow_level: null, flow_matches: 0, placeholder: null },
  destination: { host: null, port: null, category: null, first_seen: false, accepts: null, labels: [] },
};
const CONTEXT =
  /^(?:history|data|request|alignment|environment|destination|identity)\b|^session\.(?:action_count|age_ms|velocity)\b/;

interface Reading {
  /** Null when it cannot be compiled: then it may read anything. */
  readonly predicate: Predicate | null;
  readonly onlyCarried: boolean;
}

const readings = new WeakMap<Rule, Reading>();

/** True for a rule that says nothing of what sends nothing, whatever else is true: a change of a file carries nothing anywhere. */
export function isAboutCarried(rule: Rule): boolean {
  return rule.when !== null && readingOf(rule).onlyCarried;
}

/** True when a rule looks at more than the action: at what happened before, at whom it is for, at what surrounds it. */
export function readsContext(rule: Rule): boolean {
  if (rule.when === null) return false;
  const { predicate } = readingOf(rule);
  return predicate === null || predicate.paths.some((path) => CONTEXT.test(path));
}

/** The facts that a rule may read; null when that is not certain. */
export function factsRead(rule: Rule): readonly string[] | null {
  return rule.when === null ? [] : (readingOf(rule).predicate?.paths ?? null);
}

function readingOf(rule: Rule): Reading {
  const before = readings.get(rule);
  if (before !== undefined) return before;
  const compiled =
    rule.when === null ? null : compileExpression(rule.when, rule.subject, rule.match.tools ?? []);
  const predicate = compiled?.ok === true ? compiled.value : null;
  const reading = { predicate, onlyCarried: predicate !== null && isFalseWhenNothingIsSent(predicate) };
  readings.set(rule, reading);
  return reading;
}

/** Three-valued: false here is false for every action that sends nothing, whatever the facts that are unknown here turn out to be. */
function isFalseWhenNothingIsSent(predicate: Predicate): boolean {
  const nothing = (name: FactRoot): Value => NOTHING_SENT[name] ?? unknownAt(name);
  const view: Pick<FactView, 'root'> = { root: nothing };
  const scope: Scope = {
    // Only roots are read from it: what is below an unknown one is unknown before anything else is looked at.
    view: view as FactView,
    command: unknownAt('command'),
    effect: unknownAt('effect'),
    around: { cwd: null, cwdPath: 'action.cwd', home: '/' },
    variables: [],
    steps: MAX_STEPS,
    trace: null,
  };
  return predicate.run(scope) === false;
}
