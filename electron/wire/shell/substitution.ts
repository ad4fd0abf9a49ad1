import type {
  ArithmeticExpression,
  CommandExpansionPart,
  ProcessSubstitutionPart,
  TestExpression,
  WordPart,
} from 'unbash';
import { UNKNOWN_TEXT, type Word } from '../../core/command.ts';
import { wordText } from './expand.ts';
import {
  type Draft,
  emit,
  type Frame,
  INHERITED,
  MAX_DEPTH,
  type Machine,
  note,
  refuse,
  spend,
} from './machine.ts';
import { assign, fork, lookUp, UNKNOWN_VALUE, type Value } from './scope.ts';

/** Reads `$(…)`, `` `…` ``, `<(…)` and `>(…)`: their commands run, and sometimes their output is known (AARM R3.k). */
export function readSubstitution(
  m: Machine,
  f: Frame,
  part: CommandExpansionPart | ProcessSubstitutionPart,
): Value {
  // Each level is read anew by the parser: depth times length is the cost, and it is bounded.
  if (!spend(m, 1, part.text.length)) return UNKNOWN_VALUE;
  const { script } = part;
  if (script === undefined) {
    note(m, 'a substitution could not be read');
    return UNKNOWN_VALUE;
  }
  const stage: Draft[] = [];
  const feeds = part.type === 'ProcessSubstitution' && part.operator === '>';
  const inner: Frame = {
    ...f,
    scope: fork(f.scope),
    origin: 'substitution',
    // Positions in a backquoted script count from its own, unescaped text.
    offset: script.source === undefined ? f.offset : null,
    input: feeds ? { kind: 'pipe', from: null } : INHERITED,
    redirects: [],
    stage,
    wanted: !feeds,
    guarded: true,
  };
  if (m.depth >= MAX_DEPTH) {
    refuse(m, 'too_deep', 'substitutions are nested too deeply');
    return UNKNOWN_VALUE;
  }
  m.depth += 1;
  const output = m.run.script(m, inner, script);
  m.depth -= 1;
  const from = stage.at(-1)?.index ?? -1;
  if (feeds) for (const draft of stage) m.feeds.push(draft);
  if (part.type === 'ProcessSubstitution') {
    if (output !== null && !feeds && output.known) m.contents.set(from, output.text);
    return { ...UNKNOWN_VALUE, from };
  }
  if (output === null || (!output.known && !output.text.includes(UNKNOWN_TEXT)))
    return { ...UNKNOWN_VALUE, from };
  let end = output.text.length;
  while (end > 0 && output.text.charCodeAt(end - 1) === 10) end--;
  return { ...UNKNOWN_VALUE, text: output.text.slice(0, end), from, many: !output.known };
}

/** Reads an arithmetic expression for the commands in it and the variables it changes. */
export function readArithmetic(m: Machine, f: Frame, root: ArithmeticExpression): void {
  // A chain of operators is as deep as it is long, so this one walks with its own stack.
  const rest: ArithmeticExpression[] = [root];
  for (let node = rest.pop(); node !== undefined; node = rest.pop()) {
    if (!spend(m, 1)) return;
    switch (node.type) {
      case 'ArithmeticBinary':
        if (node.operator.endsWith('=') && node.left.type === 'ArithmeticWord') change(f, node.left.value);
        rest.push(node.right, node.left);
        break;
      case 'ArithmeticUnary':
        if (node.operand.type === 'ArithmeticWord') change(f, node.operand.value);
        rest.push(node.operand);
        break;
      case 'ArithmeticTernary':
        rest.push(node.alternate, node.consequent, node.test);
        break;
      case 'ArithmeticGroup':
        rest.push(node.expression);
        break;
      case 'ArithmeticWord':
        readAgain(m, f, node.value);
        for (const part of node.parts ?? []) readPart(m, f, part);
        break;
      case 'ArithmeticCommandExpansion':
        // The node's script is a getter, which spreading would lose.
        readSubstitution(m, f, {
          type: 'CommandExpansion',
          pos: node.pos,
          end: node.end,
          text: node.text,
          script: node.script,
        });
        break;
    }
  }
}

/** Arithmetic reads the value of a name as an expression again, with substitutions in its indices. */
function readAgain(m: Machine, f: Frame, name: string): void {
  if (/^[A-Za-z_]\w*$/.test(name)) readIndex(m, f, lookUp(f.scope, name).text);
}

/** The index of an array element is read once more by builtins and arithmetic: substitutions in it run even out of single quotes. */
export function readIndex(m: Machine, f: Frame, text: string): void {
  if (!/[[(].*[$`]/s.test(text)) return;
  m.run.code(m, { ...f, offset: null, origin: 'eval', stage: null, redirects: [] }, `: ${text}`);
}

function change(f: Frame, name: string): void {
  const plain = /^[A-Za-z_][A-Za-z0-9_]*/.exec(name)?.[0];
  if (plain !== undefined) assign(f.scope, plain, UNKNOWN_VALUE);
}

function readPart(m: Machine, f: Frame, part: WordPart): void {
  wordText(m, f, {
    type: 'Word',
    text: part.text,
    value: part.text,
    pos: part.pos,
    end: part.end,
    parts: [part],
  });
}

/** `[[ $line == *sshd* ]]`: what something unknown is compared with says what the commands behind it are about. */
function readComparison(m: Machine, f: Frame, operator: string, left: string, right: string): void {
  if (!/^(?:==?|=~)$/.test(operator) || !left.includes(UNKNOWN_TEXT) || !/[A-Za-z]{2}/.test(right)) return;
  const word = (text: string): Word => ({
    text,
    raw: text,
    known: !text.includes(UNKNOWN_TEXT),
    glob: false,
  });
  const words = [word('[['), word(left), word(operator), word(right)];
  emit(m, f, { words, assignments: [], redirects: [], span: null }, null);
}

/** Reads a `[[ … ]]` expression for the commands in it. */
export function readTest(m: Machine, f: Frame, root: TestExpression): void {
  const rest: TestExpression[] = [root];
  for (let node = rest.pop(); node !== undefined; node = rest.pop()) {
    if (!spend(m, 1)) return;
    switch (node.type) {
      case 'TestUnary': {
        const text = wordText(m, f, node.operand);
        if (node.operator === '-v') readIndex(m, f, text);
        break;
      }
      case 'TestBinary':
        readComparison(m, f, node.operator, wordText(m, f, node.left), wordText(m, f, node.right));
        break;
      case 'TestLogical':
        for (let i = node.operands.length - 1; i >= 0; i--) {
          const operand = node.operands[i];
          if (operand !== undefined) rest.push(operand);
        }
        break;
      case 'TestNot':
        rest.push(node.operand);
        break;
      case 'TestGroup':
        rest.push(node.expression);
        break;
    }
  }
}
