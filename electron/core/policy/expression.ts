import { type ASTNode, Environment, type ParseError } from '@marcbachmann/cel-js';
import { err, ok, type Result } from '../result.ts';
import { compileNode, type ExpressionFault, ExpressionRefusal, type Run } from './expression-tree.ts';
import { FACT_ROOTS, FACT_TYPES } from './fact-schema.ts';
import type { Subject } from './rule.ts';

/** Largest predicate accepted: characters, nodes of its tree, nesting. */
export const EXPRESSION_LIMITS = { length: 4000, nodes: 500, depth: 32 } as const;

/** A predicate, checked: what it computes and every fact it may read. */
export interface Predicate {
  readonly run: Run;
  readonly paths: readonly string[];
}

/**
 * cel-js parses and type-checks; the tree is interpreted by us (expression-tree.ts), because a policy needs
 * three-valued logic without exceptions, patterns in linear time, no clock or time zone, and a bound on work. Where
 * every fact is known and nothing is null the two agree, and a test holds one against the other.
 */
const CEL = (() => {
  const environment = new Environment({
    limits: { maxAstNodes: EXPRESSION_LIMITS.nodes, maxDepth: EXPRESSION_LIMITS.depth },
  });
  for (const [name, fields] of Object.entries(FACT_TYPES)) environment.registerType(name, { fields });
  for (const [name, type] of Object.entries(FACT_ROOTS)) environment.registerVariable(name, type);
  // Declared for the type check only; operation.ts computes them.
  const declared = (): boolean => false;
  environment.registerFunction('glob(dyn, dyn): bool', declared);
  environment.registerFunction('under(dyn, dyn): bool', declared);
  environment.registerFunction('matches(dyn, string): bool', declared);
  environment.registerFunction('has_any(dyn, dyn): bool', declared);
  return environment;
})();

/** What cel-js says of a place, as one line. */
function celMessage(cause: unknown): { readonly message: string; readonly at: number } {
  if (!(cause instanceof Error)) return { message: String(cause), at: 0 };
  const { summary, range } = cause as Partial<Pick<ParseError, 'summary' | 'range'>>;
  const text = summary ?? cause.message.split('\n', 1)[0] ?? '';
  return { message: text.charAt(0).toLowerCase() + text.slice(1), at: range?.start ?? 0 };
}

function parseTree(source: string): Result<ASTNode, ExpressionFault> {
  try {
    return ok(CEL.parse(source).ast);
  } catch (cause) {
    return err({ ...celMessage(cause), suggestion: null });
  }
}

/**
 * Parses and checks a predicate for a rule about `subject`: unknown facts, fields, functions and mismatched types are
 * refused here, so that evaluation never meets them (R3.j). `tools`: those that the rule names, empty for any.
 */
export function compileExpression(
  source: string,
  subject: Subject,
  tools: readonly string[] = [],
): Result<Predicate, ExpressionFault> {
  if (source.length > EXPRESSION_LIMITS.length) {
    return err({
      message: `the predicate is longer than ${EXPRESSION_LIMITS.length} characters`,
      at: 0,
      suggestion: null,
    });
  }
  const tree = parseTree(source);
  if (!tree.ok) return tree;
  const paths = new Set<string>();
  try {
    const { run, type } = compileNode(tree.value, { subject, tools, variables: [], paths }, 'outer');
    const checked = CEL.check(source);
    if (!checked.valid) return err({ ...celMessage(checked.error), suggestion: null });
    if (checked.type !== 'bool' && checked.type !== 'dyn')
      return err({ message: `the predicate must be true or false, not ${type}`, at: 0, suggestion: null });
    return ok({ run, paths: [...paths].sort() });
  } catch (cause) {
    if (cause instanceof ExpressionRefusal) return err(cause.fault);
    throw cause;
  }
}
