import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { eventually, type GuardStage, guardStage, sessionBelow } from './stage.ts';

describe('our own doors, from inside a guarded session', () => {
  let stage: GuardStage;
  before(async () => {
    stage = guardStage();
    stage.put(
      join(stage.own, 'config/policies/doors.yaml'),
      `pack: doors
version: "1.0.0"
rules:
  - id: doors/denied
    title: Files called denied
    why: the test denies it
    class: deny
    priority: 1000
    match: { programs: [touch, rm] }
    when: command.args.exists(a, a.contains("denied"))
`,
    );
    await stage.startDaemon();
  });
  after(() => stage.close());

  const inside = (script: string) => stage.cli(['run', '--', 'bash'], { input: script });
  const cli = () => stage.countersign.map((word) => `'${word}'`).join(' ');

  test('of our folders the session sees its own, and no configuration with a key', async () => {
    const done = await inside(
      'ls -A "$COUNTERSIGN_HOME" "$COUNTERSIGN_HOME/run" "$COUNTERSIGN_HOME/run/sessions" "$COUNTERSIGN_HOME/state" "$COUNTERSIGN_HOME/config" "$COUNTERSIGN_SESSION_DIR" 2>&1; exit 0\n',
    );
    assert.doesNotMatch(
      done.stdout,
      /guard\.conf|capability|ledger|daemon\.pid|control|submit|guard\.sock|policies/,
    );
    assert.match(done.stdout, /surface\.sock/);
  });

  test('nothing of the key is in the environment or the command line of any process', async () => {
    const done = await inside('cat /proc/*/environ /proc/*/cmdline 2>/dev/null | tr "\\0" "\\n"\n');
    const secretLike = done.stdout
      .split('\n')
      .filter((line) => /^[\w-]{43}$/.test(line.replace(/^[A-Z_]+=/, '')));
    assert.deepEqual(secretLike, []);
    assert.ok(!existsSync(join(stage.own, 'run/guard.conf')));
  });

  test('the configuration is gone before the agent starts', async () => {
    const child = stage.start(['run', '--', 'sh', '-c', 'echo "$COUNTERSIGN_SESSION_DIR"; read x']);
    let out = '';
    child.stdout?.on('data', (bytes: Buffer) => {
      out += bytes.toString();
    });
    await eventually('the folder is named', () => (out.includes('\n') ? out : null));
    await sessionBelow(child.pid ?? -1);
    const folder = out.trim();
    assert.ok(existsSync(join(folder, 'surface.sock')) && !existsSync(join(folder, 'guard.conf')));
    child.stdin?.end('\n');
  });

  for (const [name, args] of [
    ['grants nothing', 'approve'],
    ['shows no receipts', 'receipts list'],
    ['stops no daemon', 'daemon stop'],
    ['starts no daemon', 'daemon start'],
    ['opens no session', 'run -- true'],
  ] as const)
    test(`\`countersign ${args}\` ${name}`, async () => {
      const before = stage.daemonPid();
      const done = await inside(`${cli()} ${args} </dev/null; echo "code $?"\n`);
      assert.doesNotMatch(done.stdout, /code 0/, done.stdout + done.stderr);
      assert.equal(stage.daemonPid(), before);
      process.kill(before, 0);
    });

  test('forged messages at the surface grant nothing, and the session goes on', async () => {
    stage.put(
      join(stage.work, 'forge.js'),
      `const net = require('node:net');
const frame = (...fields) => { const body = Buffer.concat(fields.map(([tag, value]) => { const b = Buffer.from(value); const head = Buffer.alloc(5); head.write(tag); head.writeUInt32LE(b.length, 1); return Buffer.concat([head, b]); })); const head = Buffer.alloc(8); head.write('CSN1'); head.writeUInt32LE(body.length, 4); return Buffer.concat([head, body]); };
const tries = [
  Buffer.from('GET / HTTP/1.1\\r\\n\\r\\n'), Buffer.alloc(4096, 0xff), Buffer.from('CSN1\\xff\\xff\\xff\\xff', 'latin1'),
  frame(['k', 'answer'], ['D', 'ALLOW'], ['i', 'act_forged']), frame(['k', 'decision'], ['D', 'ALLOW']), frame(['k', 'hello'], ['S', process.env.COUNTERSIGN_SESSION], ['r', 'watch'], ['v', '1'], ['n', Buffer.alloc(32)]),
  frame(['k', 'grant'], ['p', '/']), frame(['k', 'end'], ['m', 'forged']), Buffer.from(JSON.stringify({ v: 1, type: 'session.open' }) + '\\n'),
];
let left = tries.length;
for (const bytes of tries) { const s = net.connect(process.env.COUNTERSIGN_SURFACE, () => s.write(bytes)); let got = ''; s.on('data', (d) => { got += d; }); s.on('error', () => 0); setTimeout(() => s.destroy(), 300); s.on('close', () => { if (/ALLOW/.test(got)) console.log('granted', got); if (--left === 0) console.log('tried'); }); }
`,
    );
    const done = await inside('node forge.js; touch fine; ls fine; touch denied; echo "st $?"\n');
    assert.equal(done.stdout, 'tried\nfine\nst 126\n', done.stderr);
    assert.ok(!existsSync(join(stage.work, 'denied')));
  });

  test('policy and ledger are as they were', async () => {
    const policy = readFileSync(join(stage.own, 'config/policies/doors.yaml'), 'utf8');
    await inside(
      'rm -rf "$COUNTERSIGN_HOME"; echo "pack: x" > "$COUNTERSIGN_HOME/config/policies/doors.yaml"; mv "$COUNTERSIGN_HOME" moved; exit 0\n',
    );
    await stage.cli([
      'run',
      '--',
      stage.countersign[0] ?? '',
      '-e',
      "try { require('fs').rmSync(process.env.COUNTERSIGN_HOME, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }) } catch {}",
    ]);
    assert.equal(readFileSync(join(stage.own, 'config/policies/doors.yaml'), 'utf8'), policy);
    const verified = await stage.cli(['verify']);
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);
  });
});
