// A session sees its own terminals and nobody else's: what a person types into another one does not reach an agent, and programs that
// live on terminals work as they do outside.
import { strict as assert } from 'node:assert';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { folder, program, type Ran, run, type Setting, scratch, users } from './scripted-session.ts';

const MODES = ['full', 'nested', 'landlock'] as const;
const NODE = process.execPath;
const PTY = join(import.meta.dirname, '../../../node_modules/node-pty');

type User = ReturnType<typeof users>[number];
type Mode = (typeof MODES)[number];

const terminals = program('terminals');

const settingOf = (user: User, workspace: string, mode: Mode): Setting => ({
  workspace,
  script: ['row wdcm allow /'],
  prefix: user.prefix,
  uid: user.uid,
  mode,
});

/** What a person does on a terminal: waits for a text, types one (`\r`, `\e`, `\cZ` as terminals.c says). */
type Step = readonly ['sees' | 'types', string];

const drive = (steps: readonly Step[]): readonly string[] => [
  terminals,
  'drive',
  ...steps.flatMap(([does, text]) => [does === 'sees' ? '-w' : '-s', text]),
  '--',
];

/** Runs a command in a session that was started on a terminal of its own, at which somebody sits. */
function onTerminal(
  user: User,
  mode: Mode,
  command: readonly string[],
  steps: readonly Step[] = [],
  starter: readonly string[] = [],
): Ran & { readonly workspace: string } {
  const workspace = folder(scratch(), 'work', user.uid);
  const setting = {
    ...settingOf(user, workspace, mode),
    prefix: [...user.prefix, ...drive(steps), ...starter],
    tty: true,
  };
  const told = ['env', 'TERM=xterm', 'LC_ALL=C', `HOME=${workspace}`, 'PS1=ready> ', ...command];
  return { ...run(setting, told), workspace };
}

/** Says the terminal's name outside before the session starts, and tells it to the session. */
const NAMED = ['sh', '-c', 'OUTSIDE=$(tty); export OUTSIDE; exec "$0" "$@"'];

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', () => reject(new Error('it ended before it said anything')));
    child.stdout?.once('data', (data) => resolve(String(data).trim()));
  });
}

/** A terminal of this user's, outside of any session, into which something is typed all the time. */
async function withVictim<T>(user: User, use: (name: string) => T): Promise<T> {
  const [first = '', ...rest] = [...user.prefix, terminals, 'victim'];
  const victim = spawn(first, rest, { stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    return use(await firstLine(victim));
  } finally {
    victim.stdin?.end();
    victim.kill();
  }
}

for (const user of users()) {
  it(`steals what ${user.name} types into another terminal, as long as nothing guards it`, async () => {
    const cwd = folder(scratch(), 'work', user.uid);
    const [first = '', ...rest] = [...user.prefix, terminals, 'steal'];
    const stolen = await withVictim(user, (name) => {
      const got = spawnSync(first, [...rest, name], { cwd, encoding: 'latin1' });
      return got.stdout.split('\n').filter((line) => line.endsWith('STOLEN'));
    });
    for (const way of ['by its name', 'for writing', 'through a descriptor of the place', 'any terminal'])
      assert.ok(stolen.includes(`${way}: STOLEN`), stolen.join('\n'));
  });

  for (const mode of MODES)
    it(`keeps what ${user.name} types into another terminal from an agent, in mode ${mode}`, async () => {
      const workspace = folder(scratch(), 'work', user.uid);
      const setting = settingOf(user, workspace, mode);
      const got = await withVictim(user, (name) => run(setting, [terminals, 'steal', name]));
      assert.equal(got.status, 0, got.stderr);
      const lines = got.stdout.trim().split('\n');
      assert.ok(lines.length > 14, got.stdout);
      assert.deepEqual(
        lines.filter((line) => line.endsWith('STOLEN')),
        [],
      );
    });

  it(`keeps it from an agent that was started on a terminal of its own, as ${user.name}`, async () => {
    const got = await withVictim(user, (name) => onTerminal(user, 'full', [terminals, 'steal', name]));
    assert.equal(got.status, 0, got.stderr);
    assert.ok(got.stdout.includes('any terminal: nothing') && !got.stdout.includes('STOLEN'), got.stdout);
  });

  for (const mode of MODES)
    it(`opens the terminals that an agent makes, as ${user.name} in mode ${mode}`, () => {
      const workspace = folder(scratch(), 'work', user.uid);
      const command = [terminals, 'made', ...(mode === 'landlock' ? ['writable'] : [])];
      const got = run(settingOf(user, workspace, mode), command);
      const expected =
        mode === 'landlock' ? ['by name'] : ['by name', 'by name, for reading', 'as the master’s peer'];
      const lines = got.stdout.replaceAll("'", '’').trim().split('\n');
      assert.deepEqual(lines, [...expected.map((way) => `${way}: works`), 'ttyname: agrees'], got.stderr);
    });

  for (const mode of MODES)
    it(`names the terminal of the start as ${user.name} knows it, in mode ${mode}`, () => {
      const script =
        'echo "inside $(tty) outside $OUTSIDE"; test "$(tty)" = "$OUTSIDE" && stty -a <"$(tty)" | head -1; echo "by ""name" >"$OUTSIDE"; echo "own ""one" >/dev/tty; ' +
        `test -t 0 && test -t 1 && head -c 2 /proc/self/fd/0 && ps -o tty= -p $$ && exec "${NODE}" -e 'console.log(\`\${process.stdin.isTTY} \${process.stdout.columns}\`)'`;
      const got = onTerminal(user, mode, ['sh', '-c', script], [['types', 'ab\\r']], NAMED);
      const said = /inside (\/dev\/pts\/(\d+)) outside (\S+)/.exec(got.stdout);
      assert.ok(said !== null, got.stdout + got.stderr);
      assert.equal(said[1], said[3]);
      for (const text of ['speed ', 'by name', 'own one', `pts/${said[2]}`, 'true 80'])
        assert.ok(got.stdout.includes(text), `${text}: ${got.stdout}`);
    });

  it(`keeps the name when only the controlling terminal is one, as ${user.name}`, () => {
    const starter = ['sh', '-c', 'OUTSIDE=$(tty); export OUTSIDE; "$0" "$@" </dev/null 2>&1 | cat'];
    const script = 'test -t 0 || test -t 1 || { echo "by ""name" >"$OUTSIDE"; echo "own ""one" >/dev/tty; }';
    const got = onTerminal(user, 'full', ['sh', '-c', script], [], starter);
    assert.deepEqual(got.stdout.trim().split('\r\n'), ['by name', 'own one'], got.stderr);
  });

  it(`calls a terminal with a high number the console, as ${user.name}`, async () => {
    const [first = '', ...rest] = [...user.prefix, terminals, 'hold', '17'];
    const holder = spawn(first, rest, { stdio: ['pipe', 'pipe', 'inherit'] });
    try {
      await firstLine(holder);
      const script = 'tty; echo "own ""one" >/dev/tty; echo "by ""name" >"$(tty)"; ls /dev/pts';
      const got = onTerminal(user, 'full', ['sh', '-c', script]);
      assert.deepEqual(got.stdout.trim().split('\r\n'), ['/dev/console', 'own one', 'by name', 'ptmx']);
    } finally {
      holder.stdin?.end();
    }
  });

  it(`has only the devices in /dev that are nobody’s, as ${user.name}`, () => {
    const workspace = folder(scratch(), 'work', user.uid);
    const script =
      'ls /dev | tr "\\n" " "; ls /dev/pts; head -c 4 /dev/zero | wc -c; head -c 4 /dev/urandom | wc -c; echo x >/dev/null; ' +
      'echo x >/dev/full; echo x | cat /dev/stdin; echo x >/dev/stdout | cat; echo x >/dev/shm/x; cat /dev/fd/0 </dev/shm/x; echo x >/dev/x; mkdir /dev/y';
    const got = run(settingOf(user, workspace, 'full'), ['sh', '-c', script]);
    const [names, ...rest] = got.stdout.split('\n');
    assert.equal(
      names,
      'fd full null ptmx pts random shm stderr stdin stdout tty urandom zero ptmx',
      got.stderr,
    );
    assert.deepEqual(rest, ['4', '4', 'x', 'x', 'x', '']);
    assert.match(got.stderr, /I\/O error|No space left on device/);
    assert.ok(/\/dev\/x/.test(got.stderr) && /\/dev\/y/.test(got.stderr), got.stderr);
  });

  it(`does not start with a folder as a standard stream, as ${user.name}`, () => {
    const workspace = folder(scratch(), 'work', user.uid);
    const setting = settingOf(user, workspace, 'full');
    const prefix = [...user.prefix, 'sh', '-c', 'exec "$0" "$@" </dev'];
    const got = run({ ...setting, prefix }, ['cat', '/proc/self/fd/0/null']);
    assert.equal(got.status, 125);
    assert.match(got.stderr, /a standard stream of the session is a folder/);
  });
}

describe('where root makes it so', () => {
  for (const user of users().filter((one) => one.uid === 0)) {
    it('keeps devices away that lie elsewhere', async () => {
      const workspace = folder(scratch(), 'work');
      mkdirSync(join(workspace, 'elsewhere'));
      spawnSync('mknod', [join(workspace, 'null'), 'c', '1', '3']);
      const prefix = [
        'unshare',
        '-m',
        'sh',
        '-c',
        'mount --bind /dev/pts elsewhere && cat null && exec "$0" "$@"',
      ];
      const setting = { ...settingOf(user, workspace, 'full'), prefix };
      const inPlace = ['env', '-C', workspace, ...prefix];
      const got = await withVictim(user, (name) =>
        run({ ...setting, prefix: inPlace }, ['sh', '-c', `cat null; exec ${terminals} steal ${name}`]),
      );
      assert.match(got.stderr, /null: Permission denied/);
      assert.match(got.stdout, /the folder's other mount: nothing/);
      assert.ok(!got.stdout.includes('STOLEN'), got.stdout);
    });

    it('works on a terminal that has no name in its own world, as in a container that was entered', () => {
      const steps: readonly Step[] = [
        ['sees', 'ready> '],
        ['types', 'test -t 0 && tty; echo "own ""one" >/dev/tty; cat\\r'],
        ['sees', 'own one'],
        ['types', 'typed\\r'],
        ['sees', 'typed\r\ntyped'],
        ['types', '\\cZ'],
        ['sees', 'Stopped'],
        ['sees', 'ready> '],
        ['types', 'fg\\r'],
        ['sees', 'cat\r\n'],
        // Told that it goes on before it has the terminal: only an answer of its own says that it has.
        ['types', 'again\\r'],
        ['sees', 'again\r\nagain'],
        ['types', '\\cC'],
        ['sees', 'ready> '],
        ['types', 'exit 7\\r'],
      ];
      const starter = [
        'unshare',
        '-m',
        'sh',
        '-c',
        'mount -t devpts -o newinstance,ptmxmode=666 devpts /dev/pts && exec "$0" "$@"',
      ];
      const got = onTerminal(user, 'full', ['bash', '--norc', '--noediting', '-i'], steps, starter);
      assert.equal(got.status, 7, got.stdout + got.stderr);
      assert.match(got.stdout, /not a tty/);
    });
  }
});

/** A program on a terminal; `needs`: what else it takes. */
interface Row {
  readonly name: string;
  readonly needs: string;
  readonly command: readonly string[];
  readonly steps: readonly Step[];
  readonly status?: number;
  /** What must have been shown, or lie in the workspace as `file` afterwards. */
  readonly shows?: RegExp;
  readonly file?: readonly [string, string];
}

const NESTED = `const pty = require(${JSON.stringify(PTY)}).spawn('sh', ['-c', 'tty; read x; echo "got $x"'], { cols: 40, rows: 10 });
pty.onData((d) => process.stdout.write(d)); pty.write('typed inside\\r'); pty.onExit(({ exitCode }) => process.exit(exitCode));`;
const PYTHON = `import os, pty, sys
m, s = pty.openpty()
print(os.ttyname(0) == os.ttyname(1), os.ttyname(s), os.isatty(s), os.ctermid())
sys.exit(os.waitstatus_to_exitcode(pty.spawn(['sh', '-c', 'tty; exit 5'])))`;

const ROWS: readonly Row[] = [
  {
    name: 'bash stops, lists, goes on with and interrupts jobs',
    needs: 'bash',
    command: ['bash', '--norc', '--noediting', '-i'],
    steps: [
      ['sees', 'ready> '],
      ['types', 'cat\\r'],
      ['types', 'typed\\r'],
      ['sees', 'typed\r\ntyped'],
      ['types', '\\cZ'],
      ['sees', 'Stopped'],
      ['types', 'jobs; fg\\r'],
      ['sees', 'cat\r\ncat'],
      ['types', 'again\\r'],
      ['sees', 'again\r\nagain'],
      ['types', '\\cC'],
      ['sees', 'ready> '],
      ['types', 'echo rc=$?; sleep 60 & kill %1; wait; exit 3\\r'],
      ['sees', 'rc=130'],
    ],
    status: 3,
  },
  {
    name: 'stty reads and changes it by name',
    needs: 'bash',
    command: [
      'bash',
      '-c',
      'stty -echo <"$(tty)" && stty -a | grep -o -- "-echo " && stty sane && stty size',
    ],
    steps: [],
    shows: /-echo [\s\S]*24 80/,
  },
  {
    name: 'script records a terminal of its own',
    needs: 'script',
    command: ['script', '-qec', 'tty; test -t 0; exit 4', 'record'],
    steps: [],
    status: 4,
    shows: /\/dev\/pts\/\d+/,
  },
  {
    name: 'vim edits a file',
    needs: 'vim',
    command: ['vim', '-u', 'NONE', '-n', 'file'],
    steps: [
      ['sees', 'file'],
      ['types', 'ifrom vim\\e'],
      ['types', ':wq\\r'],
    ],
    file: ['file', 'from vim\n'],
  },
  {
    name: 'less shows a file and hears a key while it reads a pipe',
    needs: 'less',
    command: ['sh', '-c', 'seq 500 | less; echo "less ""ended $?"'],
    steps: [
      ['sees', '23'],
      ['types', 'G'],
      ['sees', '500'],
      ['types', 'q'],
      ['sees', 'less ended 0'],
    ],
  },
  {
    name: 'tmux makes terminals, splits and ends',
    needs: 'tmux',
    command: ['tmux', '-f', '/dev/null', '-S', 'socket', 'new', 'sh'],
    steps: [
      ['sees', '0:sh'],
      ['types', 'tmux splitw "tty >second; tmux wait -S done"; tmux wait done; cat second; sleep 1; exit\\r'],
      ['sees', '[exited]'],
    ],
    shows: /\/dev\/pts\/\d+/,
  },
  {
    name: 'python opens terminals and names them',
    needs: '/usr/bin/python3',
    command: ['/usr/bin/python3', '-c', PYTHON],
    steps: [],
    status: 5,
    shows: /True \/dev\/pts\/\d+ True \/dev\/tty\r\n\/dev\/pts\/\d+/,
  },
  {
    name: 'a python prompt answers',
    needs: '/usr/bin/python3',
    command: ['/usr/bin/python3', '-q'],
    steps: [
      ['sees', '>>> '],
      ['types', 'print(6*7)\\r'],
      ['sees', '\n42'],
      ['types', 'exit(6)\\r'],
    ],
    status: 6,
  },
  {
    name: 'a node prompt answers',
    needs: NODE,
    command: [NODE, '-i'],
    steps: [
      ['sees', '> '],
      ['types', '6*7\\r'],
      ['sees', '42\u001b'],
      ['types', 'process.exit(6)\\r'],
    ],
    status: 6,
  },
  {
    name: 'node-pty makes a terminal',
    needs: NODE,
    command: [NODE, '-e', NESTED],
    steps: [],
    shows: /\/dev\/pts\/\d+[\s\S]*got typed inside/,
  },
];

/** A program that is there, and that the user may run. */
const isThere = (user: User, what: string): boolean => {
  const [first = '', ...rest] = [...user.prefix, 'sh', '-c', 'command -v "$0"', what];
  return spawnSync(first, rest).status === 0;
};

for (const user of users())
  for (const mode of ['full', 'landlock'] as const)
    describe(`programs on a terminal, as ${user.name} in mode ${mode}`, () => {
      for (const row of ROWS.filter((one) => isThere(user, one.needs)))
        it(row.name, () => {
          const got = onTerminal(user, mode, row.command, row.steps);
          assert.equal(got.status, row.status ?? 0, got.stdout + got.stderr);
          if (row.shows !== undefined) assert.match(got.stdout, row.shows);
          if (row.file !== undefined) {
            const [name, content] = row.file;
            assert.ok(existsSync(join(got.workspace, name)), got.stdout);
            assert.equal(readFileSync(join(got.workspace, name), 'utf8'), content);
          }
        });
    });
