import type { Word, Wrapper } from '../../core/command.ts';
import {
  type Call,
  type Code,
  emit,
  type Frame,
  INHERITED,
  type Machine,
  type Output,
  spend,
  through,
} from './machine.ts';
import { printed } from './output.ts';
import { childScope, fork } from './scope.ts';

/** A resolver of one program: reads a call of it, emits what it runs. */
export type Handler = (m: Machine, f: Frame, call: Call, program: string) => Output;

/** Emits a command as it is. */
export function plain(m: Machine, f: Frame, call: Call, code: Code | null = null): Output {
  emit(m, f, call, code);
  if (!f.wanted) return null;
  const output = printed(f, call);
  return output !== null && spend(m, 1, output.text.length) ? output : null;
}

/** How a wrapper starts what it wraps. */
export interface Wrapping {
  readonly detail?: string;
  readonly place?: Wrapper['place'];
  /** True when the wrapper does something of its own and is emitted too. */
  readonly own?: boolean;
  /** `child`: same environment; `other`: another; `away`: another machine or root directory. */
  readonly distance?: 'child' | 'other' | 'away';
  readonly assignments?: Call['assignments'];
  readonly directories?: readonly string[];
}

/** Reads what a wrapper starts: `words` are its arguments from the program on. Without any, the wrapper is the command. */
export function wrapped(
  m: Machine,
  f: Frame,
  call: Call,
  program: string,
  words: readonly Word[],
  wrapping: Wrapping = {},
): Output {
  if (words.length === 0) return plain(m, f, call);
  const own = wrapping.own === true;
  if (own) emit(m, f, call, null);
  const distance = wrapping.distance ?? 'child';
  const scope = distance === 'child' ? fork(f.scope) : childScope(f.scope, null, distance);
  if (wrapping.directories !== undefined) scope.directories = wrapping.directories;
  const inner: Frame = {
    ...through(f, program, wrapping.detail ?? '', wrapping.place ?? 'here'),
    scope,
    redirects: own ? [] : f.redirects,
  };
  return m.run.process(m, inner, {
    words,
    assignments: own ? (wrapping.assignments ?? []) : join(call.assignments, wrapping.assignments),
    redirects: own ? [] : call.redirects,
    span: call.span,
  });
}

function join(a: Call['assignments'], b: Call['assignments'] | undefined): Call['assignments'] {
  return b === undefined || b.length === 0 ? a : a.length === 0 ? b : [...a, ...b];
}

/** The frame of something whose input is not the wrapper's (`xargs`, `find -exec`). */
export function withoutInput(f: Frame): Frame {
  return { ...f, input: INHERITED };
}
