import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { chmodSync, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { constants } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { collect } from '../surface-double.ts';
import { EXPECTED, type Expected, LANDLOCK_DIFFERS, ROOT_DIFFERS } from './expected.ts';
import { CAN_BE_ROOT, compile, type Finished, type GuardStage, guardStage, sessionBelow } from './stage.ts';

const POLICY = `pack: battery
version: "1.0.0"
rules:
  - id: battery/denied
    title: The program that the tests deny
    why: the test denies it
    class: deny
    priority: 1000
    match: { programs: [csn-denied] }
  - id: battery/outside
    title: Changes outside the workspace
    why: the test denies it
    class: deny
    priority: 1000
    match: { surfaces: [guard], tools: [file], effects: [write, delete, move, permission] }
    when: effect.known && effect.object_kind == "path" && !has_any(effect.labels, ["workspace"])
  - id: battery/network
    title: Connections that nobody asked for
    why: the test denies it
    class: deny
    priority: 1000
    match: { tools: [network] }
`;

const NAMES = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));

/** `errno 13` as people say it. */
function readable(result: string): string {
  return result.replace(/errno (\d+)/, (_, number: string) => NAMES.get(Number(number)) ?? `errno ${number}`);
}

/** What the host has that nobody in the session was told of. Notes whatever arrives. */
interface Services {
  readonly tcp: number;
  readonly udp: number;
  readonly abstract: string;
  readonly heard: string[];
  close(): void;
}

async function openServices(stage: GuardStage): Promise<Services> {
  const heard: string[] = [];
  const servers: Server[] = [];
  const listen = (name: string, at: number | string): Promise<Server> =>
    new Promise((done, failed) => {
      const server = createServer((socket) => {
        heard.push(name);
        socket.on('error', () => undefined);
        socket.resume();
      });
      servers.push(server);
      server.once('error', failed);
      const ready = () => done(server);
      if (typeof at === 'number') server.listen(at, '127.0.0.1', ready);
      else server.listen(at, ready);
    });
  const tcp = (await listen('tcp', 0)).address();
  const abstract = `csn-battery-${process.pid}-${stage.root.slice(-6)}`;
  await listen('abstract', `\0${abstract}`);
  for (const name of [
    'h/docker.sock',
    'h/rt/bus',
    'h/.ssh/agent.sock',
    'h/.cache/bus.sock',
    'w/outside.sock',
  ]) {
    const path = join(stage.root, name);
    stage.folder(join(path, '..'));
    await listen(name, path);
    chmodSync(path, 0o777);
  }
  const udp = createSocket('udp4');
  udp.on('message', (_, from) => {
    heard.push('udp');
    udp.send('heard', from.port, from.address);
  });
  await new Promise<void>((done) => udp.bind(0, '127.0.0.1', done));
  return {
    tcp: typeof tcp === 'object' && tcp !== null ? tcp.port : 0,
    udp: udp.address().port,
    abstract,
    heard,
    close() {
      for (const server of servers) server.close();
      udp.close();
    },
  };
}

/** Everything about the files below a folder that an attack could have changed. */
function snapshot(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .map((entry) => {
      const path = join(entry.parentPath, entry.name);
      const facts = lstatSync(path);
      const body = facts.isFile()
        ? readFileSync(path, 'hex')
        : facts.isSymbolicLink()
          ? readlinkSync(path)
          : '';
      return [path, facts.mode.toString(8), facts.uid, facts.isDirectory() ? '' : facts.mtimeMs, body].join(
        ' ',
      );
    })
    .sort();
}

type Who = 'ordinary' | 'root';

interface Battle {
  readonly stage: GuardStage;
  readonly services: Services;
  readonly results: ReadonlyMap<string, string>;
  readonly done: Finished;
  readonly homeBefore: readonly string[];
  readonly homeAfter: readonly string[];
  readonly tookMs: number;
}

/** One session in which every attack is tried, and what the world was like before and after. */
async function fight(who: Who, mode: 'full' | 'landlock'): Promise<Battle> {
  const stage = guardStage(who);
  stage.put(join(stage.home, 'notes.txt'), 'notes of the person\n');
  stage.folder(join(stage.home, 'empty'));
  stage.put(join(stage.own, 'config/policies/battery.yaml'), POLICY);
  chmodSync(stage.own, 0o700);
  compile('attack', join(stage.tools, 'attack'));
  compile('tool', join(stage.tools, 'static'), ['-static']);
  compile('tool', join(stage.tools, 'csn-denied'));
  compile('tool', join(stage.tools, 'setuid'), ['-static']);
  if (CAN_BE_ROOT) chmodSync(join(stage.tools, 'setuid'), 0o4755);
  const services = await openServices(stage);
  await stage.startDaemon();
  const homeBefore = snapshot(stage.home);
  const started = Date.now();
  const child = stage.start(['run', '--guard', mode, '--', join(stage.tools, 'attack')], {
    env: {
      ATTACK_HOME: stage.home,
      ATTACK_WORK: stage.work,
      ATTACK_TOOLS: stage.tools,
      ATTACK_TCP: String(services.tcp),
      ATTACK_UDP: String(services.udp),
      ATTACK_ABSTRACT: services.abstract,
      ATTACK_OWN: stage.own,
      XDG_RUNTIME_DIR: join(stage.home, 'rt'),
      SSH_AUTH_SOCK: join(stage.home, '.ssh/agent.sock'),
    },
  });
  const done = await told(child, stage);
  const results = new Map(
    done.stdout
      .split('\n')
      .filter((line) => line.includes('\t'))
      .map((line) => {
        const [name = '', ...result] = line.split('\t');
        return [name, readable(result.join('\t'))] as const;
      }),
  );
  return {
    stage,
    services,
    results,
    done,
    homeBefore,
    homeAfter: snapshot(stage.home),
    tookMs: Date.now() - started,
  };
}

/** Tells the attacker whom to attack, and waits for its end. */
async function told(child: ChildProcess, stage: GuardStage): Promise<Finished> {
  const session = await sessionBelow(child.pid ?? -1);
  return collect(child, `${session.supervisor} ${session.guard} ${stage.daemonPid()}\n`);
}

function fits(result: string, expected: Expected): boolean {
  return typeof expected === 'string' ? expected.split('|').includes(result) : expected.test(result);
}

const BATTLES: readonly (readonly [Who, 'full' | 'landlock', Readonly<Record<string, Expected>>])[] = [
  ['ordinary', 'full', EXPECTED],
  ['ordinary', 'landlock', { ...EXPECTED, ...LANDLOCK_DIFFERS }],
  ...(CAN_BE_ROOT ? ([['root', 'full', { ...EXPECTED, ...ROOT_DIFFERS }]] as const) : []),
];

for (const [who, mode, rows] of BATTLES) {
  describe(`what an attacker inside a session tries, as ${who} user, guard ${mode}`, () => {
    let battle: Battle;
    before(async () => {
      battle = await fight(who, mode);
    });
    after(() => {
      battle.services.close();
      battle.stage.close();
    });

    test('tries every row, and only those', () => {
      assert.deepEqual([...battle.results.keys()].sort(), Object.keys(rows).sort(), battle.done.stderr);
    });

    for (const [name, expected] of Object.entries(rows))
      test(`${name}: ${expected}`, () => {
        const result = battle.results.get(name) ?? 'was not tried';
        assert.ok(fits(result, expected), `${name}: ${result}, not ${expected}`);
      });

    test('no byte of the secret is in anything that the attacker printed', () => {
      assert.doesNotMatch(battle.done.stdout + battle.done.stderr, /SECRET/);
    });

    test('the home is as it was, byte for byte, mode for mode', () => {
      assert.deepEqual(battle.homeAfter, battle.homeBefore);
    });

    test('nothing was made above the workspace or in our own folders', () => {
      assert.deepEqual(readdirSync(battle.stage.root).sort(), ['c', 'h', 't', 'w']);
      assert.deepEqual(readdirSync(join(battle.stage.own, 'config/policies')), ['battery.yaml']);
    });

    test('no service of the host heard anything', () => {
      assert.deepEqual(battle.services.heard, []);
    });

    test('the receipts name what was denied, not what it was called', async () => {
      const denied = (await battle.stage.receipts()).filter(
        (row) => row.rule === 'battery/denied' || row.rule === 'battery.denied',
      );
      assert.ok(denied.length >= 8, `${denied.length} denials`);
      const whole = await battle.stage.receipt(denied[0]?.id ?? '');
      assert.ok(whole.includes(join(battle.stage.tools, 'csn-denied')), whole.slice(0, 2000));
    });

    test('the ledger verifies', async () => {
      const done = await battle.stage.cli(['verify']);
      assert.equal(done.code, 0, done.stdout + done.stderr);
    });
  });
}
