import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import {
  type Answer,
  compileGuard,
  openVeilSession,
  type Question,
  type User,
  type VeilSession,
} from './veil-session.ts';

const dir = realpathSync(mkdtempSync(join(tmpdir(), 'csn-veil-guard-')));
chmodSync(dir, 0o755);
after(() => rmSync(dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }));
const guard = compileGuard(dir);
const isRoot = process.getuid?.() === 0;

const SECRET = 'AKIA-0123456789 the secret of a test\n';
const ALLOW = (): Answer => ({ decision: 'ALLOW' });
const DENY = (): Answer => ({ decision: 'DENY' });

/** A veil needs /dev/fuse: who may not open it here has places masked, and that is what its tests then look at. */
function canOpenFuse(): boolean {
  return spawnSync('sh', ['-c', ': <>/dev/fuse'], { stdio: 'ignore' }).status === 0;
}
const HAS_FUSE = canOpenFuse();

async function withSession(
  decide: (question: Question) => Answer,
  run: (session: VeilSession, veiled: readonly string[]) => Promise<void>,
  user: User | null = null,
): Promise<void> {
  const session = await openVeilSession(guard, decide, user);
  try {
    const ssh = join(session.home, '.ssh');
    mkdirSync(ssh);
    writeFileSync(join(ssh, 'id_test'), SECRET, { mode: 0o600 });
    writeFileSync(join(session.home, '.netrc'), SECRET, { mode: 0o600 });
    if (user !== null) execFileSync('chown', ['-R', `${user.uid}:${user.gid}`, session.home]);
    await run(session, [ssh, join(session.home, '.netrc')]);
    assert.deepEqual(session.faults, []);
  } finally {
    session.close();
  }
}

/** The same, for what only a veil can do. Masked places are tested below whatever the machine. */
function veilTest(
  name: string,
  decide: (question: Question) => Answer,
  run: Parameters<typeof withSession>[1],
): void {
  test(name, async () => {
    if (HAS_FUSE) return await withSession(decide, run);
    await withSession(decide, async (session, veiled) => {
      const done = await session.run(
        ['cat', ...veiled.map((path) => (path.endsWith('.ssh') ? `${path}/id_test` : path))],
        { veiled },
      );
      assert.notEqual(done.code, 0);
      assert.equal(done.stdout, '');
    });
  });
}

veilTest(
  'gives not a byte of a veiled file when the person denies it, and names still show',
  DENY,
  async (session, veiled) => {
    const done = await session.run(
      ['sh', '-c', "sh -c 'ls -l ~/.ssh; cat ~/.ssh/id_test; cat ~/.netrc; dd if=$HOME/.netrc; :'; :"],
      { veiled },
    );
    assert.match(done.stdout, /-rw------- .* 37 .* id_test\n/);
    assert.equal(done.stdout.includes('AKIA'), false);
    assert.equal(done.stderr.match(/Permission denied/g)?.length, 3);
    // dd asks for what cat was just refused, below the same shell.
    assert.deepEqual(
      session.questions.map((q) => [q.path, q.program.split('/').at(-1), q.scope]),
      [
        [join(session.home, '.ssh/id_test'), 'cat', ''],
        [join(session.home, '.netrc'), 'cat', ''],
      ],
    );
    assert.deepEqual(session.reads(), [
      `read||13|${session.home}/.ssh/id_test`,
      `read||13|${session.home}/.netrc`,
      `read||13|${session.home}/.netrc`,
    ]);
  },
);

veilTest(
  'names the process that asks by its number outside',
  () => ({ decision: 'ALLOW', afterMs: 200 }),
  async (session, veiled) => {
    const ran = session.run(['sh', '-c', 'python3 -c "open(\'$HOME/.netrc\').read()"; :'], { veiled });
    await session.until('a question came', () => session.questions.length === 1);
    const question = session.questions[0];
    assert.ok(question);
    assert.equal(readlinkSync(`/proc/${question.process}/exe`), question.program);
    assert.match(question.program, /python/);
    await ran;
  },
);

veilTest('opens what is allowed once for that once', ALLOW, async (session, veiled) => {
  const done = await session.run(['sh', '-c', 'cat ~/.netrc; cat ~/.netrc'], { veiled });
  assert.equal(done.stdout, SECRET + SECRET);
  assert.equal(session.questions.length, 2);
  assert.deepEqual(session.reads(), [`read||0|${session.home}/.netrc`, `read||0|${session.home}/.netrc`]);
});

veilTest(
  'does not ask again when the answer is for the session, and only about that path',
  () => ({ decision: 'ALLOW', remember: true }),
  async (session, veiled) => {
    const big = Buffer.alloc(700_000, 'a b c\n');
    writeFileSync(join(session.home, '.ssh/big'), big);
    const done = await session.run(
      ['sh', '-c', 'cat ~/.ssh/big; cat ~/.ssh/big; tail -c 5 ~/.ssh/big; cat ~/.netrc'],
      { veiled },
    );
    assert.equal(done.stdout, `${big}${big}${big.subarray(-5)}${SECRET}`);
    assert.deepEqual(
      session.questions.map((q) => q.path),
      [join(session.home, '.ssh/big'), join(session.home, '.netrc')],
    );
  },
);

veilTest(
  'refuses without another question what was refused for the session',
  () => ({ decision: 'DENY', remember: true }),
  async (session, veiled) => {
    const done = await session.run(['sh', '-c', 'cat ~/.netrc; (sleep 0.1; cat ~/.netrc)'], { veiled });
    assert.equal(done.stdout, '');
    assert.equal(session.questions.length, 1);
  },
);

veilTest('lets a granted file be mapped, privately and shared', ALLOW, async (session, veiled) => {
  const code = `
import mmap, os, sys
fd = os.open(os.path.expanduser('~/.netrc'), os.O_RDONLY)
for flags in (mmap.MAP_PRIVATE, mmap.MAP_SHARED):
    sys.stdout.write(mmap.mmap(fd, 0, flags, mmap.PROT_READ)[:].decode())
print(os.lseek(fd, 0, os.SEEK_END), os.pread(fd, 4, 5))
`;
  const done = await session.run(['python3', '-c', code], { veiled });
  assert.equal(done.stderr, '');
  assert.equal(done.stdout, `${SECRET}${SECRET}37 b'0123'\n`);
});

veilTest('lets ssh read its configuration and a key after grants', ALLOW, async (session, veiled) => {
  const ssh = join(session.home, '.ssh');
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(ssh, 'key')]);
  writeFileSync(join(ssh, 'config'), 'Host somewhere\n  HostName real.example\n', { mode: 0o600 });
  const done = await session.run(
    ['sh', '-c', 'ssh -F ~/.ssh/config -G somewhere | grep "^hostname"; ssh-keygen -y -f ~/.ssh/key'],
    { veiled },
  );
  const [type, key] = readFileSync(join(ssh, 'key.pub'), 'utf8').split(' ');
  assert.ok(done.stdout.startsWith(`hostname real.example\n${type} ${key}`), done.stdout + done.stderr);
});

veilTest(
  'opens exactly what is granted, and shuts what is taken back, also where it is open',
  DENY,
  async (session, veiled) => {
    const code = `
import mmap, os, sys
def attempt(what):
    try: print(what(), flush=True)
    except OSError as e: print(e.strerror, flush=True)
a, b = os.path.expanduser('~/.ssh/id_test'), os.path.expanduser('~/.netrc')
sys.stdin.readline()
attempt(lambda: open(b).read(4))
fd = os.open(a, os.O_RDONLY)
attempt(lambda: os.pread(fd, 4, 0))
sys.stdin.readline()
attempt(lambda: os.pread(fd, 4, 0))
attempt(lambda: open(a).read())
sys.stdin.readline()
attempt(lambda: open(a).read(4))
`;
    const child = session.start(['python3', '-u', '-c', code], { veiled });
    let out = '';
    child.stdout?.on('data', (chunk) => {
      out += chunk;
    });
    const lines = (n: number) => session.until(`${n} lines came`, () => out.split('\n').length > n);
    const settled = () => new Promise((resolve) => setTimeout(resolve, 200));
    await settled();
    session.push('grant', join(session.home, '.ssh/id_test'));
    await settled();
    child.stdin?.write('\n');
    await lines(2);
    session.push('revoke', join(session.home, '.ssh/id_test'));
    await settled();
    child.stdin?.write('\n');
    await lines(4);
    // A trailing slash: everything below.
    session.push('grant', `${join(session.home, '.ssh')}/`);
    await settled();
    child.stdin?.write('\n');
    await lines(5);
    assert.equal(out, "Permission denied\nb'AKIA'\nPermission denied\nPermission denied\nAKIA\n");
    assert.deepEqual(
      session.questions.map((q) => q.path),
      [join(session.home, '.netrc')],
    );
  },
);

veilTest(
  'asks three times, not thirty, when something goes through the secrets',
  DENY,
  async (session, veiled) => {
    for (let i = 0; i < 30; i++) writeFileSync(join(session.home, `.ssh/secret-${i}`), SECRET);
    const scan = await session.run(['grep', '-r', 'AKIA', session.home], { veiled });
    assert.equal(scan.stdout, '');
    assert.equal(session.questions.length, 3);
    assert.equal(session.reads().length, 32);
    const find = await session.run(['sh', '-c', "find ~ -type f -exec cat '{}' ';'; :"], { veiled });
    assert.equal(find.stdout, '');
    assert.equal(session.questions.length, 6);
    const each = await session.run(['sh', '-c', 'for f in ~/.ssh/*; do cat $f; done; :'], { veiled });
    assert.equal(each.stdout, '');
    assert.equal(session.questions.length, 18, 'what the agent starts one by one stops at a dozen a minute');
  },
);

veilTest('goes on asking a program whose questions are allowed', ALLOW, async (session, veiled) => {
  for (let i = 0; i < 6; i++) writeFileSync(join(session.home, `.ssh/secret-${i}`), SECRET);
  const scan = await session.run(['grep', '-rh', 'AKIA', join(session.home, '.ssh')], { veiled });
  assert.equal(scan.stdout, SECRET.repeat(7));
  assert.equal(session.questions.length, 7);
});

veilTest(
  'puts one question when a program asks for a file many times at once',
  () => ({ decision: 'ALLOW', afterMs: 700 }),
  async (session, veiled) => {
    const code = `
const { open } = require('node:fs');
let left = 200, good = 0;
for (let i = 0; i < 200; i++) open(process.env.HOME + '/.netrc', (error) => {
  if (!error) good++;
  if (--left === 0) console.log(good);
});`;
    const done = await session.run(['env', 'UV_THREADPOOL_SIZE=128', process.execPath, '-e', code], {
      veiled,
    });
    assert.equal(done.stdout, '200\n', done.stderr);
    // Those that were not yet begun when the first were answered.
    assert.ok(session.questions.length <= 2, `${session.questions.length} questions`);
  },
);

veilTest(
  'does not let one program in with what is allowed to another at the same time',
  (question) => ({ decision: question.program.endsWith('/cat') ? 'ALLOW' : 'DENY', afterMs: 300 }),
  async (session, veiled) => {
    const done = await session.run(['sh', '-c', 'cat ~/.netrc & head -n 1 ~/.netrc & wait'], { veiled });
    assert.equal(done.stdout, SECRET);
    assert.match(done.stderr, /head: .*Permission denied/);
    assert.equal(session.questions.length, 2);
  },
);

veilTest(
  'holds a read for a second without freezing an event loop',
  () => ({ decision: 'ALLOW', afterMs: 1000 }),
  async (session, veiled) => {
    const code = `
let beats = 0;
const timer = setInterval(() => beats++, 10);
const began = performance.now();
require('node:fs').readFile(process.env.HOME + '/.netrc', 'utf8', (error, text) => {
  clearInterval(timer);
  console.log(JSON.stringify({ text, beats, ms: performance.now() - began }));
});`;
    const done = await session.run([process.execPath, '-e', code], { veiled });
    const seen = JSON.parse(done.stdout) as { text: string; beats: number; ms: number };
    assert.equal(seen.text, SECRET);
    assert.ok(seen.ms > 950, `${seen.ms} ms`);
    assert.ok(seen.beats > 50, `${seen.beats} beats`);
  },
);

veilTest(
  'withdraws the question when the one who asks is killed',
  () => ({ decision: 'ALLOW', afterMs: 'never' }),
  async (session, veiled) => {
    const began = performance.now();
    const done = await session.run(
      ['sh', '-c', 'cat ~/.netrc & sleep 0.5; kill -9 $!; wait $!; echo ended $?'],
      { veiled },
    );
    assert.equal(done.stdout, 'ended 137\n');
    assert.ok(performance.now() - began < 5000);
    await session.until('the question is withdrawn', () => session.questions[0]?.withdrawn === true);
  },
);

veilTest(
  'goes on waiting when a child of the one who asks ends, and still hears its end',
  () => ({ decision: 'ALLOW', afterMs: 1000 }),
  async (session, veiled) => {
    const code = `
import os, signal, subprocess, sys
signal.signal(signal.SIGCHLD, lambda *a: None)
signal.signal(signal.SIGALRM, signal.SIG_DFL)
subprocess.Popen(['sleep', '0.3'])
if len(sys.argv) > 1: signal.alarm(1)
fd = os.open(os.path.expanduser('~/.netrc'), os.O_RDONLY)
print(os.read(fd, 4))
`;
    const done = await session.run(['python3', '-c', code], { veiled });
    assert.equal(done.stdout, "b'AKIA'\n", done.stderr);
    assert.equal(session.questions.length, 1);
  },
);

veilTest(
  'lets a signal end a wait that another signal did not',
  () => ({ decision: 'ALLOW', afterMs: 'never' }),
  async (session, veiled) => {
    const done = await session.run(
      [
        'bash',
        '-c',
        `trap : CHLD; python3 -c "
import os, signal, subprocess
signal.signal(signal.SIGCHLD, lambda *a: None)
subprocess.Popen(['sleep', '0.3'])
os.open(os.path.expanduser('~/.netrc'), os.O_RDONLY)
" & sleep 1; kill -TERM $!; wait $!; wait $!; echo ended $?`,
      ],
      { veiled },
    );
    assert.match(done.stdout, /ended (143|127)\n/);
    assert.ok(done.ms < 6000, `${done.ms} ms`);
    await session.until('the question is withdrawn', () => session.questions[0]?.withdrawn === true);
  },
);

veilTest(
  'ends at once when the session ends while something is held',
  () => ({ decision: 'ALLOW', afterMs: 'never' }),
  async (session, veiled) => {
    const done = await session.run(['sh', '-c', 'cat ~/.netrc & sleep 0.4; exit 7'], { veiled });
    assert.equal(done.code, 7);
    assert.ok(done.ms < 3000, `${done.ms} ms`);
  },
);

const OPENAT2 = `
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
def attempt(name):
    how = (ctypes.c_uint64 * 3)(0, 0, 0)
    fd = libc.syscall(437, -100, os.path.expanduser(name).encode(), ctypes.byref(how), 24)
    print(os.read(fd, 4).decode() if fd >= 0 else os.strerror(ctypes.get_errno()), flush=True)
for name in sys.argv[1:]: attempt(name)
`;

veilTest(
  'asks as well when the supervisor opens in the place of the one who asks',
  (question) => ({ decision: question.path.endsWith('.netrc') ? 'ALLOW' : 'DENY', afterMs: 200 }),
  async (session, veiled) => {
    writeFileSync(join(session.home, '.ssh/known_hosts'), 'known\n');
    const done = await session.run(
      ['python3', '-c', OPENAT2, '~/.netrc', '~/.ssh/id_test', '~/.netrc', '~/.ssh/known_hosts'],
      { veiled, shown: [join(session.home, '.ssh/known_hosts')] },
    );
    assert.equal(done.stdout, 'AKIA\nPermission denied\nAKIA\nknow\n', done.stderr);
    assert.deepEqual(
      session.questions.map((q) => q.path.slice(session.home.length)),
      ['/.netrc', '/.ssh/id_test', '/.netrc'],
    );
    assert.deepEqual(session.reads(), [
      `read||0|${session.home}/.netrc`,
      `read||13|${session.home}/.ssh/id_test`,
      `read||0|${session.home}/.netrc`,
    ]);
  },
);

veilTest(
  'withdraws that question too when the one who asks is killed',
  () => ({ decision: 'ALLOW', afterMs: 'never' }),
  async (session, veiled) => {
    const script = 'python3 -c "$1" "~/.netrc" & sleep 0.7; kill -9 $!; wait $!; echo ended $?; sleep 0.5';
    const done = await session.run(['sh', '-c', script, 'sh', OPENAT2], { veiled });
    assert.equal(done.stdout, 'ended 137\n');
    assert.equal(session.questions[0]?.withdrawn, true);
  },
);

veilTest(
  'ends everything when the supervisor is killed while a read is held and names are looked at',
  () => ({ decision: 'ALLOW', afterMs: 'never' }),
  async (session, veiled) => {
    const child = session.start(
      ['sh', '-c', '(while :; do ls -lR ~ >/dev/null; done) & cat ~/.netrc && echo opened'],
      { veiled },
    );
    let out = '';
    child.stdout?.on('data', (chunk) => {
      out += chunk;
    });
    const ended = new Promise((resolve) => child.once('exit', resolve));
    await session.until('it is held', () => session.questions.length === 1);
    const children = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim().split(' ');
    // The first process has one thread; the supervisor has its crew.
    const supervisor = children.find((pid) => readdirSync(`/proc/${pid}/task`).length > 1);
    process.kill(Number(supervisor), 'SIGKILL');
    assert.equal(await ended, 125);
    for (const pid of [supervisor, session.questions[0]?.process])
      await session.until(`${pid} is gone`, () => !existsSync(`/proc/${pid}`));
    assert.equal(out, '');
  },
);

veilTest('changes nothing through a veil', ALLOW, async (session, veiled) => {
  const done = await session.run(
    [
      'sh',
      '-c',
      'cd ~/.ssh; echo x > new; echo x >> id_test; rm -f id_test; mv id_test other; mkdir d; ln -s a b; ln id_test c; chmod 777 id_test; truncate -s 0 id_test; touch id_test; true <> ../.netrc; rm -rf ~/.ssh/*; true',
    ],
    { veiled },
  );
  assert.equal(done.code, 0);
  assert.deepEqual(readdirSync(join(session.home, '.ssh')), ['id_test']);
  assert.equal(readFileSync(join(session.home, '.ssh/id_test'), 'utf8'), SECRET);
  assert.equal(readFileSync(join(session.home, '.netrc'), 'utf8'), SECRET);
});

veilTest(
  'follows a link that leads out of a veil into what may be read anyway, and never one in the way of a grant',
  ALLOW,
  async (session, veiled) => {
    const outside = join(session.work, 'plain');
    writeFileSync(outside, 'plain\n');
    symlinkSync(outside, join(session.home, '.ssh/out'));
    symlinkSync('../.netrc', join(session.home, '.ssh/in'));
    mkdirSync(join(session.home, '.ssh/real'));
    writeFileSync(join(session.home, '.ssh/real/f'), SECRET);
    symlinkSync('real', join(session.home, '.ssh/linked'));
    const done = await session.run(
      ['sh', '-c', 'readlink ~/.ssh/out; cat ~/.ssh/out; cat ~/.ssh/in; cat ~/.ssh/linked/f'],
      { veiled },
    );
    assert.equal(done.stdout, `${outside}\nplain\n${SECRET}${SECRET}`);
    // The questions name what is opened, never the link.
    assert.deepEqual(
      session.questions.map((q) => q.path),
      [join(session.home, '.netrc'), join(session.home, '.ssh/real/f')],
    );
  },
);

veilTest('shows what is there now, whatever the names', DENY, async (session, veiled) => {
  const ssh = join(session.home, '.ssh');
  const odd = Buffer.concat([Buffer.from('new\nline'), Buffer.from([0xff, 0x5c])]);
  const long = 'n'.repeat(255);
  writeFileSync(Buffer.concat([Buffer.from(`${ssh}/`), odd]), SECRET);
  writeFileSync(join(ssh, long), SECRET);
  let deep = ssh;
  for (let i = 0; i < 12; i++) deep = join(deep, 'd'.repeat(200));
  mkdirSync(deep, { recursive: true });
  writeFileSync(join(deep, 'bottom'), SECRET);
  for (let i = 0; i < 500; i++) writeFileSync(join(ssh, `many-${i}`), '');
  const code = `
import os
home = os.path.expanduser('~').encode()
names = os.listdir(home + b'/.ssh')
print(len(names), ${JSON.stringify(long)}.encode() in names, b'new\\nline\\xff\\\\' in names)
os.chdir(home + b'/.ssh')
for i in range(12): os.chdir('d' * 200)
print(os.stat('bottom').st_size, len(os.getcwd()))
try: open(home + b'/.ssh/new\\nline\\xff\\\\')
except OSError as e: print(e.strerror)
`;
  const done = await session.run(['python3', '-c', code], { veiled });
  assert.equal(done.stdout, `504 True True\n37 ${deep.length}\nPermission denied\n`, done.stderr);
  assert.equal(session.questions[0]?.path, `${ssh}/new\nline\xff\\`);
});

veilTest('keeps nothing of a file that changes or goes underneath', ALLOW, async (session, veiled) => {
  const netrc = join(session.home, '.ssh/id_test');
  const child = session.start(
    [
      'sh',
      '-c',
      'exec 3< ~/.ssh/id_test; read a <&3; echo "$a"; read go; cat ~/.ssh/id_test; stat -Lc %s /dev/fd/3; read go; cat ~/.ssh/id_test; ls ~/.ssh',
    ],
    { veiled },
  );
  let out = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk) => {
      out += chunk;
    });
  await session.until('the first was read', () => out.includes('\n'));
  writeFileSync(`${netrc}.new`, 'changed\n');
  renameSync(`${netrc}.new`, netrc);
  child.stdin?.write('\n');
  await session.until('the second was read', () => out.includes('changed\n'));
  rmSync(netrc);
  child.stdin?.write('\n');
  await session.until('it is gone', () => out.includes('No such file'));
  assert.equal(out.startsWith(`${SECRET}changed\n`), true, out);
});

veilTest(
  'veils a file anew when somebody outside replaces it, and one that comes later',
  DENY,
  async (session, veiled) => {
    const late = join(session.home, '.pgpass');
    const child = session.start(
      ['sh', '-c', 'echo ready; while read go; do cat ~/.netrc ~/.pgpass 2>&1; done'],
      { veiled: [...veiled, late] },
    );
    let out = '';
    child.stdout?.on('data', (chunk) => {
      out += chunk;
    });
    await session.until('it runs', () => out.includes('ready'));
    writeFileSync(join(session.home, 'fresh'), 'AKIA fresh\n');
    renameSync(join(session.home, 'fresh'), join(session.home, '.netrc'));
    writeFileSync(late, 'AKIA late\n');
    await new Promise((resolve) => setTimeout(resolve, 100));
    child.stdin?.write('\n');
    await session.until('both were tried', () => out.split('Permission denied').length === 3);
    assert.equal(out.includes('AKIA'), false, out);
    assert.deepEqual(
      session.questions.map((q) => q.path),
      [join(session.home, '.netrc'), late],
    );
    assert.equal(
      session.questions.every((q) => q.program.endsWith('/cat')),
      true,
    );
  },
);

veilTest(
  'keeps hidden what is hidden below a veil, and open what is shown',
  DENY,
  async (session, veiled) => {
    const ssh = join(session.home, '.ssh');
    mkdirSync(join(ssh, 'inner'));
    writeFileSync(join(ssh, 'inner/x'), SECRET);
    writeFileSync(join(ssh, 'known_hosts'), 'known\n');
    const done = await session.run(['sh', '-c', 'ls ~/.ssh; cat ~/.ssh/known_hosts; cat ~/.ssh/inner/x'], {
      veiled: [...veiled, join(ssh, 'id_test')],
      hidden: [join(ssh, 'inner')],
      shown: [join(ssh, 'known_hosts')],
    });
    assert.equal(done.stdout, 'id_test\nknown_hosts\nknown\n');
    assert.match(done.stderr, /inner\/x: No such file or directory/);
    assert.deepEqual(session.questions, []);
  },
);

veilTest(
  'answers a thousand opens at once and is still there afterwards',
  () => ({ decision: 'DENY', afterMs: 500 }),
  async (session, veiled) => {
    for (let i = 0; i < 50; i++) writeFileSync(join(session.home, `.ssh/s-${i}`), SECRET);
    const code = `
import os, threading
home = os.path.expanduser('~/.ssh/')
bad = []
def attempt(i):
    try: bad.append(os.open(home + f's-{i % 50}', os.O_RDONLY))
    except OSError as e: assert e.errno == 13, e
threads = [threading.Thread(target=attempt, args=(i,)) for i in range(1000)]
for t in threads: t.start()
for t in threads: t.join()
print('opened', len(bad), len(os.listdir(home)))
`;
    const done = await session.run(['python3', '-c', code], { veiled });
    assert.equal(done.stdout, 'opened 0 51\n', done.stderr);
    assert.ok(session.questions.length <= 3, `${session.questions.length} questions`);
  },
);

for (const reads of [true, false])
  test(`masks the places when ${reads ? 'no veil can be mounted' : 'nothing is to be asked'}`, async () => {
    await withSession(ALLOW, async (session, veiled) => {
      // As root every mode can be opened, so that /dev/fuse is then no device at all.
      const fuse = reads && isRoot ? { fuse: 'nobody' as const } : {};
      if (reads && !isRoot && HAS_FUSE) return;
      const done = await session.run(
        ['sh', '-c', 'cat ~/.ssh/id_test; cat ~/.netrc; ls -A ~/.ssh; cp -r ~/.ssh /tmp; true'],
        { veiled, reads, ...fuse },
      );
      assert.equal(done.stdout, '');
      assert.match(done.stderr, /No such file or directory[\s\S]*Permission denied/);
      assert.deepEqual(session.questions, []);
    });
  });

test('veils for an ordinary user where the system lets one open /dev/fuse', async () => {
  if (!isRoot) return;
  const id = (flag: string) => Number(spawnSync('id', [flag, 'csn-probe'], { encoding: 'utf8' }).stdout);
  if (Number.isNaN(id('-u')) || id('-u') === 0) execFileSync('useradd', ['-m', 'csn-probe']);
  let decision: Answer = { decision: 'ALLOW', remember: true };
  await withSession(
    () => decision,
    async (session, veiled) => {
      const done = await session.run(['sh', '-c', 'cat ~/.netrc; stat -c "%U %a" ~/.ssh/id_test; id -u'], {
        veiled,
        fuse: 'anyone',
      });
      assert.equal(done.stdout, `${SECRET}csn-probe 600\n${id('-u')}\n`, done.stderr);
      assert.equal(session.questions.length, 1);
      decision = { decision: 'DENY' };
      const again = await session.run(['sh', '-c', 'cat ~/.netrc'], { veiled, fuse: 'anyone' });
      assert.equal(again.stdout, '');
      assert.equal(session.questions.length, 2, 'a grant is of one session');
      const masked = await session.run(['sh', '-c', 'cat ~/.netrc; cat ~/.ssh/id_test'], {
        veiled,
        fuse: 'nobody',
      });
      assert.equal(masked.stdout, '');
    },
    { uid: id('-u'), gid: id('-g') },
  );
});

test('finds the process that asks where the kernel does not translate its number', async () => {
  if (!HAS_FUSE) return;
  const place = join(dir, 'older');
  mkdirSync(place);
  const older = compileGuard(place, ['-DCSG_WITHOUT_PID_TRANSLATION']);
  let exe = '';
  const session = await openVeilSession(older, (question) => {
    exe = readlinkSync(`/proc/${question.process}/exe`);
    return { decision: 'ALLOW' };
  });
  try {
    writeFileSync(join(session.home, '.netrc'), SECRET);
    const done = await session.run(
      [
        process.execPath,
        '-e',
        'require("node:fs/promises").readFile(process.env.HOME + "/.netrc", "utf8").then(console.log)',
      ],
      {
        veiled: [join(session.home, '.netrc')],
      },
    );
    assert.equal(done.stdout, `${SECRET}\n`);
    assert.equal(exe, realpathSync(process.execPath));
  } finally {
    session.close();
  }
});

test('tells of reads of classified files in the workspace, and of nothing else there', async () => {
  await withSession(DENY, async (session) => {
    mkdirSync(join(session.work, 'a/node_modules/m'), { recursive: true });
    for (const name of ['.env', 'a/.env.local', 'a/server.pem', 'a/plain.txt', 'a/node_modules/m/.env'])
      writeFileSync(join(session.work, name), 'x\n');
    const done = await session.run(
      [
        'sh',
        '-c',
        'sleep 0.3; cat .env a/.env.local a/plain.txt a/node_modules/m/.env; mkdir b; sleep 0.2; echo k > b/late.key; sleep 0.2; cat b/late.key; sleep 0.2',
      ],
      { classified: ['.env*', '*.pem', '*.key'] },
    );
    assert.equal(done.code, 0, done.stderr);
    await session.until('all were told', () => session.reads().length >= 3);
    assert.deepEqual(
      [...new Set(session.reads())],
      ['.env', 'a/.env.local', 'b/late.key'].map((name) => `read||0|${join(session.work, name)}`),
    );
  });
});

test('leaves nothing mounted and nothing running when it is over', () => {
  assert.equal(readFileSync('/proc/self/mountinfo', 'utf8').includes('countersign'), false);
  assert.equal(existsSync('/dev/shm/.countersign-shut'), false);
});
