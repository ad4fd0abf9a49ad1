// Real published MCP servers and the official clients of both lines of the protocol, through the bridge.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { type Installation, installation } from '../../support/installation.ts';
import { CLI, mcpPackages } from '../../support/mcp.ts';

interface Answer {
  readonly content: readonly { readonly type: string; readonly text?: string }[];
  readonly isError?: boolean;
}
interface Client {
  connect(transport: unknown): Promise<void>;
  listTools(): Promise<{ readonly tools: readonly { readonly name: string }[] }>;
  callTool(call: { readonly name: string; readonly arguments: object }): Promise<Answer>;
  listResources(): Promise<{ readonly resources: readonly { readonly uri: string }[] }>;
  readResource(read: { readonly uri: string }): Promise<{ readonly contents: readonly object[] }>;
  listPrompts(): Promise<{ readonly prompts: readonly { readonly name: string }[] }>;
  getPrompt(prompt: { readonly name: string }): Promise<{ readonly messages: readonly object[] }>;
  close(): Promise<void>;
}
type Make<T> = new (...args: readonly unknown[]) => T;

let stage: Installation;
let modules: string;

before(async () => {
  modules = mcpPackages();
  stage = installation();
  await stage.startDaemon();
});
after(() => stage.dispose());

async function load<T>(path: string, name: string): Promise<Make<T>> {
  const loaded = (await import(pathToFileURL(join(modules, path)).href)) as Record<string, Make<T>>;
  const found = loaded[name];
  assert.ok(found, `${name} in ${path}`);
  return found;
}

/** A connected client of the first (`v1`, session-based) or second line (`v2`, which negotiates). */
async function connected(line: 'v1' | 'v2', words: readonly string[], bridged = true): Promise<Client> {
  const [MakeClient, MakeTransport] =
    line === 'v1'
      ? [
          await load<Client>('sdk/dist/esm/client/index.js', 'Client'),
          await load<object>('sdk/dist/esm/client/stdio.js', 'StdioClientTransport'),
        ]
      : [
          await load<Client>('client/dist/index.mjs', 'Client'),
          await load<object>('client/dist/stdio.mjs', 'StdioClientTransport'),
        ];
  const client = new MakeClient(
    { name: 'test', version: '1' },
    line === 'v1' ? {} : { versionNegotiation: { mode: 'auto' } },
  );
  const args = bridged ? [CLI, 'mcp', '--wait', '1', '--', process.execPath, ...words] : words;
  await client.connect(
    new MakeTransport({
      command: process.execPath,
      args,
      env: { ...stage.env },
      cwd: stage.work,
      stderr: 'ignore',
    }),
  );
  return client;
}

const filesystem = (...folders: readonly string[]) => [
  join(modules, 'server-filesystem/dist/index.js'),
  ...folders,
];
const everything = () => [join(modules, 'server-everything/dist/index.js'), 'stdio'];

for (const line of ['v1', 'v2'] as const)
  test(`the file server and the official client (${line}): work goes on, and what is denied is not in the world`, async () => {
    const client = await connected(line, filesystem(stage.home, stage.work));
    try {
      assert.ok((await client.listTools()).tools.length >= 10);
      const path = join(stage.work, `${line}.txt`);
      const written = await client.callTool({
        name: 'write_file',
        arguments: { path, content: 'by a tool' },
      });
      assert.notEqual(written.isError, true, JSON.stringify(written));
      assert.equal(readFileSync(path, 'utf8'), 'by a tool');
      const read = await client.callTool({ name: 'read_text_file', arguments: { path } });
      assert.match(JSON.stringify(read.content), /by a tool/);
      mkdirSync(join(stage.home, '.ssh'), { recursive: true });
      const keys = join(stage.home, '.ssh', 'authorized_keys');
      const denied = await client.callTool({
        name: 'write_file',
        arguments: { path: keys, content: 'ssh-ed25519 AAAA' },
      });
      assert.equal(denied.isError, true);
      assert.match(JSON.stringify(denied.content), /Denied by Countersign/);
      assert.equal(existsSync(keys), false);
      writeFileSync(join(stage.home, '.ssh', 'id_ed25519'), 'the private half');
      const secret = await client.callTool({
        name: 'read_text_file',
        arguments: { path: join(stage.home, '.ssh', 'id_ed25519') },
      });
      assert.doesNotMatch(JSON.stringify(secret), /the private half/);
    } finally {
      await client.close();
    }
  });

test('the server of everything: what passes without the bridge passes with it', async () => {
  const through = await connected('v1', everything());
  const direct = await connected('v1', everything(), false);
  try {
    const both = async <T>(ask: (client: Client) => Promise<T>) => {
      const [a, b] = [await ask(through), await ask(direct)];
      assert.deepEqual(a, b);
      return a;
    };
    await both((client) => client.listTools());
    await both((client) =>
      client.callTool({ name: 'echo', arguments: { message: 'héllo \u2028 \ud83d\ude00' } }),
    );
    await both((client) => client.callTool({ name: 'get-sum', arguments: { a: 1, b: 2 } }));
    await both((client) => client.callTool({ name: 'get-tiny-image', arguments: {} }));
    const { resources } = await both((client) => client.listResources());
    await both((client) => client.readResource({ uri: resources[0]?.uri ?? '' }));
    await both((client) => client.listPrompts());
    await both((client) => client.getPrompt({ name: 'simple-prompt' }));
    const wrong = await through.callTool({ name: 'get-sum', arguments: { a: 'one' } });
    assert.match(JSON.stringify(wrong), /mcp\.invalid-arguments/);
    assert.match(JSON.stringify(wrong), /a is not `number`/);
  } finally {
    await through.close();
    await direct.close();
  }
});

test('a server of the stateless revision and its client: no handshake, and the same judgement', async () => {
  const file = join(stage.root, 'stateless.mjs');
  const at = (path: string) => JSON.stringify(pathToFileURL(join(modules, path)).href);
  writeFileSync(
    file,
    `import { McpServer } from ${at('server/dist/index.mjs')};
import { serveStdio } from ${at('server/dist/stdio.mjs')};
import { z } from ${at('../zod/index.js')};
import { writeFileSync } from 'node:fs';
serveStdio(() => {
  const s = new McpServer({ name: 'stateless', version: '1' });
  s.registerTool('echo', { description: 'Says it again.', inputSchema: z.object({ t: z.string() }) }, async ({ t }) => ({ content: [{ type: 'text', text: t }] }));
  s.registerTool('delete_account', { description: 'Deletes an account.', inputSchema: z.object({ t: z.string() }) }, async ({ t }) => { writeFileSync(t, 'gone'); return { content: [{ type: 'text', text: 'gone' }] }; });
  return s;
});
`,
  );
  const client = await connected('v2', [file]);
  try {
    assert.equal((await client.listTools()).tools.length, 2);
    const said = await client.callTool({ name: 'echo', arguments: { t: 'again' } });
    assert.match(JSON.stringify(said.content), /again/);
    const mark = join(stage.work, 'gone.txt');
    const denied = await client.callTool({ name: 'delete_account', arguments: { t: mark } });
    assert.equal(denied.isError, true);
    assert.match(JSON.stringify(denied.content), /Denied by Countersign/);
    assert.equal(existsSync(mark), false);
  } finally {
    await client.close();
  }
});
