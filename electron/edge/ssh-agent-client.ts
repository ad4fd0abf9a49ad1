import { createConnection } from 'node:net';
import { err, ok, type Result } from '../core/result.ts';
import { MAX_AGENT_MESSAGE, readSignAnswer, signRequest } from '../wire/ssh/agent-message.ts';

/** So long a person's agent may take, in milliseconds: it may ask the person, or a token that has to be touched. */
const PATIENCE_MS = 60_000;

/** Has the person's own agent sign exactly these bytes; the signature's blob. It never hears of anything else. */
export function signWithAgent(
  path: string,
  key: Uint8Array,
  data: Uint8Array,
  flags: number,
  patienceMs: number = PATIENCE_MS,
): Promise<Result<Uint8Array, { readonly code: string; readonly message: string }>> {
  return new Promise((resolve) => {
    const socket = createConnection(path);
    let heard = Buffer.alloc(0);
    const end = (result: Result<Uint8Array, { readonly code: string; readonly message: string }>): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(result);
    };
    const fail = (message: string): void => end(err({ code: 'agent', message }));
    const timer = setTimeout(() => fail('the SSH agent did not answer in time'), patienceMs);
    socket.on('error', (error: NodeJS.ErrnoException) =>
      fail(`the SSH agent cannot be reached (${error.code ?? 'unknown'})`),
    );
    socket.on('close', () => fail('the SSH agent closed the connection'));
    socket.on('data', (chunk) => {
      heard = Buffer.concat([heard, chunk]);
      if (heard.length < 4) return;
      const size = heard.readUInt32BE(0);
      if (size > MAX_AGENT_MESSAGE) return fail('the SSH agent answered with too much');
      if (heard.length < 4 + size) return;
      const signature = readSignAnswer(heard.subarray(4, 4 + size));
      if (signature === null) fail('the SSH agent did not sign');
      else end(ok(new Uint8Array(signature)));
    });
    socket.write(signRequest(key, data, flags));
  });
}
