import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { CAN_BE_ROOT, guardStage } from './stage.ts';

const VERSION = '2.1.329';

test('a whole turn of Claude Code, whose model is a script, needs nobody', async () => {
  const stage = guardStage();
  try {
    await turn(stage);
  } finally {
    stage.close();
  }
});

async function turn(stage: ReturnType<typeof guardStage>): Promise<void> {
  // A person who has used it before: its folder and its settings are there.
  stage.folder(join(stage.home, '.claude'));
  stage.put(join(stage.home, '.claude.json'), '{"hasCompletedOnboarding":true}\n', 0o600);
  await stage.startDaemon();
  const claude = claudeCode();
  const cwd = stage.work;
  let turns = 0;
  const model = createServer((request, response) => {
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
      const asked = JSON.parse(text) as Record<string, unknown>;
      turns += 1;
      answerAsModel(asked, (event, data) =>
        response.write(`event: ${event}\ndata: ${JSON.stringify({ type: event, ...data })}\n\n`),
      );
      response.end();
    });
  });
  await new Promise<void>((done) => model.listen(0, '127.0.0.1', done));
  const address = model.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const done = await stage.cli(['run', '--', claude, '-p', 'write the file', '--allowedTools', 'Bash'], {
    cwd,
    env: {
      ANTHROPIC_API_KEY: 'x',
      ANTHROPIC_BASE_URL: `http://127.0.0.1:${port}`,
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
      DISABLE_AUTOUPDATER: '1',
    },
  });
  model.close();
  model.closeAllConnections();
  assert.equal(done.code, 0, `${done.stdout}\n${done.stderr}`);
  assert.match(done.stdout, /all done/);
  assert.equal(readFileSync(join(cwd, 'out.txt'), 'utf8'), 'from-agent\n');
  assert.ok(turns >= 2);
  const stopped = await stage.stopped(0);
  assert.deepEqual(stopped.rows, []);
}

/** One tool call, then the end. */
function answerAsModel(
  asked: Readonly<Record<string, unknown>>,
  send: (event: string, data: Readonly<Record<string, unknown>>) => void,
): void {
  const messages = JSON.stringify(asked['messages'] ?? []);
  const tools = JSON.stringify(asked['tools'] ?? []);
  const calls = tools.includes('"Bash"') && !messages.includes('tool_result');
  const usage = { input_tokens: 1, output_tokens: 1 };
  send('message_start', {
    message: {
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      model: asked['model'],
      content: [],
      stop_reason: null,
      usage,
    },
  });
  const input = { command: 'echo from-agent > ./out.txt', description: 'writes a file' };
  send('content_block_start', {
    index: 0,
    content_block: calls
      ? { type: 'tool_use', id: 'toolu_01', name: 'Bash', input: {} }
      : { type: 'text', text: '' },
  });
  send('content_block_delta', {
    index: 0,
    delta: calls
      ? { type: 'input_json_delta', partial_json: JSON.stringify(input) }
      : { type: 'text_delta', text: 'all done' },
  });
  send('content_block_stop', { index: 0 });
  send('message_delta', {
    delta: { stop_reason: calls ? 'tool_use' : 'end_turn' },
    usage: { output_tokens: 5 },
  });
  send('message_stop', {});
}

/** The real program, from the npm registry, kept between runs of the tests; everybody may run it. */
function claudeCode(): string {
  const cache = CAN_BE_ROOT ? '/var/cache' : join(homedir(), '.cache');
  const folder = join(cache, 'countersign-test', `claude-code-${VERSION}`);
  const found = join(folder, 'node_modules/@anthropic-ai/claude-code/bin/claude.exe');
  if (existsSync(found)) return found;
  mkdirSync(folder, { recursive: true });
  const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  execFileSync('npm', ['i', '--prefix', folder, ...options, `@anthropic-ai/claude-code@${VERSION}`], {
    stdio: ['ignore', 'ignore', 'inherit'],
    timeout: 300_000,
    cwd: tmpdir(),
  });
  const root = dirname(dirname(found));
  execFileSync(process.execPath, [join(root, 'install.cjs')], { cwd: root, stdio: 'inherit' });
  return found;
}
