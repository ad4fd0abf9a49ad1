import { RE2JS } from 're2js';
import { err, ok, type Result } from '../result.ts';

/** A regular expression that runs in time linear in the text, whoever wrote it and whatever it is run on. */
export interface LinearPattern {
  /** True when some part of `text` matches. */
  found(text: string): boolean;
  /** True when the whole of `text` matches. */
  whole(text: string): boolean;
}

/** Longest pattern accepted; automata grow with it. */
export const MAX_PATTERN_LENGTH = 1000;

/** Compiles RE2 syntax (no look-around, no back-references); the error is a message for the policy's author (R3.e). */
export function compilePattern(source: string): Result<LinearPattern, string> {
  if (source.length > MAX_PATTERN_LENGTH)
    return err(`pattern is longer than ${MAX_PATTERN_LENGTH} characters`);
  try {
    const anywhere = RE2JS.compile(source);
    return ok({
      found: (text) => anywhere.test(text),
      whole: (text) => anywhere.testExact(text),
    });
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    return err(`not a pattern in RE2 syntax: ${message.replace(/^error parsing regexp: /, '')}`);
  }
}

type GlobStep =
  | { readonly kind: 'char'; readonly char: string }
  | { readonly kind: 'one' }
  | { readonly kind: 'segment' }
  | { readonly kind: 'any' };

function globSteps(pattern: string): readonly GlobStep[] {
  const steps: GlobStep[] = [];
  for (let i = 0; i < pattern.length; i++) {
    const char = pattern[i] ?? '';
    if (char === '\\' && i + 1 < pattern.length) {
      i += 1;
      steps.push({ kind: 'char', char: pattern[i] ?? '' });
    } else if (char === '*') {
      const double = pattern[i + 1] === '*';
      while (pattern[i + 1] === '*') i += 1;
      steps.push({ kind: double ? 'any' : 'segment' });
    } else steps.push(char === '?' ? { kind: 'one' } : { kind: 'char', char });
  }
  return steps;
}

/** Adds `state` and every state reachable from it without reading a character. */
function enter(states: Set<number>, steps: readonly GlobStep[], state: number): void {
  let at = state;
  states.add(at);
  for (let step = steps[at]; step?.kind === 'segment' || step?.kind === 'any'; step = steps[at]) {
    at += 1;
    states.add(at);
  }
}

/**
 * Matches the whole of `text`: `*` any run without `/`, `**` any run, `?` one character but `/`, `\` takes the next
 * literally. O(text × pattern), never more.
 */
export function globMatches(text: string, pattern: string): boolean {
  const steps = globSteps(pattern);
  let states = new Set<number>();
  enter(states, steps, 0);
  for (let i = 0; i < text.length && states.size > 0; i++) {
    const char = text[i] ?? '';
    const next = new Set<number>();
    for (const state of states) {
      const step = steps[state];
      if (step === undefined) continue;
      if (step.kind === 'char') {
        if (step.char === char) enter(next, steps, state + 1);
      } else if (step.kind === 'one') {
        if (char !== '/') enter(next, steps, state + 1);
      } else if (step.kind === 'any' || char !== '/') enter(next, steps, state);
    }
    states = next;
  }
  return states.has(steps.length);
}

/** Removes `.`, `..`, doubled and trailing slashes from an absolute path, lexically. */
function canonicalPath(path: string): string {
  if (!path.includes('/.') && !path.includes('//'))
    return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
}

/** An absolute form of `path`, or null when only running could tell (relative without a working directory). */
export function absolutePath(path: string, cwd: string | null, home: string): string | null {
  if (path.startsWith('/')) return canonicalPath(path);
  if (path === '~' || path.startsWith('~/')) return canonicalPath(`${home}${path.slice(1)}`);
  return cwd === null ? null : canonicalPath(`${cwd}/${path}`);
}

/** True when `path` is `directory` or lies in it; both absolute. `/etcetera` is not under `/etc`. */
export function pathUnder(path: string, directory: string): boolean {
  const base = canonicalPath(directory);
  const inner = canonicalPath(path);
  return inner === base || inner.startsWith(base === '/' ? '/' : `${base}/`);
}
