import type { ParameterExpansionPart, ParameterOperation, Word as WordNode } from 'unbash';
import { UNKNOWN_TEXT } from '../../core/command.ts';
import { wordText, wordValue } from './expand.ts';
import type { Frame, Machine } from './machine.ts';
import { isSimplePattern, trim } from './pattern.ts';
import { assign, lookUp, textValue, UNKNOWN_VALUE, UNSET_VALUE, type Value } from './scope.ts';

/** What an expansion stands for: one text, or a list that stays a list (`"$@"`). */
export type Expansion =
  | { readonly kind: 'one'; readonly value: Value }
  | { readonly kind: 'list'; readonly items: readonly Value[] | null; readonly joined: boolean };

/** The value of `$name`, from its text. */
export function simpleExpansion(f: Frame, text: string): Expansion {
  return plain(f, text.slice(1).replaceAll('\\\n', ''));
}

function one(value: Value): Expansion {
  return { kind: 'one', value };
}

function plain(f: Frame, name: string): Expansion {
  const first = name.charCodeAt(0);
  if ((first >= 65 && first <= 90) || (first >= 97 && first <= 122) || first === 95) {
    const value = lookUp(f.scope, name);
    // In zsh a plain array name is the whole array.
    if (value.items === null) return one(value);
    if (f.scope.surroundings.dialect === 'zsh') return { kind: 'list', items: value.items, joined: false };
    return one(value.items[0] ?? UNSET_VALUE);
  }
  const { positional } = f.scope;
  if (name === '@' || name === '*')
    return { kind: 'list', items: positional === null ? null : positional.slice(1), joined: name === '*' };
  if (name === '#')
    return one(positional === null ? UNKNOWN_VALUE : textValue(String(Math.max(0, positional.length - 1))));
  if (first >= 48 && first <= 57) {
    if (positional === null) return one(UNKNOWN_VALUE);
    return one(positional[Number(name)] ?? UNSET_VALUE);
  }
  return one(UNKNOWN_VALUE);
}

/** The value of `${…}` (AARM R3.k); unknown unless it follows from what is known. */
export function parameterExpansion(
  m: Machine,
  f: Frame,
  part: ParameterExpansionPart,
  quoted: boolean,
): Expansion {
  // Every operand is read even when unused, because a substitution in it may run.
  const operation = part.operation;
  if (part.prefix === '#') return one(length(indexed(m, f, part)));
  if (part.prefix === '!') return one(indirect(f, part, operation));
  const base = indexed(m, f, part);
  if (operation === undefined) return base;
  if (operation.type === 'Default') return byDefault(m, f, part, base, operation, quoted);
  if (base.kind === 'list') {
    operands(m, f, operation);
    return base.items === null
      ? base
      : { ...base, items: base.items.map((item) => transform(m, f, item, operation)) };
  }
  return one(transform(m, f, base.value, operation));
}

function indexed(m: Machine, f: Frame, part: ParameterExpansionPart): Expansion {
  if (part.index === undefined) return plain(f, part.parameter);
  const index = wordText(m, f, part.index);
  const value = lookUp(f.scope, part.parameter);
  if (index === '@' || index === '*') {
    const known = value.items ?? (value.text.includes(UNKNOWN_TEXT) ? null : value.set ? [value] : []);
    return { kind: 'list', items: known, joined: index === '*' };
  }
  if (value.items === null || !/^\d{1,4}$/.test(index)) return one(UNKNOWN_VALUE);
  return one(value.items[Number(index)] ?? UNSET_VALUE);
}

function isKnown(value: Value): boolean {
  return !value.many && !value.text.includes(UNKNOWN_TEXT);
}

function length(base: Expansion): Value {
  if (base.kind === 'list') return base.items === null ? UNKNOWN_VALUE : textValue(String(base.items.length));
  return isKnown(base.value) ? textValue(String([...base.value.text].length)) : UNKNOWN_VALUE;
}

function indirect(f: Frame, part: ParameterExpansionPart, operation: ParameterOperation | undefined): Value {
  if (operation !== undefined || part.index !== undefined) return UNKNOWN_VALUE;
  const name = plain(f, part.parameter);
  if (name.kind !== 'one' || !isKnown(name.value)) return UNKNOWN_VALUE;
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name.value.text)) return UNKNOWN_VALUE;
  const value = lookUp(f.scope, name.value.text);
  return value.items === null ? value : (value.items[0] ?? UNSET_VALUE);
}

function byDefault(
  m: Machine,
  f: Frame,
  part: ParameterExpansionPart,
  base: Expansion,
  operation: Extract<ParameterOperation, { type: 'Default' }>,
  quoted: boolean,
): Expansion {
  const operand = wordValue(m, f, operation.operand, quoted);
  if (base.kind === 'list')
    return base.items !== null && base.items.length > 0 && !operation.operator.endsWith('+')
      ? base
      : { ...base, items: null };
  const { value } = base;
  const undecided = value.set && value.text !== '' && value.text.replaceAll(UNKNOWN_TEXT, '') === '';
  const colon = operation.operator.startsWith(':');
  const present = value.set && !(colon && value.text === '');
  const kind = colon ? operation.operator.slice(1) : operation.operator;
  if (kind === '=') {
    if (undecided) assign(f.scope, part.parameter, UNKNOWN_VALUE);
    else if (!present) assign(f.scope, part.parameter, operand);
  }
  if (undecided) return one(UNKNOWN_VALUE);
  if (kind === '+') return one(present ? operand : UNSET_VALUE);
  if (present) return base;
  return one(kind === '?' ? UNKNOWN_VALUE : operand);
}

function operands(m: Machine, f: Frame, operation: ParameterOperation): void {
  switch (operation.type) {
    case 'Remove':
    case 'Transform':
      wordText(m, f, operation.operand);
      return;
    case 'Replace':
      wordText(m, f, operation.pattern);
      wordText(m, f, operation.replacement);
      return;
    case 'Slice':
      wordText(m, f, operation.offset);
      if (operation.length !== undefined) wordText(m, f, operation.length);
      return;
    case 'CaseModification':
      if (operation.operand !== undefined) wordText(m, f, operation.operand);
      return;
    default:
      return;
  }
}

function transform(m: Machine, f: Frame, value: Value, operation: ParameterOperation): Value {
  const text = changed(m, f, value, operation);
  if (text === null) return { ...UNKNOWN_VALUE, many: value.many, from: value.from };
  return { ...textValue(text), from: value.from };
}

function changed(m: Machine, f: Frame, value: Value, operation: ParameterOperation): string | null {
  const known = isKnown(value);
  switch (operation.type) {
    case 'Remove': {
      const pattern = wordText(m, f, operation.operand);
      if (!known || pattern.includes(UNKNOWN_TEXT) || quotesGlob(operation.operand)) return null;
      const suffix = operation.operator.startsWith('%');
      return trim(value.text, pattern, suffix ? 'suffix' : 'prefix', operation.operator.length === 2);
    }
    case 'Replace': {
      const pattern = wordText(m, f, operation.pattern);
      const replacement = wordText(m, f, operation.replacement);
      if (!known || (pattern + replacement).includes(UNKNOWN_TEXT) || !isSimplePattern(pattern)) return null;
      // `&` in the replacement means the match in newer shells and itself in older ones.
      if (/[*?]/.test(pattern) || replacement.includes('&')) return null;
      return replace(value.text, pattern, replacement, operation.operator);
    }
    case 'Slice': {
      const offset = wordText(m, f, operation.offset).trim();
      const count = operation.length === undefined ? null : wordText(m, f, operation.length).trim();
      if (!known || !/^-?\d{1,6}$/.test(offset) || (count !== null && !/^-?\d{1,6}$/.test(count)))
        return null;
      return slice([...value.text], Number(offset), count === null ? null : Number(count));
    }
    case 'CaseModification': {
      const operand = operation.operand === undefined ? '' : wordText(m, f, operation.operand);
      if (!known || operand !== '') return null;
      const { text } = value;
      if (operation.operator === '^^') return text.toUpperCase();
      if (operation.operator === ',,') return text.toLowerCase();
      const first = text.slice(0, 1);
      return (operation.operator === '^' ? first.toUpperCase() : first.toLowerCase()) + text.slice(1);
    }
    default:
      operands(m, f, operation);
      return null;
  }
}

function quotesGlob(word: WordNode): boolean {
  return /["'\\]/.test(word.text) && /[*?]/.test(word.text);
}

function replace(text: string, pattern: string, replacement: string, operator: string): string {
  if (pattern === '') return text;
  if (operator === '//') return text.split(pattern).join(replacement);
  if (operator === '/#') return text.startsWith(pattern) ? replacement + text.slice(pattern.length) : text;
  if (operator === '/%')
    return text.endsWith(pattern) ? text.slice(0, text.length - pattern.length) + replacement : text;
  const at = text.indexOf(pattern);
  return at < 0 ? text : text.slice(0, at) + replacement + text.slice(at + pattern.length);
}

function slice(characters: readonly string[], offset: number, count: number | null): string | null {
  const start = offset < 0 ? characters.length + offset : offset;
  if (start < 0) return '';
  const end = count === null ? characters.length : count < 0 ? characters.length + count : start + count;
  if (end < start) return count !== null && count < 0 ? null : '';
  return characters.slice(start, end).join('');
}
