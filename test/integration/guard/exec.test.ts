// What an exec meets in a session: the real guard, real programs; a test gives the answers.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, symlinkSync, writeFileSync } from 'node:fs';
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

const ALLOW: Answer = { decision: 'ALLOW', action: 'act_allowed' };
const DENY: Answer = { decision: 'DENY', message: 'countersign: denied: not this one\n' };
const denies =
  (...programs: readonly string[]) =>
  (q: Question): Answer =>
    programs.includes(basename(q.get('p') ?? '')) ? DENY : ALLOW;

/** Runs a body in a session of its own. */
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

const script = (session: GuardSession, name: string, text: string): string => {
  const path = join(session.work, name);
  writeFileSync(path, text);
  chmodSync(path, 0o755);
  return path;
};

const other = otherUser();
const users =
  other === null
    ? [{ who: 'this user', user: null }]
    : [
        { who: 'root', user: null },
        { who: 'an ordinary user', user: other },
      ];

for (const { who, user } of users) {
  test(`a program that nobody asks about runs, is noted, and nobody is asked, for ${who}`, async () => {
    await within(
      () => DENY,
      { names: ['id'] },
      async (s) => {
        const done = await s.run(['/bin/sh', '-c', 'ls / > /dev/null; echo $?']);
        assert.equal(done.stdout, '0\n');
        assert.equal(s.questions.length, 0);
        assert.ok(s.effects.includes('exec||0|/usr/bin/ls'), s.effects.join('\n'));
      },
      user,
    );
  });

  test(`a denied program does not run: 126 and the reason on its standard error, for ${who}`, async () => {
    await within(
      denies('touch'),
      { names: ['touch'] },
      async (s) => {
        const done = await s.run(['/bin/sh', '-c', 'touch made; echo $?']);
        assert.equal(done.stdout, '126\n');
        assert.equal(done.stderr, 'countersign: denied: not this one\n');
        assert.equal(existsSync(join(s.work, 'made')), false);
      },
      user,
    );
  });

  test(`whoever races the judge never gets the denied program or argument to run, for ${who}`, async () => {
    const decide = (q: Question) => (q.get('p') === '/usr/bin/id' || q.argv[1] === 'B' ? DENY : ALLOW);
    await within(
      decide,
      { names: ['id', 'echo'] },
      async (s) => {
        const race = compileInto(s, 'exec-race');
        for (const how of ['path', 'argv', 'memory', 'memfd', 'link']) {
          const done = await s.run([race, how, '400']);
          const [, permitted, forbidden, neither] =
            done.stdout.match(/permitted (\d+) forbidden (\d+) neither (\d+)/)?.map(Number) ?? [];
          assert.equal(forbidden, 0, `${how}: ${done.stdout}`);
          assert.equal(
            (permitted ?? 0) + (neither ?? 0),
            400,
            `${how}: ${done.stdout} ${done.stderr.slice(0, 500)}`,
          );
          // Both were tried: a race that nobody ran proves nothing.
          assert.ok((permitted ?? 0) > 0 && (neither ?? 0) > 0, `${how}: ${done.stdout}`);
        }
      },
      user,
    );
  });
}

test('a question says what the kernel committed: program, name, arguments, folder, asker', async () => {
  await within(
    () => ALLOW,
    { names: ['dash'] },
    async (s) => {
      const done = await s.run(['/usr/bin/env', 'sh', '-c', 'exit 7', 'a\nb', '', '\xff']);
      assert.equal(done.code, 7);
      const q = s.questions.at(-1);
      assert.equal(q?.kind, 'exec');
      assert.equal(q?.get('p'), '/usr/bin/dash');
      assert.equal(q?.get('o'), '/usr/bin/sh');
      assert.deepEqual(q?.argv, ['sh', '-c', 'exit 7', 'a\nb', '', Buffer.from('\xff').toString('latin1')]);
      assert.equal(q?.get('c'), s.work);
      assert.equal(q?.get('e'), '/usr/bin/env');
      assert.equal(q?.get('P'), '');
      assert.equal(q?.get('s'), null);
      assert.equal(q?.get('w'), null);
      assert.equal(q?.get('I'), null);
    },
  );
});

test('what an asked program starts runs under its action', async () => {
  await within(
    () => ({ decision: 'ALLOW', action: 'act_outer' }),
    { names: ['dash', 'env'] },
    async (s) => {
      await s.run(['/bin/sh', '-c', '/bin/ls /; env true; exit 0']);
      assert.deepEqual(s.asked(), ['sh', 'env']);
      assert.equal(s.questions[1]?.get('P'), 'act_outer');
      assert.ok(s.effects.includes('exec|act_outer|0|/usr/bin/ls'), s.effects.join('\n'));
    },
  );
});

test('a program or script that the session could have written is asked about, by what it is', async () => {
  await within(denies('tool'), {}, async (s) => {
    copyFileSync('/usr/bin/id', join(s.work, 'tool'));
    chmodSync(join(s.work, 'tool'), 0o755);
    symlinkSync('tool', join(s.work, 'alias'));
    const plain = script(s, 'plain.sh', '#!/bin/sh -e\necho ran "$@"\n');
    const copied = await s.run(['/bin/sh', '-c', './alias; echo $?']);
    assert.equal(copied.stdout, '126\n');
    assert.equal(s.questions[0]?.get('p'), join(s.work, 'tool'));
    assert.equal(s.questions[0]?.get('o'), join(s.work, 'alias'));
    assert.equal(s.questions[0]?.get('w'), '1');
    const run = await s.run([plain, 'a']);
    assert.equal(run.stdout, 'ran a\n');
    const q = s.questions[1];
    assert.equal(q?.get('p'), '/usr/bin/dash');
    assert.equal(q?.get('s'), plain);
    assert.equal(q?.get('w'), '1');
    assert.deepEqual(q?.argv, ['/bin/sh', '-e', plain, 'a']);
  });
});

test('a script with a denied interpreter does not run', async () => {
  await within(denies('id', 'tac'), { names: ['id', 'tac'] }, async (s) => {
    script(s, 'script', '#!/usr/bin/id\n');
    script(s, 'split', '#!/usr/bin/env -S tac -\n');
    const done = await s.run(['/bin/sh', '-c', './script; echo $?; ./split; echo $?']);
    assert.equal(done.stdout, '126\n126\n');
  });
});

test('a file without #! is run by the shell that tried it, and fails for whoever is no shell', async () => {
  await within(
    () => ALLOW,
    {},
    async (s) => {
      script(s, 'bare', 'echo from bare\n');
      const forms = compileInto(s, 'exec-forms');
      assert.equal((await s.run(['/bin/bash', '-c', './bare'])).stdout, 'from bare\n');
      assert.equal((await s.run([forms, 'plain', './bare'])).stdout, 'errno 8\n');
    },
  );
});

test("the kernel's own errors arrive as they are", async () => {
  await within(
    () => ALLOW,
    { names: ['true'] },
    async (s) => {
      const forms = compileInto(s, 'exec-forms');
      script(s, 'script', '#!/nonexistent/interpreter\n');
      writeFileSync(join(s.work, 'plain'), 'x');
      symlinkSync('loop', join(s.work, 'loop'));
      for (const [how, path, errno] of [
        ['plain', '/nonexistent', 2],
        ['plain', './plain/below', 20],
        ['plain', './plain', 13],
        ['plain', '/usr', 13],
        ['plain', './script', 2],
        ['plain', './loop', 40],
        ['nofollow', './loop', 40],
        ['fault', '/bin/true', 14],
        ['plain', '', 2],
        ['plain', `/${'a'.repeat(300)}`, 36],
      ] as const) {
        const done = await s.run([forms, how, path]);
        assert.equal(done.stdout, `errno ${errno}\n`, `${how} ${path.slice(0, 40)}`);
      }
      assert.ok(!s.asked().includes('true'));
    },
  );
});

for (const how of [
  'plain',
  'fexecve',
  'fexecve-open',
  'at',
  'number',
  'thread',
  'threads',
  'nofollow',
  'none',
]) {
  test(`an exec by \`${how}\` is judged`, async () => {
    await within(denies('id'), { names: ['id', 'true'] }, async (s) => {
      const forms = compileInto(s, 'exec-forms');
      const allowed = await s.run([forms, how, '/usr/bin/true']);
      assert.deepEqual([allowed.code, allowed.stdout], [0, '']);
      const denied = await s.run([forms, how, '/usr/bin/id']);
      assert.deepEqual([denied.code, denied.stdout, denied.stderr], [126, '', DENY.message]);
      assert.ok(s.questions.some((q) => q.get('p') === '/usr/bin/id'));
    });
  });
}

for (const how of ['memfd', 'memfd-number', 'deleted']) {
  test(`a program without a name (${how}) does not run`, async () => {
    await within(
      () => ALLOW,
      {},
      async (s) => {
        const forms = compileInto(s, 'exec-forms');
        const done = await s.run([forms, how, '/usr/bin/id']);
        assert.ok(!done.stdout.includes('uid'), done.stdout);
        assert.notEqual(done.code, 0);
        assert.ok(
          s.effects.some((row) => /^exec\|[^|]*\|13\|/.test(row)),
          s.effects.join('\n'),
        );
      },
    );
  });
}

test('a call that only asks whether it could exec goes back to its program, and is no question', async () => {
  await within(denies('id'), { names: ['id'] }, async (s) => {
    const forms = compileInto(s, 'exec-forms');
    const done = await s.run([forms, 'check', '/usr/bin/id']);
    // 0 since Linux 6.14, -1 before: either way it is this program that says so.
    assert.match(done.stdout, /^checked (0|-1)\n$/);
    assert.deepEqual(s.asked(), ['exec-forms']);
  });
});

test('a 32-bit program does not run', async () => {
  await within(
    () => ALLOW,
    {},
    async (s) => {
      // mov eax, 1; mov ebx, 42; int 0x80: exits with 42 wherever the kernel takes it.
      const code = Buffer.from('b801000000bb2a000000cd80', 'hex');
      const file = Buffer.alloc(0x54 + code.length);
      file.write('\x7fELF\x01\x01\x01', 'latin1');
      for (const [at, value] of [
        [16, 2],
        [18, 3],
        [40, 52],
        [42, 32],
        [44, 1],
      ] as const)
        file.writeUInt16LE(value, at);
      for (const [at, value] of [
        [20, 1],
        [24, 0x08048054],
        [28, 52],
      ] as const)
        file.writeUInt32LE(value, at);
      for (const [i, word] of [1, 0, 0x08048000, 0x08048000, file.length, file.length, 5, 0x1000].entries())
        file.writeUInt32LE(word, 52 + 4 * i);
      code.copy(file, 0x54);
      writeFileSync(join(s.work, 'small'), file, { mode: 0o755 });
      const forms = compileInto(s, 'exec-forms');
      const done = await s.run([forms, 'plain', './small']);
      assert.notEqual(done.code, 42);
      // Refused by the guard, or by a kernel that has no such programs.
      assert.match(
        `${done.signal} ${done.stdout}${done.stderr}`,
        /SIGKILL countersign: denied: only programs of|errno 8/,
      );
    },
  );
});

for (const user of other === null ? [] : [other]) {
  test('a program that its user may not read is not run, since it could not be looked at', async () => {
    await within(
      () => ALLOW,
      {},
      async (s) => {
        copyFileSync('/usr/bin/id', join(s.work, 'secretive'));
        chmodSync(join(s.work, 'secretive'), 0o711);
        const forms = compileInto(s, 'exec-forms');
        assert.equal((await s.run([forms, 'plain', './secretive'])).stdout, 'errno 13\n');
      },
      user,
    );
  });
}

test('a static program is denied too, and ends in the same way', async () => {
  await within(
    (q) => (basename(q.get('p') ?? '') === 'still' ? DENY : ALLOW),
    {},
    async (s) => {
      const forms = compileInto(s, 'exec-forms');
      compileInto(s, 'exec-forms', 'still');
      const done = await s.run([forms, 'plain', './still', 'plain', '/bin/true']);
      assert.deepEqual([done.code, done.stderr], [126, DENY.message]);
    },
  );
});

test('two megabytes of arguments are judged and arrive', async () => {
  await within(
    () => ALLOW,
    { triggers: ['needle'] },
    async (s) => {
      const program =
        "const {spawnSync}=require('node:child_process');" +
        "const a=Array.from({length:20},(_, i)=>String(i).repeat(50000).slice(0,100000));a.push('needle');" +
        "const d=spawnSync('/bin/sh',['-c','echo $# \"$21\" ${21}','x',...a],{encoding:'utf8'});" +
        'console.log(d.status,d.error?.code,d.stdout)';
      const done = await s.run([process.execPath, '-e', program]);
      assert.match(done.stdout, /^0 undefined 21 .*needle\n/);
      const q = s.questions.at(-1);
      assert.equal(q?.argv.length, 25);
      assert.ok((q?.argv.join('').length ?? 0) > 1_500_000);
    },
  );
});

test('more arguments than the kernel takes are its error, and the agent goes on', async () => {
  await within(
    () => ALLOW,
    {},
    async (s) => {
      const program =
        "const {spawnSync}=require('node:child_process');" +
        "const d=spawnSync('/bin/true',Array.from({length:100},()=>'x'.repeat(130000)));console.log(d.error?.code)";
      assert.equal((await s.run([process.execPath, '-e', program])).stdout, 'E2BIG\n');
    },
  );
});

test('a program that is being written to is not run, and the agent goes on', async () => {
  await within(
    () => ALLOW,
    {},
    async (s) => {
      copyFileSync('/usr/bin/true', join(s.work, 'busy'));
      chmodSync(join(s.work, 'busy'), 0o755);
      const done = await s.run([
        '/bin/bash',
        '-c',
        'exec 7>>busy; ./busy; echo $?; exec 7>&-; ./busy; echo $?',
      ]);
      assert.equal(done.stdout, '126\n0\n');
    },
  );
});

test('2000 execs eight at a time all arrive', async () => {
  await within(
    () => ALLOW,
    { names: ['env'] },
    async (s) => {
      const done = await s.run([
        '/bin/sh',
        '-c',
        'seq 2000 | xargs -P8 -n1 /bin/echo | sort -n | md5sum; seq 2000 | md5sum',
      ]);
      const [one, two] = done.stdout.trim().split('\n');
      assert.equal(one, two);
      assert.equal(done.stderr, '');
    },
  );
});

test('a setuid program runs without its privileges, and an agent cannot trace', async () => {
  await within(
    () => ALLOW,
    {},
    async (s) => {
      const forms = compileInto(s, 'exec-forms');
      assert.equal((await s.run([forms, 'ptrace', '-'])).stdout, 'errno 1\n');
      const su = await s.run(['/bin/sh', '-c', 'grep NoNewPrivs /proc/self/status']);
      assert.match(su.stdout, /NoNewPrivs:\s+1/);
    },
  );
});

test('how an asked program ended is reported: its code, its signal', async () => {
  const decide = (q: Question): Answer => ({
    decision: 'ALLOW',
    action: `act_${q.argv.at(-1)}`,
    reportEnd: true,
  });
  await within(decide, { names: ['dash'] }, async (s) => {
    await s.run([
      '/bin/bash',
      '-c',
      "dash -c 'exit 9' nine; dash -c 'kill -TERM $$' term; dash -c 'sleep 0.1; exit 3' three & wait; true",
    ]);
    assert.deepEqual([...s.ends].sort(), ['act_nine exit:9', 'act_term signal:15', 'act_three exit:3']);
  });
});

for (const java of ['/usr/bin/java'].filter(existsSync)) {
  test('a program started by java is judged', async () => {
    await within(denies('id'), { names: ['id'] }, async (s) => {
      writeFileSync(
        join(s.work, 'Run.java'),
        'class Run { public static void main(String[] a) throws Exception {' +
          ' System.out.println(new ProcessBuilder("/usr/bin/id").inheritIO().start().waitFor());' +
          ' System.out.println(new ProcessBuilder("/bin/echo", "x").inheritIO().start().waitFor()); } }',
      );
      const done = await s.run([java, '-Djava.io.tmpdir=.', '-XX:-UsePerfData', 'Run.java']);
      assert.equal(done.stdout, '126\nx\n0\n', done.stderr);
    });
  });
}

const builds = [
  { processor: 'this processor', cc: process.env['CC'] ?? 'cc', run: [] },
  { processor: 'aarch64', cc: '/usr/bin/aarch64-linux-gnu-gcc', run: ['/usr/bin/qemu-aarch64-static'] },
].filter(({ run }) => run.every(existsSync));
for (const { processor, cc, run } of builds.filter((b) => b.run.length === 0 || existsSync(b.cc))) {
  test(`the stub makes its call and ends with 126 on ${processor}`, async () => {
    await within(
      () => ALLOW,
      {},
      async (s) => {
        const stub = compileInto(s, 'stub', 'stub', cc);
        const [program = stub, ...words] = [...run, stub];
        const done = spawnSync(program, words, { encoding: 'utf8' });
        assert.deepEqual([done.status, done.stderr], [126, 'poked\n']);
      },
    );
  });
}
