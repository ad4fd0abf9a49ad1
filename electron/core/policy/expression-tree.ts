import type { ASTNode } from '@marcbachmann/cel-js';
import { FACT_ROOTS, FACT_TYPES, type FactRoot, type FactType } from './fact-schema.ts';
import {
  equalValues,
  fault,
  isAbsent,
  isFault,
  isList,
  isObject,
  joinAbsent,
  unknownAt,
  type Value,
} from './fact-value.ts';
import type { FactView } from './fact-view.ts';
import { LIST_STEPS } from './list-operation.ts';
import { FUNCTIONS, METHODS, OPERATORS, type Operation, readIndex, type Surroundings } from './operation.ts';
import { absentParameter } from './parameter.ts';
import { compilePattern } from './pattern.ts';
import type { Subject } from './rule.ts';
import { nearest } from './suggestion.ts';

/** Steps of list operations one predicate may take; past it the rule is in error, which denies. */
export const MAX_STEPS = 100_000;

/** What one evaluation of a predicate reads. Made per evaluation; nothing outlives it. */
export interface Scope {
  readonly view: FactView;
  readonly command: Value;
  readonly effect: Value;
  /** Where relative paths start from. */
  readonly around: Surroundings;
  /** Values of the variables of `exists`, `all` …, by slot. */
  readonly variables: Value[];
  steps: number;
  /** Told of each fact read; only `explain` pays for it. */
  readonly trace: ((path: string, value: Value) => void) | null;
}

export type Run = (scope: Scope) => Value;

/** Why a predicate is refused; `at` is the offset in its text. */
export interface ExpressionFault {
  readonly message: string;
  readonly at: number;
  readonly suggestion: string | null;
}

/** Leaves the tree walk at the first thing refused; caught in expression.ts and nowhere else. */
export class ExpressionRefusal extends Error {
  readonly fault: ExpressionFault;
  constructor(refused: ExpressionFault) {
    super(refused.message);
    this.fault = refused;
  }
}

/** A node, compiled: its closure, its static type, and the path of the fact it reads (null when computed). */
interface Typed {
  readonly run: Run;
  readonly type: FactType;
  readonly path: string | null;
}

interface Variable {
  readonly name: string;
  readonly type: FactType;
  readonly path: string | null;
  readonly slot: number;
}

/** What the walk knows: whose rule it is, which variables are bound here, and which facts were seen so far. */
export interface Compiling {
  readonly subject: Subject;
  /** Tools that the rule names; empty: it is about any. */
  readonly tools: readonly string[];
  readonly variables: readonly Variable[];
  readonly paths: Set<string>;
}

/** `'inner'` when the node only leads to a field that is read instead of it. */
type Reading = 'outer' | 'inner';

function refuse(node: ASTNode, message: string, suggestion: string | null = null, at = node.start): never {
  throw new ExpressionRefusal({ message, at, suggestion });
}

function elementType(type: FactType): FactType {
  return /^list<(.+)>$/.exec(type)?.[1] ?? /^map<string, (.+)>$/.exec(type)?.[1] ?? 'dyn';
}

/** Reports what is read, where somebody asks. */
function read(run: Run, type: FactType, path: string | null, reading: Reading, to: Compiling): Typed {
  if (path === null || reading === 'inner') return { run, type, path };
  to.paths.add(path);
  return {
    type,
    path,
    run: (scope) => {
      const value = run(scope);
      if (scope.trace !== null) scope.trace(path, value);
      return value;
    },
  };
}

function literal(node: ASTNode & { op: 'value' }): null | boolean | number | string {
  const value = node.args;
  if (typeof value === 'bigint') {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : refuse(node, `\`${value}\` is too large`);
  }
  if (value === null || typeof value === 'number' || typeof value === 'boolean' || typeof value === 'string')
    return value;
  return refuse(node, 'only text, numbers, `true`, `false`, `null` and lists of them can be written here');
}

const NOT_FOR_SUBJECT: Readonly<Record<Subject, readonly string[]>> = {
  action: ['command', 'effect'],
  command: ['effect'],
  effect: [],
};

function rootReader(root: FactRoot): Run {
  if (root === 'command') return (scope) => scope.command;
  if (root === 'effect') return (scope) => scope.effect;
  return (scope) => scope.view.root(root);
}

function identifier(node: ASTNode & { op: 'id' }, to: Compiling, reading: Reading): Typed {
  const name = node.args;
  const variable = to.variables.findLast((candidate) => candidate.name === name);
  if (variable !== undefined) {
    const { slot, type, path } = variable;
    return read((scope) => scope.variables[slot] ?? null, type, path, reading, to);
  }
  if (!Object.hasOwn(FACT_ROOTS, name)) {
    const known = [...Object.keys(FACT_ROOTS), ...to.variables.map((candidate) => candidate.name)];
    refuse(node, `there is no fact \`${name}\``, nearest(name, known));
  }
  if (NOT_FOR_SUBJECT[to.subject].includes(name))
    refuse(
      node,
      `\`${name}\` has no meaning in a rule whose subject is \`${to.subject}\``,
      `subject: ${name}`,
    );
  const root = name as FactRoot;
  return read(rootReader(root), FACT_ROOTS[root], root, reading, to);
}

type WhenMissing = (scope: Scope, within: Value) => Value;

/**
 * What stands for a key that is not there. A parameter that was not given is known not to be given, where that is certain (parameter.ts);
 * a counter that never counted is zero; anything else has not arrived.
 */
function whenMissing(path: string | null, key: string, to: Compiling): WhenMissing {
  const value =
    path === null ? fault('no such key') : path.startsWith('history.counts.') ? 0 : unknownAt(path);
  if (path === null || !path.startsWith('action.parameters')) return () => value;
  return (scope, within) =>
    isObject(within) ? absentParameter(path, key, within, scope.view.facts.action, to.tools) : null;
}

function member(node: ASTNode & { op: '.' }, to: Compiling, reading: Reading): Typed {
  const [receiver, key] = node.args;
  const of = compileNode(receiver, to, 'inner');
  const fields = Object.hasOwn(FACT_TYPES, of.type) ? FACT_TYPES[of.type] : undefined;
  const at = node.end - key.length;
  if (fields !== undefined && !Object.hasOwn(fields, key))
    refuse(node, `\`${of.path ?? of.type}\` has no \`${key}\``, nearest(key, Object.keys(fields)), at);
  if (/^(list<|string$|bool$)/.test(of.type))
    refuse(node, `\`${of.path ?? of.type}\` has no \`${key}\`; it is of type ${of.type}`, null, at);
  const path = of.path === null ? null : `${of.path}.${key}`;
  const missing = whenMissing(path, key, to);
  const run: Run = (scope) => {
    const object = of.run(scope);
    // A field of something not applicable is not applicable.
    if (object === null || isAbsent(object)) return object;
    if (!isObject(object)) return fault(`\`${key}\` is read from something that has no fields`);
    return Object.hasOwn(object, key) ? (object[key] ?? null) : missing(scope, object);
  };
  return read(run, fields?.[key] ?? elementType(of.type), path, reading, to);
}

function indexed(node: ASTNode & { op: '[]' }, to: Compiling, reading: Reading): Typed {
  const [receiver, indexNode] = node.args;
  const of = compileNode(receiver, to, 'inner');
  const index = compileNode(indexNode, to, 'outer');
  const written = indexNode.op === 'value' && typeof indexNode.args === 'string' ? indexNode.args : null;
  const path = of.path === null ? null : `${of.path}${written === null ? '[]' : `.${written}`}`;
  const missing = whenMissing(path, written ?? '', to);
  const run: Run = (scope) => {
    const value = of.run(scope);
    if (isAbsent(value)) return value;
    const at = index.run(scope);
    return isAbsent(at) ? at : readIndex(value, at, missing(scope, value));
  };
  return read(run, elementType(of.type), path, reading, to);
}

/** Applies an operation once its operand is there. */
function strictOne(operand: Run, apply: Operation): Run {
  return (scope) => {
    const a = operand(scope);
    return isAbsent(a) ? a : apply(a, null, scope.around);
  };
}

/** Applies an operation once both operands are there; what is absent in either is not lost. */
function strictTwo(left: Run, right: Run, apply: Operation): Run {
  return (scope) => {
    const a = left(scope);
    const b = right(scope);
    if (isAbsent(a)) return isAbsent(b) ? joinAbsent(a, b) : a;
    return isAbsent(b) ? b : apply(a, b, scope.around);
  };
}

/** INVARIANT (unknown is not false): `&&` and `||` decide past an absent operand only when the other side decides alone. */
function logical(decisive: boolean, left: Run, right: Run): Run {
  const operator = decisive ? '||' : '&&';
  return (scope) => {
    const a = left(scope);
    if (a === decisive) return decisive;
    const b = right(scope);
    if (b === decisive) return decisive;
    if (isAbsent(a)) return isAbsent(b) ? joinAbsent(a, b) : a;
    if (isAbsent(b)) return b;
    if (typeof a !== 'boolean' || typeof b !== 'boolean') return fault(`\`${operator}\` needs true or false`);
    return !decisive;
  };
}

function equality(left: Run, right: Run, negated: boolean): Run {
  return (scope) => {
    const same = equalValues(left(scope), right(scope));
    return negated && typeof same === 'boolean' ? !same : same;
  };
}

function conditional(condition: Run, yes: Run, no: Run): Run {
  return (scope) => {
    const value = condition(scope);
    if (isAbsent(value)) return value;
    if (typeof value !== 'boolean') return fault('a condition needs true or false');
    return value ? yes(scope) : no(scope);
  };
}

function pattern(text: ASTNode, patternNode: ASTNode, to: Compiling): Typed {
  // A pattern that came from a fact would be written by the agent.
  if (patternNode.op !== 'value' || typeof patternNode.args !== 'string')
    return refuse(patternNode, 'the pattern of `matches` must be written out');
  const compiled = compilePattern(patternNode.args);
  if (!compiled.ok) return refuse(patternNode, compiled.error);
  const { found } = compiled.value;
  const apply: Operation = (value) =>
    value === null ? false : typeof value === 'string' ? found(value) : fault('`matches` needs text');
  return computed(strictOne(compileNode(text, to, 'outer').run, apply), 'bool');
}

function computed(run: Run, type: FactType): Typed {
  return { run, type, path: null };
}

function listOperation(
  name: string,
  receiver: ASTNode,
  args: readonly ASTNode[],
  to: Compiling,
): Typed | null {
  const step = Object.hasOwn(LIST_STEPS, name) ? LIST_STEPS[name] : undefined;
  const [variable, body] = args;
  if (step === undefined || variable === undefined || body === undefined || args.length !== 2) return null;
  if (variable.op !== 'id') return refuse(variable, `\`${name}\` needs a variable name first`);
  if (Object.hasOwn(FACT_ROOTS, variable.args))
    return refuse(variable, `\`${variable.args}\` is a fact; the variable needs another name`);
  const list = compileNode(receiver, to, 'outer');
  const slot = to.variables.length;
  const path = list.path === null ? null : `${list.path}[]`;
  const type = elementType(list.type);
  const inner = compileNode(
    body,
    { ...to, variables: [...to.variables, { name: variable.args, type, path, slot }] },
    'outer',
  );
  const run: Run = (scope) => {
    const value = list.run(scope);
    if (isAbsent(value)) return value;
    if (!isList(value) && !isObject(value)) return fault(`\`${name}\` needs a list`);
    const items = isList(value) ? value : Object.keys(value);
    scope.steps -= items.length;
    if (scope.steps < 0) return fault('the predicate takes too many steps');
    return step(items, (item) => {
      scope.variables[slot] = item;
      return inner.run(scope);
    });
  };
  const result = name === 'filter' ? list.type : name === 'map' ? `list<${inner.type}>` : 'bool';
  return computed(run, result);
}

function applied(
  table: typeof FUNCTIONS,
  name: string,
  node: ASTNode,
  arity: number,
  operands: readonly ASTNode[],
  to: Compiling,
): Typed {
  const operation = Object.hasOwn(table, name) ? table[name] : undefined;
  if (operation === undefined) {
    const known = [
      ...Object.keys(table),
      'matches',
      ...(table === FUNCTIONS ? ['has'] : Object.keys(LIST_STEPS)),
    ];
    return refuse(node, `there is no function \`${name}\``, nearest(name, known));
  }
  if (operation.arity !== arity)
    return refuse(node, `\`${name}\` takes ${operation.arity} argument(s), not ${arity}`);
  const [first = () => null, second] = operands.map((operand) => compileNode(operand, to, 'outer').run);
  const run =
    second === undefined ? strictOne(first, operation.apply) : strictTwo(first, second, operation.apply);
  return computed(run, name === 'lowerAscii' ? 'string' : name === 'size' ? 'dyn' : 'bool');
}

function call(node: ASTNode & { op: 'call' }, to: Compiling): Typed {
  const [name, args] = node.args;
  const [first, second] = args;
  if (name === 'matches' && first !== undefined && second !== undefined) return pattern(first, second, to);
  if (name === 'has' && first !== undefined) {
    if (first.op !== '.' && first.op !== '[]') return refuse(first, '`has` asks about a field');
    const asked = compileNode(first, to, 'outer');
    // Whether something is known is itself always known: that is what `has` is for.
    return computed((scope) => {
      const value = asked.run(scope);
      return isFault(value) ? value : value !== null && !isAbsent(value);
    }, 'bool');
  }
  return applied(FUNCTIONS, name, node, args.length, args, to);
}

function methodCall(node: ASTNode & { op: 'rcall' }, to: Compiling): Typed {
  const [name, receiver, args] = node.args;
  const [first] = args;
  if (name === 'matches' && first !== undefined && args.length === 1) return pattern(receiver, first, to);
  return (
    listOperation(name, receiver, args, to) ??
    applied(METHODS, name, node, args.length, [receiver, ...args], to)
  );
}

/** Compiles one node into a closure, or throws ExpressionRefusal naming the place. */
export function compileNode(node: ASTNode, to: Compiling, reading: Reading): Typed {
  const operand = (inner: ASTNode): Run => compileNode(inner, to, 'outer').run;
  switch (node.op) {
    case 'value': {
      const value = literal(node);
      return computed(() => value, typeof value === 'string' ? 'string' : 'dyn');
    }
    case 'id':
      return identifier(node, to, reading);
    case '.':
      return member(node, to, reading);
    case '[]':
      return indexed(node, to, reading);
    case 'call':
      return call(node, to);
    case 'rcall':
      return methodCall(node, to);
    case 'list': {
      const constants = node.args.flatMap((item) => (item.op === 'value' ? [literal(item)] : []));
      // Nearly every list is written out; those are built once.
      if (constants.length === node.args.length) return computed(() => constants, 'list<dyn>');
      const items = node.args.map(operand);
      return computed((scope) => items.map((item) => item(scope)), 'list<dyn>');
    }
    case '&&':
      return computed(logical(false, operand(node.args[0]), operand(node.args[1])), 'bool');
    case '||':
      return computed(logical(true, operand(node.args[0]), operand(node.args[1])), 'bool');
    case '==':
    case '!=':
      return computed(equality(operand(node.args[0]), operand(node.args[1]), node.op === '!='), 'bool');
    case '?:':
      return computed(
        conditional(operand(node.args[0]), operand(node.args[1]), operand(node.args[2])),
        'dyn',
      );
    case '!_':
      return computed(
        strictOne(operand(node.args), (value) =>
          typeof value === 'boolean' ? !value : fault('`!` needs true or false'),
        ),
        'bool',
      );
    case '-_':
      return computed(
        strictOne(operand(node.args), (value) =>
          typeof value === 'number' ? -value : fault('`-` needs a number'),
        ),
        'dyn',
      );
    case 'in':
    case '+':
    case '-':
    case '*':
    case '<':
    case '<=':
    case '>':
    case '>=': {
      const operation = OPERATORS[node.op];
      if (operation === undefined) return refuse(node, `\`${node.op}\` is not an operator here`);
      return computed(strictTwo(operand(node.args[0]), operand(node.args[1]), operation), 'dyn');
    }
    default:
      return refuse(node, `\`${node.op}\` is not part of the policy language`);
  }
}
