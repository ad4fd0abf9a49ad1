// Programs that stand at their exec stop while somebody decides, and what runs instead of them.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import {
  type Answer,
  compileInto,
  type GuardSession,
  openGuardSession,
  otherUser,
  type Question,
  type Tables,
} from './session-double.ts';

async function within(
  decide: (q: Question) => Answer,
  tables: Tables,
  body: (session: GuardSession) => Promise<void>,
  user: ReturnType<typeof otherUser> = null,
): Promise<void> {
  const session = await openGuardSession(decide, tables, user);
  try {
    await body(session);
    assert.deepEqual(session.faults, []);
  } finally {
    session.close();
  }
}

const WAITING = 'countersign: waiting for a person\n';
const ALLOW: Answer = { decision: 'ALLOW', action: 'act_1' };
const never = new Promise<never>(() => undefined);
const node = (program: string) => [process.execPath, '-e', program];

async function until(what: string, holds: () => boolean, timeoutMs = 10_000): Promise<void> {
  const end = Date.now() + timeoutMs;
  while (!holds()) {
    assert.ok(Date.now() < end, `${what} did not come`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const other = otherUser();
const users =
  other === null
    ? [{ who: 'this user', user: null }]
    : [
        { who: 'root', user: null },
        { who: 'an ordinary user', user: other },
      ];

for (const { who, user } of users) {
  test(`an agent in node goes on at once while a question of a second is open, for ${who}`, async () => {
    await within(
      () => ({ ...ALLOW, waiting: WAITING, after: 1000 }),
      { names: ['id'] },
      async (s) => {
        const done = await s.run(
          node(
            "const {spawn}=require('node:child_process');let ticks=0;const t=setInterval(()=>ticks++,10);" +
              "const a=performance.now();const c=spawn('/usr/bin/id',{stdio:['ignore','pipe','inherit']});" +
              'const took=performance.now()-a;c.on("close",(code)=>{clearInterval(t);' +
              'console.log(JSON.stringify({took,ticks,code,whole:performance.now()-a}))})',
          ),
        );
        const seen = JSON.parse(done.stdout) as { took: number; ticks: number; code: number; whole: number };
        assert.equal(seen.code, 0);
        assert.ok(seen.took < 50, `spawn() took ${seen.took} ms`);
        assert.ok(seen.ticks > 40, `${seen.ticks} ticks`);
        assert.ok(seen.whole >= 1000, `${seen.whole} ms`);
        assert.equal(done.stderr, WAITING);
      },
      user,
    );
  });

  test(`a program that is replaced runs as the other one, with environment, folder and exit code, for ${who}`, async () => {
    const decide = (q: Question): Answer =>
      basename(q.get('p') ?? '') === 'touch'
        ? {
            decision: 'MODIFY',
            action: 'act_changed',
            message: 'countersign: changed\n',
            path: '/bin/sh',
            argv: ['sh', '-c', 'echo "$KEPT" "$0" "$#" "$1"; pwd; exit 5', 'zero', 'wörd "\n\''],
          }
        : { decision: 'DENY' };
    await within(
      decide,
      { names: ['touch', 'dash'] },
      async (s) => {
        const done = await s.run(['/usr/bin/env', 'KEPT=a b', 'touch', 'made']);
        const utf8 = Buffer.from(done.stdout, 'latin1').toString('utf8');
        assert.equal(utf8, `a b zero 1 wörd "\n'\n${s.work}\n`);
        assert.equal(done.code, 5);
        assert.equal(done.stderr, 'countersign: changed\n');
        assert.equal(s.questions.length, 1);
        assert.equal(existsSync(join(s.work, 'made')), false);
      },
      user,
    );
  });
}

test('what a replacement starts runs under its action', async () => {
  const decide = (): Answer => ({
    decision: 'MODIFY',
    action: 'act_new',
    path: '/usr/bin/env',
    argv: ['env', 'ls', '/'],
  });
  await within(decide, { names: ['touch'] }, async (s) => {
    await s.run(['/bin/sh', '-c', 'touch x; true']);
    assert.ok(s.effects.includes('exec|act_new|0|/usr/bin/ls'), s.effects.join('\n'));
  });
});

test('a replacement may be a script; one that is not there, or that the kernel refuses, ends with 126', async () => {
  const instead = (s: GuardSession, what: string) => join(s.work, what);
  let made: GuardSession | null = null;
  const decide = (q: Question): Answer => {
    const session = made;
    if (session === null || basename(q.get('p') ?? '') !== 'touch')
      return { decision: 'DENY', message: 'asked anew\n' };
    const path = instead(session, q.argv[1] ?? '');
    return { decision: 'MODIFY', action: 'act_1', path, argv: [path, 'one'] };
  };
  await within(decide, { names: ['touch'] }, async (s) => {
    made = s;
    writeFileSync(join(s.work, 'script'), '#!/bin/sh -e\necho script "$1"; exit 4\n', { mode: 0o755 });
    writeFileSync(join(s.work, 'bare'), 'echo no\n', { mode: 0o755 });
    const done = await s.run([
      '/bin/sh',
      '-c',
      'touch script; echo $?; touch missing; echo $?; touch bare; echo $?',
    ]);
    assert.equal(done.stdout, 'script one\n4\n126\n126\n', done.stderr);
    assert.equal(s.questions.length, 3);
  });
});

for (const signal of ['SIGKILL', 'SIGINT', 'SIGTERM'] as const) {
  test(`a held program dies of ${signal} at once, and its question is withdrawn`, async () => {
    await within(
      () => ({ ...ALLOW, waiting: WAITING, after: never }),
      { names: ['id'] },
      async (s) => {
        const started = Date.now();
        const done = await s.run(
          node(
            "const c=require('node:child_process').spawn('id');" +
              `setTimeout(()=>c.kill('${signal}'),300);c.on('close',(code,signal)=>console.log(code,signal))`,
          ),
        );
        assert.equal(done.stdout, `null ${signal}\n`);
        assert.ok(Date.now() - started < 3000);
        await until('the withdrawal', () => s.questions[0]?.withdrawn === true);
      },
    );
  });
}

test('a program that is stopped while it is held goes on when it is continued', async () => {
  await within(
    () => ({ ...ALLOW, after: 400 }),
    { names: ['id'] },
    async (s) => {
      const done = await s.run([
        '/bin/bash',
        '-mc',
        'id -u & sleep 0.1; kill -STOP $!; sleep 0.6; kill -CONT $!; wait $!; echo $?',
      ]);
      assert.match(done.stdout, /^\d+\n0\n$/);
    },
  );
});

test('programs killed at every moment leave nobody waiting and nobody behind', async () => {
  await within(
    () => ({ ...ALLOW, after: 3 }),
    { names: ['id'] },
    async (s) => {
      const done = await s.run(
        node(
          "const {spawn}=require('node:child_process');let left=200;let n=0;" +
            "const one=()=>{if(left--<=0)return;const c=spawn('/usr/bin/'+(left%2?'id':'true'),{stdio:'ignore'});" +
            "setTimeout(()=>c.kill('SIGKILL'),(left%20)/2);c.on('close',()=>{n++;if(n===200)console.log(n);one()})};" +
            'for(let i=0;i<4;i++)one()',
        ),
      );
      assert.equal(done.stdout, '200\n');
    },
  );
});

test('twenty programs at a time are held, each for itself', async () => {
  await within(
    () => ({ ...ALLOW, waiting: WAITING, after: 300 }),
    { names: ['id'] },
    async (s) => {
      const started = Date.now();
      const done = await s.run(
        node(
          "const {spawn}=require('node:child_process');let n=0;for(let i=0;i<20;i++)" +
            "spawn('id',{stdio:'ignore'}).on('close',(c)=>{if(c===0&&++n===20)console.log(n)})",
        ),
      );
      assert.equal(done.stdout, '20\n');
      assert.ok(Date.now() - started < 3000, `${Date.now() - started} ms`);
    },
  );
});

test('more programs than can be held are denied, and the rest of the session goes on', async () => {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  await within(
    () => ({ ...ALLOW, after: opened }),
    { names: ['id'] },
    async (s) => {
      const running = s.run(
        node(
          "const {spawn,execFileSync}=require('node:child_process');const seen={};let n=0;for(let i=0;i<410;i++)" +
            "spawn('id',{stdio:'ignore'}).on('close',(c)=>{seen[c]=(seen[c]??0)+1;n++;" +
            "if(n===10)console.log(execFileSync('/bin/echo',['on']).toString().trim());" +
            'if(n===410)console.log(JSON.stringify(seen))})',
        ),
      );
      await until('four hundred questions', () => s.questions.length === 400, 60_000);
      await until('the refusals', () => s.effects.filter((row) => row.startsWith('exec||11|')).length === 10);
      open();
      assert.equal((await running).stdout, 'on\n{"0":400,"126":10}\n');
    },
  );
});

test('the text of a wait never holds anybody up, with a full pipe for a standard error', async () => {
  await within(
    () => ({ ...ALLOW, waiting: WAITING, after: 100 }),
    { names: ['id'] },
    async (s) => {
      const done = await s.run([
        '/bin/bash',
        '-c',
        'mkfifo full; exec 8<>full; head -c 65536 /dev/zero >&8; timeout 5 id -u 2>&8; echo $?',
      ]);
      assert.match(done.stdout, /^\d+\n0\n$/);
    },
  );
});

test('who waits for a program it vforked goes on when the program is held', async () => {
  await within(
    () => ({ ...ALLOW, after: 20 }),
    { names: ['true'] },
    async (s) => {
      const cost = compileInto(s, 'exec-cost');
      // The copy itself lies in the workspace, and is asked about too.
      assert.match((await s.run([cost, '/usr/bin/true', '10'])).stdout, /^min /);
      assert.equal(s.questions.length, 11);
    },
  );
});

test('when the supervisor is killed, whatever is held dies and nothing of it has run', async () => {
  await within(
    () => ({ ...ALLOW, after: never }),
    { names: ['touch'] },
    async (s) => {
      const guard = s.start(['/bin/sh', '-c', 'for i in 1 2 3 4 5 6 7 8 9 10; do touch made$i & done; wait']);
      const ended = new Promise<number | null>((resolve) => guard.on('exit', (code) => resolve(code)));
      await until('ten questions', () => s.questions.length === 10);
      const held = s.questions.map((q) => Number(q.get('q')));
      const children = readFileSync(`/proc/${guard.pid}/task/${guard.pid}/children`, 'utf8')
        .trim()
        .split(' ');
      const isOutside = (pid: string) => /^NSpid:\t\d+$/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
      const supervisor = children.find(isOutside);
      assert.ok(supervisor !== undefined, children.join(' '));
      process.kill(Number(supervisor), 'SIGKILL');
      assert.equal(await ended, 125);
      await until('their end', () => held.every((pid) => !existsSync(`/proc/${pid}`)));
      assert.deepEqual(
        readdirSync(s.work).filter((name) => name.startsWith('made')),
        [],
      );
    },
  );
});

for (const tracer of ['/usr/bin/strace', '/usr/bin/gdb'].filter(existsSync)) {
  test(`${basename(tracer)} is refused, and says so`, async () => {
    await within(
      () => ALLOW,
      {},
      async (s) => {
        const words = tracer.endsWith('gdb') ? ['-batch', '-ex', 'run', '/usr/bin/id'] : ['/usr/bin/id'];
        const done = await s.run([tracer, ...words]);
        assert.ok(!done.stdout.includes('uid='), done.stdout);
        assert.match(done.stderr, /not permitted/);
      },
    );
  });
}

const python = ['/usr/bin/python3', '/usr/local/bin/python3'].find(existsSync);
for (const program of python === undefined ? [] : [python]) {
  test('an event loop in python goes on while a question is open', async () => {
    await within(
      () => ({ ...ALLOW, after: 500 }),
      { names: ['id'] },
      async (s) => {
        const text = [
          'import asyncio,time',
          'async def tick(n):',
          '  for _ in range(1000):',
          '    await asyncio.sleep(0.01); n[0]+=1',
          'async def main():',
          '  n=[0]; t=asyncio.create_task(tick(n)); a=time.time()',
          "  p=await asyncio.create_subprocess_exec('/usr/bin/id',stdout=asyncio.subprocess.DEVNULL)",
          '  took=time.time()-a; rc=await p.wait(); t.cancel()',
          '  print(rc, took<0.1, n[0]>20)',
          'asyncio.run(main())',
        ].join('\n');
        const done = await s.run([program, '-c', text]);
        assert.equal(done.stdout, '0 True True\n', done.stderr);
      },
    );
  });
}
