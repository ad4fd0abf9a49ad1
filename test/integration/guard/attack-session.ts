import { createSocket } from 'node:dgram';
import { chmodSync, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { constants } from 'node:os';
import { join } from 'node:path';
import { collect } from '../surface-double.ts';
import type { Expected } from './expected.ts';
import {
  CAN_BE_ROOT,
  compile,
  eventually,
  type Finished,
  type GuardStage,
  guardStage,
  processTable,
} from './stage.ts';

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

/** One session of a mode in which every attack is tried, and what the world was like before and after. */
export interface AttackedSession {
  readonly stage: GuardStage;
  /** What came of each attack. */
  readonly results: ReadonlyMap<string, string>;
  readonly done: Finished;
  readonly homeBefore: readonly string[];
  readonly homeAfter: readonly string[];
  /** What services of the host heard. */
  readonly heard: readonly string[];
  close(): void;
}

/** The supervisor and the guard below a launcher, in whichever namespaces they are. */
function partsBelow(launcher: number): Promise<{ readonly guard: number; readonly supervisor: number }> {
  return eventually('the session is up', () => {
    const all = processTable();
    const below = (pid: number) => all.filter((one) => one.parent === pid);
    const find = (pid: number): number | null => {
      for (const one of below(pid)) {
        const found = one.name === 'countersign-gua' ? one.pid : find(one.pid);
        if (found !== null) return found;
      }
      return null;
    };
    const guard = find(launcher);
    const supervisor = guard === null ? undefined : below(guard).find((one) => one.leader === one.pid);
    const agent = all.find((one) => one.name === 'attack');
    return guard === null || supervisor === undefined || agent === undefined
      ? null
      : { guard, supervisor: supervisor.pid };
  });
}

/** Opens a session of this mode and tries every attack of shims/guard/test-csrc/attack in it. */
export async function attackSession(who: 'ordinary' | 'root', mode: string): Promise<AttackedSession> {
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
  const parts = await partsBelow(child.pid ?? -1);
  const done = await collect(child, `${parts.supervisor} ${parts.guard} ${stage.daemonPid()}\n`);
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
    results,
    done,
    homeBefore,
    homeAfter: snapshot(stage.home),
    heard: services.heard,
    close() {
      services.close();
      stage.close();
    },
  };
}

/** True when a result is one of the expected ones. */
export function fits(result: string, expected: Expected): boolean {
  return typeof expected === 'string' ? expected.split('|').includes(result) : expected.test(result);
}
