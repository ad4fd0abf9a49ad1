import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { delimiter, dirname, join } from 'node:path';
import { err, ok, type Result } from '../../electron/core/result.ts';
import { MAX_QUESTION_TEXT } from '../../electron/wire/mcp/envelope.ts';
import { parseLine, submitReplySchema } from '../../electron/wire/submit.ts';
import { createFrameReader, encodeFrame, type Field, field } from '../shell/frame.ts';
import type { Asker, Ruling } from './asker.ts';

const GONE = 'the session’s firewall does not answer, so nothing may be called; start the session again';

/**
 * The surface of the session that this process runs in, or null outside of one. A client that gives its servers a bare environment (as
 * the official one does) still has its own, which is looked at up the tree of processes.
 */
export function surfaceAround(env: NodeJS.ProcessEnv, parent: number): string | null {
  if (env['COUNTERSIGN_SURFACE']) return env['COUNTERSIGN_SURFACE'];
  for (const folder of (env['PATH'] ?? '').split(delimiter))
    if (folder.endsWith('/shims') && /\/sess_[^/]+\/shims$/.test(folder))
      return join(dirname(folder), 'surface.sock');
  for (let pid = parent, depth = 0; pid >= 1 && depth < 32; depth += 1) {
    try {
      const found = /(?:^|\0)COUNTERSIGN_SURFACE=([^\0]+)/.exec(
        readFileSync(`/proc/${pid}/environ`, 'latin1'),
      )?.[1];
      if (found !== undefined) return found;
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
      pid = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
    } catch {
      return null;
    }
  }
  return null;
}

/** Asks the host of the session that this process runs in, one connection a question; no answer is a refusal. */
export function hostAsker(surface: string, deadlineMs: number): Asker {
  return {
    ask(question, onWaiting) {
      const socket = connect(surface);
      let settled = false;
      let timer: NodeJS.Timeout | undefined;
      const ruled = new Promise<Result<Ruling, string>>((resolve) => {
        const finish = (result: Result<Ruling, string>) => {
          if (settled) return;
          settled = true;
          clearTimeout(timer);
          if (!result.ok) socket.destroy();
          resolve(result);
        };
        const patience = (ms: number) => {
          clearTimeout(timer);
          timer = setTimeout(() => finish(err(GONE)), ms);
        };
        const hear = (fields: readonly Field[]) => {
          const text = fields.find(({ tag }) => tag === 'J')?.bytes.toString('utf8') ?? null;
          // A host that refuses the question itself answers as it does a shim.
          if (text === null)
            return finish(
              err(
                fields
                  .find(({ tag }) => tag === 'm')
                  ?.bytes.toString('utf8')
                  .trim() || GONE,
              ),
            );
          const reply = parseLine(text, submitReplySchema);
          if (!reply.ok) return finish(err(text.includes('"failed"') ? failureIn(text) : GONE));
          if (reply.value.type === 'waiting') {
            patience(Math.max(0, reply.value.deadline - Date.now()) + deadlineMs);
            return onWaiting(reply.value);
          }
          if (reply.value.type !== 'decision') return finish(err(GONE));
          return finish(
            ok({
              decision: reply.value,
              end: (ending, returned) =>
                void socket.end(
                  encodeFrame([
                    field('J', JSON.stringify({ ending, ...(returned === undefined ? {} : { returned }) })),
                  ]),
                ),
            }),
          );
        };
        const reader = createFrameReader(hear);
        socket.on('data', (chunk) => {
          if (!reader.push(chunk)) finish(err(GONE));
        });
        socket.on('error', () => finish(err(GONE)));
        socket.on('close', () => finish(err(GONE)));
        const text = JSON.stringify(question);
        if (text.length > MAX_QUESTION_TEXT)
          return finish(
            err(`it is ${text.length} characters long; at most ${MAX_QUESTION_TEXT} can be judged`),
          );
        patience(deadlineMs);
        socket.write(encodeFrame([field('k', 'mcp'), field('q', String(process.pid)), field('J', text)]));
      });
      return { ruled, cancel: () => void (settled ? undefined : socket.destroy()) };
    },
  };
}

function failureIn(text: string): string {
  try {
    const { message } = JSON.parse(text) as { readonly message?: unknown };
    return typeof message === 'string' ? message : GONE;
  } catch {
    return GONE;
  }
}
