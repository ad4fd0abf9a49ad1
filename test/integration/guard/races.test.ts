import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { compile, type GuardStage, guardStage } from './stage.ts';

const POLICY = `pack: races
version: "1.0.0"
rules:
  - id: races/program
    title: The forbidden program
    why: the test denies it
    class: deny
    priority: 1000
    match: { programs: [csn-denied] }
  - id: races/argument
    title: The forbidden argument
    why: the test denies it
    class: deny
    priority: 1000
    match: { programs: [csn-benign] }
    when: command.args.exists(a, a.contains("bbbb"))
  - id: races/outside
    title: Changes outside the workspace
    why: the test denies it
    class: deny
    priority: 1000
    match: { surfaces: [guard], tools: [file], effects: [write] }
    when: effect.known && effect.object_kind == "path" && !has_any(effect.labels, ["workspace"])
  - id: races/network
    title: Connections that nobody asked for
    why: the test denies it
    class: deny
    priority: 1000
    match: { tools: [network] }
`;

interface Counted {
  readonly harmless: number;
  readonly forbidden: number;
  readonly refused: number;
}

describe('a second thread that rewrites what was judged', () => {
  let stage: GuardStage;
  before(async () => {
    stage = guardStage();
    compile('race', join(stage.tools, 'race'));
    for (const name of ['csn-denied', 'csn-benign']) compile('tool', join(stage.tools, name));
    stage.put(join(stage.work, 'file'), 'Harmless\n');
    stage.put(join(stage.home, 'file'), 'Forbidden\n');
    stage.put(join(stage.own, 'config/policies/races.yaml'), POLICY);
    await stage.startDaemon();
  });
  after(() => stage.close());

  const race = async (
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<Counted> => {
    const done = await stage.cli(['run', '--', join(stage.tools, 'race'), ...args], { env });
    const found = /^harmless (\d+) forbidden (\d+) refused (\d+)$/m.exec(done.stdout);
    assert.ok(found, `${done.stdout}${done.stderr}`);
    return { harmless: Number(found[1]), forbidden: Number(found[2]), refused: Number(found[3]) };
  };
  /** Both sides were really met, or nothing was raced. */
  const never = (counted: Counted) => {
    assert.equal(counted.forbidden, 0, JSON.stringify(counted));
    assert.ok(counted.harmless > 0 && counted.refused > 0, JSON.stringify(counted));
  };

  test('never opens the file that was not judged', async () => {
    never(await race(['open', join(stage.work, 'file'), join(stage.home, 'file'), '3000']));
  });

  test('never runs the program that was not judged', async () => {
    never(await race(['exec', join(stage.tools, 'csn-benign'), join(stage.tools, 'csn-denied'), '200']));
  });

  test('never runs a program with words that were not judged', async () => {
    never(await race(['argv', join(stage.tools, 'csn-benign'), '200']));
  });

  test('never connects to the port that was not judged', async () => {
    let forbidden = 0;
    const servers = await Promise.all([0, 1].map((which) => listening(() => (forbidden += which))));
    const [one = 0, other = 0] = servers.map(({ port }) => port);
    never(
      await race(['connect', String(one), String(other), '1000'], { THE_URL: `http://127.0.0.1:${one}/` }),
    );
    for (const { server } of servers) server.close();
    assert.equal(forbidden, 0);
  });
});

function listening(heard: () => void): Promise<{ readonly server: Server; readonly port: number }> {
  return new Promise((done) => {
    const server = createServer((socket) => {
      heard();
      socket.on('error', () => undefined);
      socket.resume();
    });
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      done({ server, port: typeof address === 'object' && address !== null ? address.port : 0 });
    });
  });
}
