import type { Action } from '../core/action.ts';
import type { Hasher } from '../core/ports.ts';
import { err, type Result, unreachable } from '../core/result.ts';
import type { Knowledge } from '../core/semantic/knowledge.ts';
import type { NormalizeFault, NormalizeInput, ProxyEnvelope } from './mediation.ts';

/** Turns what the proxy intercepted into an Action (architecture.md, stage 2), by the kind of thing that is about to leave. */
export function normalizeProxied(
  input: Omit<NormalizeInput, 'envelope'> & { readonly envelope: ProxyEnvelope },
  _knowledge: Knowledge,
  _hasher: Hasher,
): Result<Action, NormalizeFault> {
  const { question } = input.envelope;
  switch (question.kind) {
    case 'request':
    case 'statement':
    case 'stream':
    case 'sign':
      return err({ code: 'not_understood', message: `nothing here understands a ${question.kind} yet` });
    default:
      return unreachable(question);
  }
}
