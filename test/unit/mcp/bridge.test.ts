// The bridge alone, between a client and a server that are both words of this test; the decider is one, too.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { JsonObject } from '../../../electron/core/brand.ts';
import { err, ok, type Result } from '../../../electron/core/result.ts';
import type { McpQuestion, Returned } from '../../../electron/wire/mcp/envelope.ts';
import type { CallEnding, Ruling } from '../../../shims/mcp/asker.ts';
import { createBridge } from '../../../shims/mcp/bridge.ts';
import { lineReader } from '../../../shims/mcp/lines.ts';
import type { Decided, Waiting } from '../../../shims/shell/answer.ts';

const server = {
  name: 'files',
  command: ['/opt/files'],
  package: null,
  version: null,
  build: null,
  url: null,
};

function decision(result: Decided['result'], more: Partial<Decided> = {}): Decided {
  return {
    v: 1,
    type: 'decision',
    request: '0',
    action: 'act_1',
    result,
    decided: result,
    rule: result === 'DENY' ? 'test.rule' : null,
    reason: result === 'DENY' ? 'because' : 'fine',
    instead: null,
    command_line: null,
    argv: null,
    effect: false,
    receipt: 'rct_1',
    ...more,
  };
}

/** A member that is an object; empty where there is none. */
function part(message: unknown, name: string): JsonObject {
  const member = (message as Record<string, unknown> | undefined)?.[name];
  return typeof member === 'object' && member !== null ? (member as JsonObject) : {};
}

interface Question {
  readonly question: McpQuestion;
  readonly wait: (waiting?: Partial<Waiting>) => void;
  readonly answer: (decided: Decided) => void;
  readonly fail: (why: string) => void;
  cancelled: boolean;
}

/** `auto`: what is answered at once; null leaves it to the test. */
function stage(auto: (question: McpQuestion) => Decided | null = () => decision('ALLOW')) {
  const client: JsonObject[] = [];
  const toServer: string[] = [];
  const said: string[] = [];
  const questions: Question[] = [];
  const ends: { ending: CallEnding; returned: Returned | undefined }[] = [];
  const timers: { ms: number; run: () => void }[] = [];
  const bridge = createBridge({
    server,
    cwd: '/w',
    pid: 1,
    asker: {
      ask(question, onWaiting) {
        let resolve: (result: Result<Ruling, string>) => void = () => undefined;
        const ruled = new Promise<Result<Ruling, string>>((r) => {
          resolve = r;
        });
        const asked: Question = {
          question,
          cancelled: false,
          wait: (waiting = {}) =>
            onWaiting({
              v: 1,
              type: 'waiting',
              request: '0',
              action: 'act_1',
              state: 'STEP_UP',
              reason: 'asked',
              rule: 'test.ask',
              approval: 'abcd',
              deadline: 1000,
              ...waiting,
            }),
          answer: (decided) =>
            resolve(
              ok({ decision: decided, end: (ending, returned) => void ends.push({ ending, returned }) }),
            ),
          fail: (why) => resolve(err(why)),
        };
        questions.push(asked);
        const at = auto(question);
        if (at !== null) asked.answer(at);
        return {
          ruled,
          cancel: () => {
            asked.cancelled = true;
            asked.answer(decision('DENY'));
          },
        };
      },
    },
    toClient: (line) => void client.push(JSON.parse(line.toString()) as JsonObject),
    toServer: (line) => void toServer.push(line.toString()),
    say: (line) => void said.push(line),
    now: () => 0,
    after: (ms, run) => {
      const timer = { ms, run };
      timers.push(timer);
      return () => void timers.splice(timers.indexOf(timer) >>> 0, 1);
    },
    patienceMs: 50_000,
  });
  const settle = () => new Promise((r) => setImmediate(r));
  return {
    bridge,
    client,
    toServer,
    said,
    questions,
    ends,
    timers,
    settle,
    async fromClient(message: JsonObject | string) {
      bridge.onClientLine(Buffer.from(typeof message === 'string' ? message : JSON.stringify(message)));
      await settle();
    },
    async fromServer(message: JsonObject | string) {
      bridge.onServerLine(Buffer.from(typeof message === 'string' ? message : JSON.stringify(message)));
      await settle();
    },
    /** A server that was listed, with these tools. */
    async listed(...names: string[]) {
      await this.fromClient({ jsonrpc: '2.0', id: 'l', method: 'tools/list' });
      toServer.length = 0;
      await this.fromServer({
        jsonrpc: '2.0',
        id: 'l',
        result: { tools: names.map((name) => ({ name, inputSchema: { type: 'object' } })) },
      });
      client.length = 0;
      questions.length = 0;
      ends.length = 0;
    },
  };
}

const call = (id: number, more: JsonObject = {}): JsonObject => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name: 'echo', arguments: { a: 1 }, ...more },
});

describe('calls', () => {
  test('an allowed call is passed on to the byte, and its answer, too', async () => {
    const s = stage();
    await s.listed('echo');
    const odd =
      '{ "id" :7, "jsonrpc":"2.0","params":{"arguments":{"a":1.0},"name":"echo"},"method":"tools\\/call"}';
    await s.fromClient(odd);
    assert.deepEqual(s.toServer, [odd]);
    await s.fromServer({ jsonrpc: '2.0', id: 7, result: { content: [{ type: 'text', text: 'said' }] } });
    assert.equal(s.client.length, 1);
    assert.equal(s.ends[0]?.returned?.source, 'mcp:files/echo');
    assert.match(s.ends[0]?.returned?.text ?? '', /said/);
  });
  test('a denied call never reaches the server, and the model reads why', async () => {
    const s = stage(({ operation }) =>
      decision(operation === 'call' ? 'DENY' : 'ALLOW', { instead: 'do less' }),
    );
    await s.listed('echo');
    await s.fromClient(call(1));
    assert.deepEqual(s.toServer, []);
    const result = s.client[0]?.result as JsonObject;
    assert.equal(result.isError, true);
    assert.match(JSON.stringify(result.content), /because.*test\.rule.*do less/);
  });
  test('a denial in the stateless revision says its type', async () => {
    const s = stage(({ operation }) => decision(operation === 'call' ? 'DENY' : 'ALLOW'));
    await s.listed('echo');
    await s.fromClient(call(1, { _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' } }));
    assert.equal(part(s.client[0], 'result').resultType, 'complete');
  });
  test('a call that was to become a task is denied with an error', async () => {
    const s = stage(({ operation }) => decision(operation === 'call' ? 'DENY' : 'ALLOW'));
    await s.listed('echo');
    await s.fromClient(call(1, { task: { ttl: 1 } }));
    assert.ok(s.client[0]?.error !== undefined);
  });
  test('a decider that does not answer is a denial', async () => {
    const s = stage(({ operation }) => (operation === 'call' ? null : decision('ALLOW')));
    await s.listed('echo');
    await s.fromClient(call(1));
    s.questions[0]?.fail('the daemon is gone');
    await s.settle();
    assert.deepEqual(s.toServer, []);
    assert.match(JSON.stringify(s.client), /the daemon is gone/);
  });
  test('a changed call is made with the other arguments, and never with its own', async () => {
    const s = stage(({ operation }) =>
      operation === 'call' ? decision('MODIFY', { arguments: '{"a":0}' }) : decision('ALLOW'),
    );
    await s.listed('echo');
    await s.fromClient(call(1));
    assert.deepEqual(JSON.parse(s.toServer[0] ?? ''), call(1, { arguments: { a: 0 } }));
    const without = stage(({ operation }) => decision(operation === 'call' ? 'MODIFY' : 'ALLOW'));
    await without.listed('echo');
    await without.fromClient(call(1));
    assert.deepEqual(without.toServer, []);
    assert.equal(part(without.client[0], 'result').isError, true);
  });
  test('a tool that was not listed is looked up before it is called', async () => {
    const s = stage();
    await s.fromClient(call(1));
    const own = JSON.parse(s.toServer[0] ?? '{}') as JsonObject;
    assert.equal(own.method, 'tools/list');
    await s.fromServer({
      jsonrpc: '2.0',
      id: own.id ?? 0,
      result: { tools: [{ name: 'echo', inputSchema: {} }] },
    });
    await s.settle();
    assert.deepEqual(
      s.questions.map(({ question }) => question.operation),
      ['define', 'call'],
    );
    assert.deepEqual(JSON.parse(s.toServer[1] ?? ''), call(1));
    assert.deepEqual(s.client, []);
  });
  test('resources and prompts are asked about, and a method that nobody knows', async () => {
    const s = stage(() => decision('DENY'));
    await s.fromClient({ jsonrpc: '2.0', id: 1, method: 'resources/read', params: { uri: 'file:///x' } });
    await s.fromClient({ jsonrpc: '2.0', id: 2, method: 'prompts/get', params: { name: 'p' } });
    await s.fromClient({ jsonrpc: '2.0', id: 3, method: 'x/y', params: {} });
    await s.fromClient({ jsonrpc: '2.0', id: 4, method: 'resources/read', params: {} });
    assert.deepEqual(s.toServer, []);
    assert.deepEqual(
      s.client.map(({ id, error }) => [id, error !== undefined]),
      [
        [1, true],
        [2, true],
        [3, true],
        [4, true],
      ],
    );
  });
  test('a thousand calls at once are answered once each, in order', async () => {
    const s = stage();
    await s.listed('echo');
    for (let id = 0; id < 1000; id += 1) s.bridge.onClientLine(Buffer.from(JSON.stringify(call(id))));
    await s.settle();
    assert.deepEqual(
      s.toServer.map((line) => (JSON.parse(line) as JsonObject).id),
      Array.from({ length: 1000 }, (_, id) => id),
    );
    for (let id = 999; id >= 0; id -= 1)
      s.bridge.onServerLine(Buffer.from(JSON.stringify({ jsonrpc: '2.0', id, result: { content: [] } })));
    await s.settle();
    assert.equal(new Set(s.client.map(({ id }) => id)).size, 1000);
    assert.equal(s.client.length, 1000);
  });
});

describe('waiting for a person', () => {
  const waits = () => stage(({ operation }) => (operation === 'call' ? null : decision('ALLOW')));
  test('a client that asked for it hears that it goes on', async () => {
    const s = waits();
    await s.listed('echo');
    await s.fromClient(call(1, { _meta: { progressToken: 'p' } }));
    s.questions[0]?.wait();
    s.timers.find(({ ms }) => ms === 5000)?.run();
    const beats = s.client.map(({ params }) => params as JsonObject);
    assert.deepEqual(
      beats.map(({ progressToken }) => progressToken),
      ['p', 'p'],
    );
    assert.ok(Number(beats[1]?.progress) > Number(beats[0]?.progress));
    s.questions[0]?.answer(decision('ALLOW'));
    await s.settle();
    assert.equal(s.toServer.length, 1);
  });
  test('one that did not is answered before it gives up, and the question is withdrawn', async () => {
    const s = waits();
    await s.listed('echo');
    await s.fromClient(call(1));
    s.questions[0]?.wait();
    s.timers.find(({ ms }) => ms === 50_000)?.run();
    await s.settle();
    assert.equal(s.questions[0]?.cancelled, true);
    assert.deepEqual(s.toServer, []);
    assert.equal(s.client.length, 1);
  });
  test('a call that the client took back is withdrawn, and an answer that comes then runs nothing', async () => {
    const s = waits();
    await s.listed('echo');
    await s.fromClient(call(1));
    s.questions[0]?.wait();
    await s.fromClient({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } });
    assert.equal(s.questions[0]?.cancelled, true);
    s.questions[0]?.answer(decision('ALLOW'));
    await s.settle();
    assert.deepEqual(s.toServer, []);
    assert.deepEqual(s.client, []);
  });
});

describe('lists of tools', () => {
  const tools = [
    { name: 'good', inputSchema: {} },
    { name: 'bad', inputSchema: {} },
  ];
  const ask = async (s: ReturnType<typeof stage>) => {
    await s.fromClient({ jsonrpc: '2.0', id: 1, method: 'tools/list' });
    await s.fromServer({ jsonrpc: '2.0', id: 1, result: { tools, nextCursor: 'n' } });
  };
  const names = (message: JsonObject | undefined) =>
    (part(message, 'result').tools as readonly JsonObject[]).map(({ name }) => name);

  test('what waits for a person is not shown until it was allowed, and the client hears of it then', async () => {
    const s = stage(() => null);
    await ask(s);
    assert.deepEqual(s.client, []);
    s.questions[0]?.wait({ withheld: ['bad'] });
    await s.settle();
    assert.deepEqual(names(s.client[0]), ['good']);
    assert.equal(part(s.client[0], 'result').nextCursor, 'n');
    s.questions[0]?.answer(decision('ALLOW'));
    await s.settle();
    assert.equal(part(s.client, '1').method, 'notifications/tools/list_changed');
    await s.fromClient({ jsonrpc: '2.0', id: 2, method: 'tools/list' });
    await s.fromServer({ jsonrpc: '2.0', id: 2, result: { tools } });
    assert.deepEqual(names(s.client[2]), ['good', 'bad']);
    assert.equal(s.questions.length, 1);
  });
  test('what was denied stays away, and nothing is shown when nobody decides', async () => {
    const denied = stage(() => decision('DENY', { withheld: ['bad'] }));
    await ask(denied);
    assert.deepEqual(names(denied.client[0]), ['good']);
    const gone = stage(() => null);
    await ask(gone);
    gone.questions[0]?.fail('gone');
    await gone.settle();
    assert.ok(gone.client[0]?.error !== undefined);
  });
});

describe('a server that lies', () => {
  test('answers what nobody asked, twice, or before it was asked: none of it reaches the client', async () => {
    const s = stage(({ operation }) => (operation === 'call' ? null : decision('ALLOW')));
    await s.listed('echo');
    await s.fromServer({ jsonrpc: '2.0', id: 99, result: {} });
    await s.fromClient(call(1));
    await s.fromServer({ jsonrpc: '2.0', id: 1, result: { content: [{ type: 'text', text: 'early' }] } });
    assert.deepEqual(s.client, []);
    s.questions[0]?.answer(decision('ALLOW'));
    await s.settle();
    await s.fromServer({ jsonrpc: '2.0', id: '1', result: {} });
    assert.deepEqual(s.client, []);
    await s.fromServer({ jsonrpc: '2.0', id: 1, result: { content: [] } });
    await s.fromServer({ jsonrpc: '2.0', id: 1, result: { content: [{ type: 'text', text: 'again' }] } });
    assert.equal(s.client.length, 1);
    assert.equal(s.said.length, 4);
  });
  test('says what is no message: it is left out and the next one is heard', async () => {
    const s = stage();
    await s.fromServer('Server started!');
    s.bridge.onServerLine(Buffer.from([0xff, 0xfe]));
    await s.fromServer('[{"jsonrpc":"2.0","method":"x"}]');
    assert.deepEqual(s.client, []);
    await s.fromServer({ jsonrpc: '2.0', method: 'notifications/message', params: {} });
    assert.equal(s.client.length, 1);
  });
  test('asks the client to sample, to elicit or for its roots: judged, and declined in the words of each', async () => {
    const s = stage(() => decision('DENY'));
    await s.fromServer({ jsonrpc: '2.0', id: 1, method: 'sampling/createMessage', params: { messages: [] } });
    await s.fromServer({
      jsonrpc: '2.0',
      id: 2,
      method: 'elicitation/create',
      params: { message: 'password?' },
    });
    await s.fromServer({ jsonrpc: '2.0', id: 3, method: 'roots/list' });
    assert.deepEqual(s.client, []);
    const [sampling, elicitation, roots] = s.toServer.map((line) => JSON.parse(line) as JsonObject);
    assert.equal(part(sampling, 'error').code, -1);
    assert.deepEqual(elicitation?.result, { action: 'decline' });
    assert.ok(roots?.error !== undefined);
  });
  test('asks by a result (stateless): nothing of it is shown when it is denied', async () => {
    const s = stage(({ operation }) => decision(operation === 'request' ? 'DENY' : 'ALLOW'));
    await s.listed('echo');
    await s.fromClient(call(1));
    const inputRequests = { a: { method: 'sampling/createMessage', params: {} } };
    await s.fromServer({ jsonrpc: '2.0', id: 1, result: { resultType: 'input_required', inputRequests } });
    assert.equal(part(s.client[0], 'result').isError, true);
  });
  test('dies: each open request is answered with an error, once', async () => {
    const s = stage();
    await s.listed('echo');
    await s.fromClient(call(1));
    s.bridge.onServerEnd('the server ended');
    await s.fromClient(call(2));
    assert.deepEqual(
      s.client.map(({ id, error }) => [id, error !== undefined]),
      [
        [1, true],
        [2, true],
      ],
    );
    assert.equal(s.ends[0]?.ending.kind, 'unknown');
  });
});

describe('a client that lies', () => {
  test('an id that is in use is not passed on', async () => {
    const s = stage();
    await s.listed('echo');
    await s.fromClient(call(1));
    await s.fromClient(call(1, { arguments: { a: 2 } }));
    assert.equal(s.toServer.length, 1);
  });
  test('an answer to what nobody asked is not passed on', async () => {
    const s = stage();
    await s.fromClient({ jsonrpc: '2.0', id: 1, result: {} });
    assert.deepEqual(s.toServer, []);
  });
  test('what is no message is answered with an error, a batch too', async () => {
    const s = stage();
    await s.fromClient('nonsense');
    await s.fromClient('[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"}}]');
    await s.fromClient('{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}');
    assert.deepEqual(s.toServer, []);
    assert.equal(s.client.filter(({ error }) => error !== undefined).length, 3);
  });
});

test('the reader of lines keeps bytes as they are, over any cuts, and stops at a line without an end', () => {
  const seen: string[] = [];
  const read = lineReader((line) => void seen.push(line.toString('latin1')));
  for (const byte of Buffer.from('a\r\n\n\xff b\nlast', 'latin1')) assert.ok(read(Buffer.from([byte])));
  assert.deepEqual(seen, ['a', '\xff b']);
  const endless = lineReader(() => undefined);
  const piece = Buffer.alloc(16 * 1024 * 1024, 97);
  assert.deepEqual(
    [1, 2, 3, 4, 5].map(() => endless(piece)),
    [true, true, true, true, false],
  );
});
