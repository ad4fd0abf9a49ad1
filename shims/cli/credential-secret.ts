import { err, ok, type Result } from '../../electron/core/result.ts';

const MAX_SECRET = 65_536;

/**
 * Reads a secret: on a terminal without showing it, else all of standard input. Never from the command line, which every process of the
 * machine can read and shells write down.
 */
export async function readSecret(prompt: string): Promise<Result<string, string>> {
  const text = process.stdin.isTTY ? await askHidden(prompt) : await readAll();
  if (text === null) return err('nothing was given');
  // A pasted key of several lines keeps its lines and loses what comes after it.
  const secret = text.replace(/^\s+|\s+$/g, '');
  if (secret === '') return err('nothing was given');
  return secret.length > MAX_SECRET ? err('that is longer than any secret') : ok(secret);
}

async function readAll(): Promise<string | null> {
  let text = '';
  process.stdin.setEncoding('utf8');
  for await (const chunk of process.stdin) {
    text += chunk;
    if (text.length > MAX_SECRET * 2) return text;
  }
  return text;
}

/** Reads one line without echo; null when the person ended it with Ctrl-C or Ctrl-D. */
function askHidden(prompt: string): Promise<string | null> {
  const { stdin, stderr } = process;
  return new Promise((resolve) => {
    let text = '';
    stderr.write(prompt);
    stdin.setRawMode(true);
    stdin.setEncoding('utf8');
    stdin.resume();
    const finish = (answer: string | null) => {
      stdin.off('data', onData);
      stdin.setRawMode(false);
      stdin.pause();
      stderr.write('\n');
      resolve(answer);
    };
    const onData = (chunk: string) => {
      for (const char of chunk) {
        if (char === '\u0003') return finish(null);
        if (char === '\r' || char === '\n' || char === '\u0004') return finish(text === '' ? null : text);
        if (char === '\u007f' || char === '\b') text = text.slice(0, -1);
        else if (char === '\u0015') text = '';
        else if (char >= ' ' && text.length <= MAX_SECRET) text += char;
      }
    };
    stdin.on('data', onData);
  });
}
