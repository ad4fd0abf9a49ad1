import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type AttackedSession, attackSession, fits } from './attack-session.ts';
import { EXPECTED, LANDLOCK_DIFFERS, ROOT_DIFFERS } from './expected.ts';
import { CAN_BE_ROOT, compile, eventually, type GuardStage, guardStage, processTable } from './stage.ts';

const WHO = CAN_BE_ROOT ? (['ordinary', 'root'] as const) : (['ordinary'] as const);

/* As an ordinary user: attacks.test.ts. */
for (const who of CAN_BE_ROOT ? (['root'] as const) : []) {
  const rows = { ...EXPECTED, ...LANDLOCK_DIFFERS, ...ROOT_DIFFERS };
  describe(`what an attacker tries in a session without namespaces, as ${who} user`, () => {
    let session: AttackedSession;
    before(async () => {
      session = await attackSession(who, 'landlock');
    });
    after(() => session.close());

    test('every row is tried', () => {
      assert.deepEqual([...session.results.keys()].sort(), Object.keys(rows).sort(), session.done.stderr);
    });
    for (const [name, expected] of Object.entries(rows))
      test(`${name}: ${expected}`, () => {
        const result = session.results.get(name) ?? 'was not tried';
        assert.ok(fits(result, expected), `${name}: ${result}, not ${expected}`);
      });
    test('no byte of the secret is in anything that the attacker printed', () => {
      assert.doesNotMatch(session.done.stdout + session.done.stderr, /SECRET/);
    });
    test('the home is as it was, byte for byte, mode for mode', () => {
      assert.deepEqual(session.homeAfter, session.homeBefore);
    });
    test('no service of the host heard anything', () => {
      assert.deepEqual(session.heard, []);
    });
  });
}

for (const who of WHO)
  describe(`work in a session without namespaces, as ${who} user`, () => {
    let stage: GuardStage;
    const landlock = (script: string, input?: string) =>
      stage.cli(['run', '--guard', 'landlock', '--verbose', '--', 'bash', '-c', script], {
        env: { PATH: `${stage.env['PATH']}:${process.env['PATH']}` },
        ...(input === undefined ? {} : { input }),
      });
    before(async () => {
      stage = guardStage(who);
      stage.put(join(stage.own, 'config/policies/outside.yaml'), OUTSIDE);
      await stage.startDaemon();
      compile('processes', join(stage.tools, 'processes'), ['-static']);
    });
    after(() => stage.close());

    test('says what it is', async () => {
      const done = await landlock('true');
      assert.equal(done.code, 0, done.stderr);
      assert.match(done.stderr, /assurance sandboxed/);
    });

    test('git makes a repository, commits and reads it back', async () => {
      const done = await landlock(
        'git init -q r && cd r && echo a >a && git add a && git -c user.email=a@example.org -c user.name=n commit -qm first && git log --format=%s',
      );
      assert.deepEqual([done.stdout, done.code], ['first\n', 0], done.stderr);
    });

    test('make builds and runs a C program', async () => {
      stage.put(join(stage.work, 'm/m.c'), '#include <stdio.h>\nint main(void){puts("made");}\n');
      stage.put(join(stage.work, 'm/Makefile'), 'm: m.c\n\tcc -o m m.c\n');
      const done = await landlock('cd m && make -s && ./m');
      assert.deepEqual([done.stdout, done.code], ['made\n', 0], done.stderr);
    });

    test('npm ci installs from the lock file without a network', async () => {
      stage.put(join(stage.work, 'n/dep/package.json'), '{"name":"dep","version":"1.0.0"}');
      stage.put(join(stage.work, 'n/dep/index.js'), 'module.exports = 42;\n');
      stage.put(
        join(stage.work, 'n/package.json'),
        '{"name":"n","version":"1.0.0","dependencies":{"dep":"file:dep"}}',
      );
      stage.put(
        join(stage.work, 'n/package-lock.json'),
        JSON.stringify({
          name: 'n',
          version: '1.0.0',
          lockfileVersion: 3,
          requires: true,
          packages: {
            '': { name: 'n', version: '1.0.0', dependencies: { dep: 'file:dep' } },
            dep: { version: '1.0.0' },
            'node_modules/dep': { resolved: 'dep', link: true },
          },
        }),
      );
      const done = await landlock(
        'cd n && npm ci --offline --no-audit --no-fund >/dev/null && node -p "require(\'dep\')"',
      );
      assert.deepEqual([done.stdout, done.code], ['42\n', 0], done.stderr);
    });

    test('python makes a virtual environment and starts other processes in it', async () => {
      const done = await landlock(
        "python3 -m venv --without-pip v && v/bin/python -c 'import multiprocessing as m, sys\nwith m.Pool(2) as p: print(sum(p.map(abs, [-1, -2])), sys.prefix != sys.base_prefix)'",
      );
      assert.deepEqual([done.stdout, done.code], ['3 True\n', 0], done.stderr);
    });

    test('temporary files lie in a folder of its own, which is gone afterwards', async () => {
      const done = await landlock(
        'f=$(mktemp) && echo x >"$f" && cat "$f" && cat <<<here && node -p "require(\'os\').tmpdir() === process.env.TMPDIR" && echo "$TMPDIR"',
      );
      const [x, here, node, temp = ''] = done.stdout.split('\n');
      assert.deepEqual([x, here, node], ['x', 'here', 'true'], done.stderr);
      assert.ok(temp.startsWith(join(stage.own, 'temp/')), temp);
      assert.equal(existsSync(temp), false);
    });

    test('the folder for temporary files of another session cannot be read or written', async () => {
      const other = join(stage.own, 'temp/s-other');
      stage.put(join(other, 'note'), 'SECRET of another session\n');
      const done = await landlock(`cat ${other}/note; ls ${other}; echo x >${other}/new; rm ${other}/note`);
      assert.doesNotMatch(done.stdout, /SECRET/);
      assert.deepEqual(readdirSync(other), ['note']);
      assert.equal(readFileSync(join(other, 'note'), 'utf8'), 'SECRET of another session\n');
    });

    test('a workspace that is the whole home does not open its secrets', async () => {
      // Put together while it runs: what the text says would be asked about before.
      const script = [
        'import os',
        'key = os.path.join(".s" + "sh", "id_" + "rsa")',
        'for name, mode in ((key, "r"), (key, "a"), (os.path.join(".s" + "sh", "new"), "w")):',
        '  try: print(open(name, mode).read())',
        '  except OSError as e: print(e.errno)',
      ];
      stage.put(join(stage.home, 'look.py'), script.join('\n'));
      const done = await stage.cli(['run', '--guard', 'landlock', '--', 'python3', 'look.py'], {
        cwd: stage.home,
      });
      assert.equal(done.stdout, '13\n13\n13\n', done.stderr);
      assert.deepEqual(readdirSync(join(stage.home, '.ssh')), ['id_rsa']);
    });

    test('a name is looked up over TCP, and stands for itself until it is connected to', async () => {
      const done = await landlock('getent ahostsv4 example.org | head -1; getent hosts localhost | wc -l');
      assert.match(done.stdout, /^198\.1[89]\.\d+\.\d+\s+STREAM/, done.stdout + done.stderr);
    });

    test('a service of this machine that is allowed is reached by its address and by name', async () => {
      const heard: string[] = [];
      const server = createServer((socket) => {
        socket.on('error', () => undefined);
        socket.once('data', (bytes) => {
          heard.push(bytes.toString().split('\r\n')[0] ?? '');
          socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi');
        });
      });
      await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      const done = await stage.cli(
        [
          'run',
          '--guard',
          'landlock',
          '--',
          'python3',
          '-c',
          `import urllib.request as u\nfor h in ("127.0.0.1", "localhost"): print(u.urlopen(f"http://{h}:${port}/{h}").read())`,
        ],
        { env: { SOME_URL: `http://127.0.0.1:${port}`, OTHER_URL: `http://localhost:${port}` } },
      );
      server.close();
      assert.equal(done.stdout, "b'hi'\nb'hi'\n", done.stderr);
      assert.deepEqual(heard, ['GET /127.0.0.1 HTTP/1.1', 'GET /localhost HTTP/1.1']);
    });

    test('attributes of own files are changed through descriptors, those of others are not', async () => {
      stage.put(join(stage.work, 'mine'), 'x');
      const outside = join(stage.home, 'csn-theirs');
      stage.put(outside, 'x');
      const script = [
        'import os, sys',
        'for name in sys.argv[1:]:',
        '  fd = os.open(name, os.O_RDONLY)',
        '  for change in (lambda: os.fchmod(fd, 0o640), lambda: os.fchown(fd, -1, -1), lambda: os.setxattr(fd, "user.x", b"1"), lambda: os.removexattr(fd, "user.x"), lambda: os.utime(fd, (1, 1))):',
        '    try: change(); print("ok", end=" ")',
        '    except OSError as e: print(e.errno in (1, 13, 61), end=" ")',
        '  print()',
      ].join('\n');
      stage.put(join(stage.work, 'fd.py'), script);
      const done = await landlock(`python3 fd.py mine ${outside}`);
      const [mine = '', theirs = ''] = done.stdout.split('\n');
      assert.match(mine, /^ok ok (?:ok|True) (?:ok|True) ok $/, done.stdout + done.stderr);
      assert.equal(theirs, 'True True True True True ');
      assert.equal(statSync(join(stage.work, 'mine')).mode & 0o777, 0o640);
      const kept = statSync(outside);
      assert.deepEqual([kept.mode & 0o777, kept.mtimeMs === 1000], [0o644, false]);
    });

    test('limits, priorities and signals reach its own processes and no others', async () => {
      const victim = stage.outside(['sleep', '60']);
      const ended = new Promise((resolve) => victim.once('close', resolve));
      const done = await stage.cli([
        'run',
        '--guard',
        'landlock',
        '--',
        join(stage.tools, 'processes'),
        String(victim.pid),
      ]);
      const rows = done.stdout.trim().split('\n');
      assert.deepEqual(rows, PROCESS_ROWS, done.stderr);
      assert.equal(victim.exitCode, null);
      const limits = readFileSync(`/proc/${victim.pid}/limits`, 'utf8');
      assert.doesNotMatch(limits, /Max open files +77 /);
      victim.kill('SIGKILL');
      await ended;
    });

    test('what it leaves running ends with it, however it was detached', async () => {
      const mark = `csn-left-${process.pid}`;
      const done = await landlock(
        `for i in 1 2; do (setsid bash -c 'trap "" TERM HUP; exec -a ${mark} sleep 300' >/dev/null 2>&1 </dev/null &) ; done; nohup bash -c 'exec -a ${mark} sleep 300' >/dev/null 2>&1 </dev/null & sleep 0.5; pgrep -fc "^${mark}"`,
      );
      assert.match(done.stdout, /^3$/m, done.stderr);
      assert.equal(spawnSync('pgrep', ['-f', `^${mark}`]).status, 1);
    });

    for (const part of ['guard', 'supervisor', 'first'] as const)
      test(`ends whole when its ${part} is killed`, async () => {
        const mark = `csn-${part}-${process.pid}`;
        const child = stage.start([
          'run',
          '--guard',
          'landlock',
          '--',
          'bash',
          '-c',
          `(setsid bash -c 'exec -a ${mark} sleep 300' </dev/null >/dev/null 2>&1 &); exec -a ${mark} sleep 300`,
        ]);
        const ended = new Promise((resolve) => child.once('close', resolve));
        const pid = await eventually('both run', () => {
          const all = processTable();
          if (all.filter((one) => commandOf(one.pid).startsWith(mark)).length < 2) return null;
          const below = (parent: number) =>
            all.filter((one) => one.parent === parent && one.name === 'countersign-gua');
          const init = all.find((one) => one.parent === child.pid && one.name === 'countersign-ini');
          const guard = below(init?.pid ?? -1)[0];
          const inner = below(guard?.pid ?? -1);
          const supervisor = inner.find((one) => one.leader === one.pid);
          const first = inner.find((one) => one !== supervisor);
          return { guard, supervisor, first }[part]?.pid ?? null;
        });
        process.kill(pid, 'SIGKILL');
        await ended;
        await eventually('nobody is left', () =>
          spawnSync('pgrep', ['-f', `^${mark}`]).status === 1 ? true : null,
        );
      });

    test('^Z stops a job and fg goes on with it', async () => {
      const terminal = stage.terminal([
        ...stage.countersign,
        'run',
        '--intent',
        'x',
        '--guard',
        'landlock',
        '--',
        'bash',
        '--norc',
        '-i',
      ]);
      await terminal.see(/[$#] $/);
      terminal.type('sleep 30\r');
      await eventually('it runs', () =>
        processTable().some((one) => one.name === 'sleep' && commandOf(one.pid) === 'sleep 30') ? true : null,
      );
      terminal.type('\x1a');
      await terminal.see(/Stopped/);
      terminal.type('jobs; kill %1; wait; echo "st""ill"\r');
      await terminal.see(/still/);
      terminal.type('exit 5\r');
      assert.equal((await terminal.ended).exitCode, 5);
    });
  });

const OUTSIDE = `pack: outside
version: "1.0.0"
rules:
  - id: outside/denied
    title: Changes of one file outside the workspace
    why: the test denies it
    class: deny
    priority: 1000
    match: { surfaces: [guard], tools: [file], effects: [write, delete, move, permission] }
    when: effect.known && effect.object_kind == "path" && has_any(effect.labels, ["home"]) && !has_any(effect.labels, ["workspace"])
`;

/** What shims/guard/test-csrc/processes.c says: first about a child of its own, then about a process outside. */
const PROCESS_ROWS: readonly string[] = [
  ...[
    'prlimit64',
    'sched_setparam',
    'sched_setscheduler',
    'sched_setaffinity',
    'setpriority',
    'ioprio_set',
  ].map((call) => `${call}\t0\t0\t1\theard 0`),
  ...['kill', 'tkill', 'tgkill', 'rt_sigqueueinfo', 'rt_tgsigqueueinfo', 'pidfd_send_signal'].map(
    (call) => `${call}\t0\t0\t1\theard 1`,
  ),
  'group\t0\t0\t1\t0\t3\theard 1',
  'self\t6',
];

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
  } catch {
    return '';
  }
}
