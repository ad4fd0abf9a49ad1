import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { execFileSync } from 'node:child_process';
import { chownSync, existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import {
  CAN_BE_ROOT,
  compile,
  eventually,
  type Finished,
  type GuardStage,
  guardStage,
  isAlive,
  sessionBelow,
  stopWhole,
  treeOf,
} from './stage.ts';

const POLICY = `pack: faults
version: "1.0.0"
rules:
  - id: faults/denied
    title: The denied program
    why: the test denies it
    class: deny
    priority: 1000
    match: { programs: [csn-denied] }
  - id: faults/asked
    title: The program that is asked about
    why: the test asks
    class: step_up
    priority: 1000
    timeout_ms: 1500
    match: { programs: [csn-asked] }
  - id: faults/seen
    title: A program whose every start is looked at
    why: the test wants to see it
    class: deny
    priority: 1000
    match: { programs: [csn-benign] }
    when: command.args.exists(a, a.contains("bbbb"))
`;

function openStage(): GuardStage {
  const stage = guardStage();
  for (const name of ['csn-denied', 'csn-asked', 'csn-benign', 'csn-plain'])
    compile('tool', join(stage.tools, name));
  stage.put(join(stage.own, 'config/policies/faults.yaml'), POLICY);
  return stage;
}

/** An agent that takes commands: `sh` on a pipe. */
interface Agent {
  readonly child: ChildProcess;
  say(line: string): void;
  /** Waits until its output has this. */
  hears(text: string, withinMs?: number): Promise<void>;
  readonly output: () => string;
  readonly ended: Promise<Finished>;
}

function openAgent(stage: GuardStage): Agent {
  const child = stage.start(['run', '--', 'sh']);
  let out = '';
  let errors = '';
  child.stdout?.on('data', (bytes: Buffer) => {
    out += bytes.toString();
  });
  child.stderr?.on('data', (bytes: Buffer) => {
    errors += bytes.toString();
  });
  child.stdin?.on('error', () => undefined);
  return {
    child,
    say: (line) => child.stdin?.write(`${line}\n`),
    hears: async (text, withinMs = 10_000) => {
      await eventually(`\`${text}\` in ${out}${errors}`, () => (out.includes(text) ? text : null), withinMs);
    },
    output: () => out + errors,
    ended: new Promise((done) =>
      child.once('close', (code, signal) => done({ code, signal, stdout: out, stderr: errors })),
    ),
  };
}

describe('when a part of it fails, the guard', () => {
  let stage: GuardStage;
  before(() => {
    stage = openStage();
  });
  beforeEach(() => stage.startDaemon());
  after(() => stage.close());

  /** Kills one process, and sees that nothing of the session is left within a second. */
  const endsWith = async (pick: (agent: Agent) => Promise<number>) => {
    const agent = openAgent(stage);
    agent.say('(sleep 97 & setsid sleep 98 &) ; echo up');
    await agent.hears('up');
    const { guard, first } = await sessionBelow(agent.child.pid ?? -1);
    const inside = treeOf(first);
    assert.ok(inside.length >= 4, `${inside.length} processes`);
    process.kill(await pick(agent), 'SIGKILL');
    await eventually('the whole tree is gone', () => ([guard, ...inside].some(isAlive) ? null : true), 1000);
    agent.child.stdin?.end();
    return agent.ended;
  };

  test('ends the whole session within a second of the supervisor being killed', async () => {
    const done = await endsWith(async (agent) => (await sessionBelow(agent.child.pid ?? -1)).supervisor);
    assert.notEqual(done.code, 0);
  });

  test('ends the whole session within a second of the guard being killed', async () => {
    const done = await endsWith(async (agent) => (await sessionBelow(agent.child.pid ?? -1)).guard);
    assert.notEqual(done.code, 0);
  });

  test('ends the whole session within a second of its first process being killed', async () => {
    const done = await endsWith(async (agent) => (await sessionBelow(agent.child.pid ?? -1)).first);
    assert.notEqual(done.code, 0);
  });

  test('ends the whole session within a second of the launcher being killed', async () => {
    const done = await endsWith(async (agent) => agent.child.pid ?? -1);
    assert.equal(done.signal, 'SIGKILL');
  });

  test('ends the session when the supervisor hangs', async () => {
    const agent = openAgent(stage);
    agent.say('echo up');
    await agent.hears('up');
    const { supervisor, first } = await sessionBelow(agent.child.pid ?? -1);
    const inside = treeOf(first);
    await stopWhole(supervisor);
    agent.say(`echo x > hung; echo went on`);
    await eventually('the watchdog ended it', () => (inside.some(isAlive) ? null : true), 25_000);
    assert.ok(!existsSync(join(stage.work, 'hung')));
    assert.match((await agent.ended).stderr, /countersign/);
  });

  test('passes TERM and HUP on to the agent, and ends with it', async () => {
    for (const signal of ['SIGTERM', 'SIGHUP'] as const) {
      const agent = openAgent(stage);
      agent.say('echo up');
      await agent.hears('up');
      const { guard, first } = await sessionBelow(agent.child.pid ?? -1);
      const inside = treeOf(first);
      agent.child.kill(signal);
      const done = await agent.ended;
      assert.equal(done.signal, signal, `${done.code} ${done.stderr}`);
      assert.ok(![guard, ...inside].some(isAlive));
    }
  });

  test('goes on with plain work and denies questions when the daemon is killed', async () => {
    const agent = openAgent(stage);
    agent.say('echo up; csn-benign first');
    await agent.hears('RAN csn-benign first');
    process.kill(stage.daemonPid(), 'SIGKILL');
    await eventually('it says so', () => (/does not answer any more/.test(agent.output()) ? true : null));
    agent.say(
      'csn-plain still; echo x > kept; rm kept; csn-benign no; csn-denied; echo y > ../h/made; echo "end $?"',
    );
    await agent.hears('end 2');
    assert.match(agent.output(), /RAN csn-plain still/);
    assert.doesNotMatch(agent.output(), /RAN csn-benign no|RAN csn-denied/);
    assert.ok(!existsSync(join(stage.home, 'made')));
    agent.say('exit 5');
    agent.child.stdin?.end();
    assert.equal((await agent.ended).code, 5);
  });

  test('denies questions at their deadline when the daemon hangs', async () => {
    const agent = openAgent(stage);
    agent.say('echo up');
    await agent.hears('up');
    const daemon = stage.daemonPid();
    process.kill(daemon, 'SIGSTOP');
    try {
      agent.say('csn-benign now; echo "st $?"');
      await agent.hears('st 126', 20_000);
      assert.doesNotMatch(agent.output(), /RAN/);
    } finally {
      process.kill(daemon, 'SIGCONT');
    }
    agent.child.stdin?.end();
    await agent.ended;
  });
});

describe('under load, the guard', () => {
  let stage: GuardStage;
  before(async () => {
    stage = openStage();
    await stage.startDaemon();
  });
  after(() => stage.close());

  test('loses none of 2 000 program starts, eight at a time', async () => {
    const done = await stage.cli(['run', '--', 'csn-plain', 'storm', '8', '250']);
    assert.equal(done.stdout, '2000\n', done.stderr);
  });

  test('holds four sessions at once, each with its own receipts', async () => {
    const all = await Promise.all(
      [0, 1, 2, 3].map((n) =>
        // Through a pipe: as one text it would be judged, and denied, as one.
        stage.cli(['run', '--', 'sh'], {
          input: `csn-plain storm 2 50; csn-benign n${n}; csn-denied; echo $? > d${n}\n`,
        }),
      ),
    );
    assert.deepEqual(
      all.map(({ stdout }) => stdout),
      [0, 1, 2, 3].map((n) => `100\nRAN csn-benign n${n}\n`),
      all.map(({ stderr }) => stderr).join(''),
    );
    for (const n of [0, 1, 2, 3]) assert.equal(readFileSync(join(stage.work, `d${n}`), 'utf8'), '126\n');
    const denied = (await stage.receipts()).filter(({ rule }) => rule === 'faults/denied');
    assert.equal(new Set(denied.map(({ session }) => session)).size, 4);
    const verified = await stage.cli(['verify']);
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);
  });

  test('takes two megabytes of arguments, and denies what it cannot judge of them', async () => {
    const plain = await stage.cli(['run', '--', 'csn-plain', 'big', join(stage.tools, 'csn-plain')]);
    assert.equal(plain.stdout, 'RAN csn-plain big\n', plain.stderr.slice(0, 500));
    const judged = await stage.cli(['run', '--', 'csn-plain', 'big', join(stage.tools, 'csn-benign')]);
    assert.deepEqual([judged.stdout, judged.code], ['', 126], judged.stderr.slice(0, 500));
    assert.match(judged.stderr, /countersign: denied: .* could not be understood/);
  });

  test('lets a file be run as soon as it is written', async () => {
    const script =
      'i=0; while [ $i -lt 150 ]; do cp ../t/csn-plain ./made$i && ./made$i >/dev/null || echo "failed $i"; rm -f made$i; i=$((i+1)); done; echo end';
    const done = await stage.cli(['run', '--', 'sh', '-c', script]);
    assert.equal(done.stdout, 'end\n', done.stderr);
  });

  test('does not hold up whoever starts a program that is asked about', async () => {
    const script = `
      const { spawn } = require('node:child_process');
      const before = process.hrtime.bigint();
      const child = spawn('csn-asked', [], { stdio: ['ignore', 'pipe', 'pipe'] });
      const spawned = Number(process.hrtime.bigint() - before) / 1e6;
      let text = '';
      child.stderr.on('data', (d) => { text += d; });
      child.on('close', (code) => console.log(JSON.stringify({ spawned, code, text, took: Number(process.hrtime.bigint() - before) / 1e6 })));
    `;
    const done = await stage.cli(['run', '--', 'node', '-e', script]);
    const seen = JSON.parse(done.stdout || '{}') as {
      spawned: number;
      code: number;
      text: string;
      took: number;
    };
    assert.equal(seen.code, 126, done.stderr);
    assert.match(seen.text, /countersign: denied: /);
    assert.ok(seen.took > 1000, `asked about for ${seen.took} ms`);
    assert.ok(seen.spawned < 200, `spawn() took ${seen.spawned} ms`);
  });

  if (CAN_BE_ROOT)
    test('tells the agent when its disk is full, and goes on', async () => {
      const disk = join(stage.root, 'disk');
      stage.folder(disk);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk]);
      const { uid, gid } = statSync(stage.home);
      chownSync(disk, uid, gid);
      try {
        const script = `head -c 200000 /dev/zero > big; echo "st $?"; rm big; echo small > small; cat small; mkdir a b && rmdir a; mv small b/x; cat b/x`;
        const done = await stage.cli(['run', '--', 'sh', '-c', script], { cwd: disk });
        assert.equal(done.stdout, 'st 1\nsmall\nsmall\n', done.stderr);
        assert.match(done.stderr, /No space left/);
      } finally {
        execFileSync('umount', [disk]);
      }
    });
});
