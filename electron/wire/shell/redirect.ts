import type { HereDoc, Redirection, WordPart } from 'unbash';
import { type Redirect, UNKNOWN_TEXT, type Word } from '../../core/command.ts';
import { singleWord, wordText, wordValue } from './expand.ts';
import { type Frame, type Input, MAX_TEXT, type Machine, spend } from './machine.ts';

/** Reads one redirect; null for the copying and closing of descriptors (`2>&1`), which touches nothing. */
export function readRedirect(m: Machine, f: Frame, node: Redirection): Redirect | null {
  const descriptor = node.descriptor?.type === 'FileDescriptor' ? node.descriptor.value : null;
  if (node.type === 'HereDoc')
    return { operator: '<<', descriptor, target: null, body: hereDocument(m, f, node) };
  // Each redirect is an effect with its labels, much dearer than a word: bounded at some ten thousand a line.
  if (!spend(m, 40)) return null;
  if (node.type === 'HereString') {
    const value = node.target === undefined ? null : wordValue(m, f, node.target);
    const text = `${value?.text ?? UNKNOWN_TEXT}\n`;
    const body: Word = {
      text,
      raw: node.target?.text ?? '',
      known: !text.includes(UNKNOWN_TEXT),
      glob: false,
    };
    if (value !== null && value.from >= 0) m.sources.set(body, value.from);
    return { operator: '<<<', descriptor, target: null, body };
  }
  if (node.target === undefined) return null;
  const target = singleWord(m, f, node.target);
  if (node.operator === '>&' || node.operator === '<&') {
    if (/^(?:\d+-?|-)$/.test(target.text)) return null;
    if (node.operator === '<&') return { operator: '<', descriptor, target, body: null };
    return { operator: '&>', descriptor, target, body: null };
  }
  return { operator: node.operator, descriptor, target, body: null };
}

function hereDocument(m: Machine, f: Frame, node: HereDoc): Word {
  const { body, delimiter, operator } = node;
  const raw = operator === '<<-' ? body.text.replace(/^\t+/gm, '') : body.text;
  if (!spend(m, 1)) return { text: UNKNOWN_TEXT, raw: '', known: false, glob: false };
  if (delimiter?.quoted === true)
    return { text: raw, raw: body.text, known: !raw.includes(UNKNOWN_TEXT), glob: false };
  const { parts } = body;
  let text = '';
  if (parts === undefined) text = unescapeBody(raw);
  else
    for (const part of parts) {
      text +=
        operator === '<<-' && part.type === 'Literal' ? withoutTabs(part.value, text) : bodyPart(m, f, part);
      if (text.length > 16 * MAX_TEXT)
        return { text: UNKNOWN_TEXT, raw: body.text, known: false, glob: false };
    }
  spend(m, 0, text.length);
  return { text, raw: body.text, known: !text.includes(UNKNOWN_TEXT), glob: false };
}

function withoutTabs(value: string, before: string): string {
  const inner = value.replace(/\n\t+/g, '\n');
  return before === '' || before.endsWith('\n') ? inner.replace(/^\t+/, '') : inner;
}

function bodyPart(m: Machine, f: Frame, part: WordPart): string {
  if (part.type === 'Literal') return part.value;
  return wordText(
    m,
    f,
    { type: 'Word', text: part.text, value: part.text, pos: part.pos, end: part.end, parts: [part] },
    true,
  );
}

function unescapeBody(text: string): string {
  return text.includes('\\') ? text.replace(/\\([$`\\\n])/g, (_, c: string) => (c === '\n' ? '' : c)) : text;
}

/** True when a redirect copies some open descriptor to standard input (`<&3`, `0>&1`): what comes from there is unknown. */
export function feedsInput(node: Redirection): boolean {
  if (node.type !== 'Redirect' || (node.operator !== '<&' && node.operator !== '>&')) return false;
  const descriptor = node.descriptor?.type === 'FileDescriptor' ? node.descriptor.value : null;
  const fed = descriptor ?? (node.operator === '<&' ? 0 : 1);
  return fed === 0 && node.target?.text !== '-' && node.target?.text !== '0';
}

/** Where a command's standard input comes from, given its redirects and what it would otherwise have. */
export function inputFrom(redirects: readonly Redirect[], otherwise: Input): Input {
  let input = otherwise;
  for (const redirect of redirects) {
    if ((redirect.descriptor ?? 0) !== 0 || !redirect.operator.startsWith('<')) continue;
    if (redirect.body !== null) {
      const { text, known } = redirect.body;
      input = { kind: 'text', text: { text, known }, from: null };
    } else input = { kind: 'file' };
  }
  return input;
}
