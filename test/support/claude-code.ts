import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const VERSION = '2.1.329';

/** One thing that the scripted model asks for, by tool. */
export interface ScriptedCall {
  readonly tool: string;
  readonly input: Readonly<Record<string, unknown>>;
}

/** A model that is a script: it asks for the given calls one turn after the other, then says `all done`. */
export interface ScriptedModel {
  readonly env: Readonly<Record<string, string>>;
  /** Everything that it was told as results of its calls, as JSON text. */
  readonly results: () => string;
  close(): void;
}

/** Starts a scripted model on loopback that speaks Anthropic Messages, streaming. */
export async function scriptedModel(calls: readonly ScriptedCall[]): Promise<ScriptedModel> {
  let results = '';
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (bytes: Buffer) => {
      text += bytes.toString();
    });
    request.on('end', () => {
      if (
        request.method !== 'POST' ||
        !request.url?.startsWith('/v1/messages') ||
        request.url.includes('count_tokens')
      ) {
        response.writeHead(request.url?.includes('count_tokens') ? 200 : 404).end('{"input_tokens":10}');
        return;
      }
      const asked = JSON.parse(text) as Readonly<Record<string, unknown>>;
      const messages = JSON.stringify(asked['messages'] ?? []);
      const withTools = JSON.stringify(asked['tools'] ?? []).includes('"Bash"');
      const turn = messages.split('"type":"tool_result"').length - 1;
      if (withTools) results = messages;
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      say(asked, withTools ? (calls[turn] ?? null) : null, turn, (event, data) =>
        response.write(`event: ${event}\ndata: ${JSON.stringify({ type: event, ...data })}\n\n`),
      );
      response.end();
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    env: {
      ANTHROPIC_API_KEY: 'x',
      ANTHROPIC_BASE_URL: `http://127.0.0.1:${port}`,
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
      DISABLE_AUTOUPDATER: '1',
    },
    results: () => results,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

function say(
  asked: Readonly<Record<string, unknown>>,
  call: ScriptedCall | null,
  turn: number,
  send: (event: string, data: Readonly<Record<string, unknown>>) => void,
): void {
  const usage = { input_tokens: 1, output_tokens: 1 };
  send('message_start', {
    message: {
      id: `msg_${turn}`,
      type: 'message',
      role: 'assistant',
      model: asked['model'],
      content: [],
      stop_reason: null,
      usage,
    },
  });
  send('content_block_start', {
    index: 0,
    content_block:
      call === null
        ? { type: 'text', text: '' }
        : { type: 'tool_use', id: `toolu_${turn}`, name: call.tool, input: {} },
  });
  send('content_block_delta', {
    index: 0,
    delta:
      call === null
        ? { type: 'text_delta', text: 'all done' }
        : { type: 'input_json_delta', partial_json: JSON.stringify(call.input) },
  });
  send('content_block_stop', { index: 0 });
  send('message_delta', {
    delta: { stop_reason: call === null ? 'end_turn' : 'tool_use' },
    usage: { output_tokens: 5 },
  });
  send('message_stop', {});
}

/** The real program, from the npm registry, kept between runs of the tests; everybody may run it. */
export function claudeCode(): string {
  const cache = process.getuid?.() === 0 ? '/var/cache' : join(homedir(), '.cache');
  const folder = join(cache, 'countersign-test', `claude-code-${VERSION}`);
  const found = join(folder, 'node_modules/@anthropic-ai/claude-code/bin/claude.exe');
  if (existsSync(found)) return found;
  mkdirSync(folder, { recursive: true });
  const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  execFileSync('npm', ['i', '--prefix', folder, ...options, `@anthropic-ai/claude-code@${VERSION}`], {
    stdio: ['ignore', 'ignore', 'inherit'],
    timeout: 250_000,
    cwd: tmpdir(),
  });
  const root = dirname(dirname(found));
  execFileSync(process.execPath, [join(root, 'install.cjs')], { cwd: root, stdio: 'inherit' });
  return found;
}
