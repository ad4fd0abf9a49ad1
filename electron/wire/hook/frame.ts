import { err, ok, type Result } from '../../core/result.ts';
import { decodeGuardFields, encodeGuardFields, GUARD_HEADER_BYTES, type GuardField } from '../guard-frame.ts';
import { readOctets, writeText } from '../octets.ts';
import { hookAgent } from './agents.ts';
import { type HookAgent, type HookFault, type HookReply, MAX_HOOK_BYTES } from './event.ts';

/**
 * The wire between `countersign-hook` (shims/shell/csrc/hook.c) and who answers it: one frame of fields each way (guard-frame.ts, without a
 * seal), after any number that only say that somebody is waited for.
 *
 * Question: `k` `hook` · `n` agent · `e` event · `b` what the agent wrote, verbatim · `q` pid. Answer: `o` standard output · `m` standard error ·
 * `s` exit status. While waiting: `w` text for standard error · `d` milliseconds left.
 */
export interface HookQuestion {
  readonly agent: HookAgent;
  readonly event: string;
  /** Text of the payload. */
  readonly payload: string;
  /** The hook's own process, as it says. */
  readonly pid: number;
}

/** Room for the payload and the fields around it. */
export const MAX_HOOK_FRAME_BYTES = MAX_HOOK_BYTES;

/** Reads a question; refuses what no hook of ours would send. */
export function readHookQuestion(body: Uint8Array): Result<HookQuestion, HookFault> {
  const decoded = decodeGuardFields(body);
  if (!decoded.ok) return err({ code: decoded.error.code, message: decoded.error.message });
  return hookQuestionOf(decoded.value);
}

/** The same from fields that are cut already. */
export function hookQuestionOf(fields: readonly GuardField[]): Result<HookQuestion, HookFault> {
  const found = new Map<string, string>();
  for (const { tag, bytes } of fields) {
    const read = readOctets(bytes);
    if (!read.exact)
      return err({ code: 'invalid_utf8', message: 'the hook sent something that is not UTF-8' });
    if (found.has(tag)) return err({ code: 'bad_shape', message: 'the hook said something twice' });
    found.set(tag, read.text);
  }
  const agent = hookAgent(found.get('n') ?? '');
  const event = found.get('e') ?? '';
  const payload = found.get('b');
  const pid = Number(found.get('q') ?? Number.NaN);
  if (found.get('k') !== 'hook' || payload === undefined || !Number.isInteger(pid) || pid <= 0)
    return err({ code: 'bad_shape', message: 'the hook sent something that is no question' });
  if (agent === null)
    return err({ code: 'unknown_agent', message: 'the hook is of an agent that nobody here knows' });
  if (!/^[A-Za-z_]{1,64}$/.test(event))
    return err({ code: 'bad_event', message: 'the hook does not say which event it is for' });
  return ok({ agent, event, payload, pid });
}

/** The frame of an answer. */
export function hookReplyFrame(reply: HookReply): Uint8Array {
  return frame([
    ['s', String(reply.status)],
    ['o', reply.stdout],
    ['m', reply.stderr],
  ]);
}

/** The frame that keeps a hook waiting. */
export function hookWaitingFrame(text: string, leftMs: number): Uint8Array {
  return frame([
    ['w', text],
    ['d', String(Math.max(1, Math.round(leftMs)))],
  ]);
}

function frame(fields: readonly (readonly [string, string])[]): Uint8Array {
  const body = encodeGuardFields(fields.map(([tag, text]) => ({ tag, bytes: writeText(text) })));
  const out = new Uint8Array(GUARD_HEADER_BYTES + body.length);
  out.set([0x43, 0x53, 0x4e, 0x31], 0);
  new DataView(out.buffer).setUint32(4, body.length, true);
  out.set(body, GUARD_HEADER_BYTES);
  return out;
}
