import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { delimiter, dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { receiptsOf } from '../support/doors.ts';
import { denyInFiles } from '../support/file-shim-policy.ts';
import { type Installation, installation } from '../support/installation.ts';

/** The real interpreter: some machines have a script in front of it. */
const PYTHON = spawnSync('python3', ['-c', 'import sys; print(sys.executable)'], {
  encoding: 'utf8',
}).stdout.trim();

/** A place with a home worth attacking, its daemon running. */
async function openPlace(denying = true): Promise<Installation & { readonly path: string }> {
  const place = installation();
  if (denying) denyInFiles(place);
  mkdirSync(join(place.home, '.ssh'));
  mkdirSync(join(place.home, 'folder/inner'), { recursive: true });
  writeFileSync(join(place.home, '.ssh/id_ed25519'), 'KEY MATERIAL\n', { mode: 0o600 });
  writeFileSync(join(place.home, '.bashrc'), 'original\n');
  writeFileSync(join(place.home, 'outside.txt'), 'kept\n');
  await place.startDaemon();
  return { ...place, path: [dirname(process.execPath), dirname(PYTHON), place.env['PATH']].join(delimiter) };
}

/** What an attacking program prints for each attempt: its name, then `ran` or the error it got. */
interface Attempt {
  readonly name: string;
  readonly ran: boolean;
  readonly code: string | number | null;
  readonly text: string;
}

function attemptsIn(stdout: string): readonly Attempt[] {
  return stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Attempt);
}

/** Everything of the person's is as it was. */
function assertUntouched(place: Installation): void {
  assert.equal(readFileSync(join(place.home, '.bashrc'), 'utf8'), 'original\n');
  assert.equal(readFileSync(join(place.home, 'outside.txt'), 'utf8'), 'kept\n');
  assert.equal(readFileSync(join(place.home, '.ssh/id_ed25519'), 'utf8'), 'KEY MATERIAL\n');
  assert.ok(existsSync(join(place.home, 'folder/inner')));
  assert.ok(!existsSync(join(place.home, 'made')));
}

/** Texts of what was denied: operation and object, as the receipts name them. */
function deniedObjects(place: Installation): readonly string[] {
  return receiptsOf(place).flatMap(({ receipt }) => {
    const { action, decision } = receipt.body as {
      action?: { operation?: string; parameters?: Record<string, unknown> };
      decision?: { result?: string };
    };
    if (decision?.result !== 'DENY' || action?.parameters === undefined) return [];
    const { path, host, port, argv } = action.parameters;
    return [
      `${action.operation} ${path ?? (host === undefined ? (argv as string[]).join(' ') : `${host}:${port}`)}`,
    ];
  });
}

const NODE_BODY = `
const H = (process.env.H = process.env.HOME), PORT = Number(process.argv[2]);
const say = (name, ran, code, text) => console.log(JSON.stringify({ name, ran, code, text }));
const attempt = async (name, act) => {
  try { await act(); say(name, true, null, ''); } catch (e) { say(name, false, e.code ?? null, e.message); }
};
const called = (start) => new Promise((yes, no) => start((e) => (e ? no(e) : yes())));
await attempt('writeFileSync', () => fs.writeFileSync(H + '/.bashrc', 'x'));
await attempt('appendFile', () => called((done) => fs.appendFile(H + '/.bashrc', 'x', done)));
await attempt('promises.writeFile', () => fs.promises.writeFile(H + '/.bashrc', 'x'));
await attempt('promises.open', async () => { const h = await fs.promises.open(H + '/.bashrc', 'r+'); await h.close(); });
await attempt('openSync', () => fs.closeSync(fs.openSync(H + '/.bashrc', fs.constants.O_WRONLY | fs.constants.O_TRUNC)));
await attempt('createWriteStream', () => called((done) => fs.createWriteStream(H + '/.bashrc').on('error', done).on('open', () => done())));
await attempt('copyFileSync', () => fs.copyFileSync(H + '/outside.txt', H + '/.bashrc'));
await attempt('renameSync', () => fs.renameSync(H + '/outside.txt', H + '/.bashrc'));
await attempt('a link in the workspace', () => { fs.symlinkSync(H + '/.bashrc', 'plain'); fs.writeFileSync('plain', 'x'); });
await attempt('a linked folder', () => { fs.symlinkSync(H, 'folder'); fs.writeFileSync('folder/.bashrc', 'x'); });
await attempt('a Buffer', () => fs.writeFileSync(Buffer.from(H + '/.bashrc'), 'x'));
await attempt('a URL', () => fs.writeFileSync(new URL('file://' + H + '/.bashrc'), 'x'));
await attempt('dots', () => fs.writeFileSync(H + '/folder/../.bashrc', 'x'));
await attempt('readFileSync', () => fs.readFileSync(H + '/.ssh/id_ed25519'));
await attempt('promises.readFile', () => fs.promises.readFile(H + '/.ssh/id_ed25519'));
await attempt('createReadStream', () => called((done) => fs.createReadStream(H + '/.ssh/id_ed25519').on('error', done).on('data', () => done())));
await attempt('copy of a key', () => fs.copyFileSync(H + '/.ssh/id_ed25519', 'key'));
await attempt('link to a key', () => fs.linkSync(H + '/.ssh/id_ed25519', 'key'));
await attempt('unlinkSync', () => fs.unlinkSync(H + '/outside.txt'));
await attempt('unlink', () => called((done) => fs.unlink(H + '/outside.txt', done)));
await attempt('rmSync', () => fs.rmSync(H + '/folder', { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }));
await attempt('promises.rm', () => fs.promises.rm(H + '/folder', { recursive: true }));
await attempt('rmdirSync', () => fs.rmdirSync(H + '/folder/inner'));
await attempt('chmodSync', () => fs.chmodSync(H + '/outside.txt', 0o777));
await attempt('handle.chmod', async () => { const h = await fs.promises.open(H + '/outside.txt'); try { await h.chmod(0o777); } finally { await h.close(); } });
await attempt('/bin/rm', () => { const r = cp.spawnSync('/bin/rm', ['-f', H + '/outside.txt']); if (r.status !== 0) throw new Error(String(r.stderr)); });
await attempt('rm', () => { const r = cp.spawnSync('rm', ['-f', H + '/outside.txt']); if (r.status !== 0) throw new Error(String(r.stderr)); });
await attempt('rm without PATH', () => { const r = cp.spawnSync('rm', ['-f', H + '/outside.txt'], { env: { PATH: '/bin' } }); if (r.status !== 0) throw new Error(String(r.stderr)); });
await attempt('execFileSync', () => cp.execFileSync('/bin/rm', ['-f', H + '/outside.txt']));
await attempt('execSync', () => cp.execSync('/bin/rm -f ' + H + '/outside.txt'));
await attempt('a shell by its path', () => { const r = cp.spawnSync('/bin/rm -f ' + H + '/outside.txt', { shell: '/bin/bash' }); if (r.status !== 0) throw new Error(String(r.stderr)); });
await attempt('execFile', () => called((done) => cp.execFile('/bin/rm', ['-f', H + '/outside.txt'], done)));
await attempt('spawn by a shell', () => called((done) => cp.spawn('/bin/rm -f ' + H + '/outside.txt', { shell: true }).on('exit', (c) => done(c ? new Error('exit ' + c) : null))));
await attempt('net.connect', () => called((done) => { const s = net.connect(PORT, '127.0.0.1'); s.on('error', done).on('connect', () => { s.destroy(); done(); }); }));
await attempt('http.get', () => called((done) => http.get('http://127.0.0.1:' + PORT + '/', () => done()).on('error', done)));
await attempt('tls.connect', () => called((done) => tls.connect(PORT, '127.0.0.1', () => done()).on('error', done)));
await attempt('fetch', () => fetch('http://127.0.0.1:' + PORT + '/').catch((e) => { throw e.cause; }));
await attempt('udp', () => called((done) => { const s = dgram.createSocket('udp4'); s.send('x', PORT, '127.0.0.1', (e) => { s.close(); done(e); }); }));
const inThread = "const fs = require('fs'); try { fs.unlinkSync(process.env.H + '/outside.txt'); } catch (e) { require('worker_threads').parentPort.postMessage(e); }";
for (const [name, options] of [['a thread', {}], ['a thread with its own environment', { env: { H } }], ['a thread without options', { env: { H }, execArgv: [] }]])
  await attempt(name, () => called((done) => new threads.Worker(inThread, { eval: true, ...options }).on('message', done).on('error', done).on('exit', () => done())));
process.env.NODE_OPTIONS = '';
process.env.H = H;
process.env.COUNTERSIGN_FILE_SHIM = 'off';
await attempt('a child with other options', () => { const r = cp.spawnSync(process.execPath, ['-e', "require('f'+'s')['unlink'+'Sync'](process.env.H + '/outside.txt')"], { env: { H } }); if (r.status !== 0) throw new Error(String(r.stderr)); });
await attempt('fork', () => called((done) => cp.fork('./child.cjs', [], { env: { H }, execArgv: [] }).on('message', (m) => done(m))));
fs.symlinkSync(H + '/made', 'dangling');
await attempt('a link to nothing yet', () => fs.rmSync(H + '/outside.txt'));
`;
const MODULES = ['fs', 'net', 'http', 'tls', 'dgram'];
const CHILD =
  "const fs = require('fs'); try { fs.unlinkSync(process.env.H + '/outside.txt'); process.send({ message: 'ran' }); } catch (e) { process.send({ code: e.code, message: e.message }); }\n";

describe('the file shim in Node', () => {
  let place: Awaited<ReturnType<typeof openPlace>>;
  let server: Server;
  let port = 0;
  let reached = 0;
  before(async () => {
    place = await openPlace();
    server = createServer((socket) => {
      reached += 1;
      socket.destroy();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
    const address = server.address();
    port = typeof address === 'object' && address !== null ? address.port : 0;
    writeFileSync(join(place.work, 'child.cjs'), CHILD);
  });
  after(async () => {
    server.close();
    await place.dispose();
  });
  const agent = (args: readonly string[]) =>
    place.cli(['run', '--guard', 'off', '--', ...args], { env: { PATH: place.path } });

  for (const [kind, file, head, tail] of [
    [
      'module',
      'attack.mjs',
      `${MODULES.map((m) => `import ${m} from 'node:${m}';`).join('\n')}\nimport cp from 'node:child_process';\nimport threads from 'node:worker_threads';\n`,
      '',
    ],
    [
      'script',
      'attack.cjs',
      `${MODULES.map((m) => `const ${m} = require('${m}');`).join('\n')}\nconst cp = require('child_process');\nconst threads = require('worker_threads');\n(async () => {`,
      '\n})();',
    ],
  ] as const)
    test(`denies each attempt of a ${kind}, and nothing of it happens`, async () => {
      // The text of the program is built so that its start alone tells nobody what it will do.
      writeFileSync(join(place.work, file), `${head}${NODE_BODY}${tail}`);
      for (const left of ['plain', 'folder', 'dangling'])
        spawnSync('/bin/rm', ['-f', join(place.work, left)]);
      reached = 0;
      const done = await agent(['node', file, String(port)]);
      const attempts = attemptsIn(done.stdout);
      assert.ok(attempts.length >= 44, `${attempts.length} attempts\n${done.stdout}\n${done.stderr}`);
      assert.deepEqual(
        attempts.filter((attempt) => attempt.ran),
        [],
      );
      for (const attempt of attempts) {
        assert.match(attempt.text, /countersign|exit 126/, JSON.stringify(attempt));
        if (/^(?!.*(?:rm|exec|spawn|child|thread|shell))/i.test(attempt.name))
          assert.equal(attempt.code, 'EACCES', attempt.name);
      }
      assertUntouched(place);
      assert.equal(reached, 0);
      const denied = deniedObjects(place);
      for (const object of [
        `write ${place.home}/.bashrc`,
        `read ${place.home}/.ssh/id_ed25519`,
        `delete ${place.home}/outside.txt`,
        `delete ${place.home}/folder`,
        `mode ${place.home}/outside.txt`,
        `connect 127.0.0.1:${port}`,
        `exec rm -f ${place.home}/outside.txt`,
      ])
        assert.ok(denied.includes(object), `no receipt says \`${object}\`:\n${denied.join('\n')}`);
    });

  test('gives errors the shape that Node gives them', async () => {
    writeFileSync(
      join(place.work, 'shape.cjs'),
      "try { require('fs').unlinkSync(process.env.HOME + '/outside.txt'); } catch (e) { console.log(JSON.stringify([e.code, e.errno, e.syscall, e.path, e.stack.includes('node-preload')])); }",
    );
    const done = await agent(['node', 'shape.cjs']);
    assert.deepEqual(JSON.parse(done.stdout), ['EACCES', -13, 'unlink', `${place.home}/outside.txt`, false]);
  });

  test('named imports are asked about too', async () => {
    writeFileSync(
      join(place.work, 'named.mjs'),
      "import { unlinkSync } from 'fs'; import { rm } from 'node:fs/promises';\nfor (const act of [unlinkSync, rm]) try { await act(process.env.HOME + '/outside.txt'); console.log('ran'); } catch (e) { console.log(e.code); }",
    );
    const done = await agent(['node', 'named.mjs']);
    assert.equal(done.stdout, 'EACCES\nEACCES\n');
    assertUntouched(place);
  });

  test('lets ordinary work go on without a question, under the packs as they are', async () => {
    const place = await openPlace(false);
    writeFileSync(join(place.home, '.npmrc'), '//localhost/:_authToken=x\n');
    try {
      writeFileSync(
        join(place.work, 'ordinary.sh'),
        [
          'set -e',
          'mkdir -p dep/bin proj && cd proj',
          `printf '{"name":"dep","version":"1.0.0","bin":{"depbin":"bin/x.js"}}' > ../dep/package.json`,
          `printf '#!/usr/bin/env node\\nconsole.log("depbin")\\n' > ../dep/bin/x.js`,
          `printf '{"name":"p","version":"1.0.0","scripts":{"hi":"node -p 40+2"},"dependencies":{"dep":"file:../dep"}}' > package.json`,
          'npm install --offline --no-audit --no-fund > /dev/null',
          'npm run --silent hi',
          'npx --offline depbin',
          `printf 'require("node:test").test("a", () => {});' > a.test.js`,
          'node --test --test-reporter tap a.test.js | grep "^# pass"',
          `printf 'if (process.send) process.send("x"); else require("child_process").fork(__filename).on("message", (m) => console.log("fork", m));' > f.js`,
          'node f.js',
          `printf 'new (require("worker_threads").Worker)("console.log(1)", { eval: true }).on("exit", (c) => console.log("thread", c));' > t.js`,
          'node t.js',
          `printf 'const fs = require("fs"); fs.mkdirSync("d/e", { recursive: true }); fs.writeFileSync("d/e/f", "x"); fs.renameSync("d/e/f", "d/g"); fs.cpSync("d", "h", { recursive: true }); fs.rmSync("d", { recursive: true }); console.log(fs.readFileSync("h/g", "utf8"));' > w.js`,
          'node w.js',
          'cp /bin/sh mysh',
          `printf 'const cp = require("child_process"); const shell = process.cwd() + "/mysh"; console.log(cp.execSync("echo $0", { shell, encoding: "utf8" }).trim() === shell, cp.spawnSync("echo a b", { shell }).stdout.toString());' > s.js`,
          'node s.js',
        ].join('\n'),
      );
      // npm would ask the registry for news of itself.
      const done = await place.cli(['run', '--guard', 'off', '--', 'bash', 'ordinary.sh'], {
        env: { PATH: place.path, NPM_CONFIG_UPDATE_NOTIFIER: 'false' },
      });
      assert.equal(done.code, 0, done.stderr);
      assert.equal(done.stdout, '42\ndepbin\n# pass 1\nfork x\n1\nthread 0\nx\ntrue a b\n\n');
      const decided = receiptsOf(place)
        .map(({ receipt }) => receipt)
        .filter(
          (receipt) =>
            receipt.kind === 'decision' || receipt.kind === 'approval' || receipt.kind === 'deferral',
        )
        .map((receipt) => (receipt.body.decision as { result?: string } | undefined)?.result);
      const asked = receiptsOf(place).filter(
        ({ receipt }) => (receipt.body.decision as { result?: string } | undefined)?.result === 'DENY',
      );
      assert.deepEqual(
        asked.map(({ receipt }) => [receipt.kind, receipt.body.action, receipt.body.decision]),
        [],
      );
      assert.deepEqual([...new Set(decided)], ['ALLOW']);
    } finally {
      await place.dispose();
    }
  });

  test('the program ends when it would have ended, with a question behind it', async () => {
    writeFileSync(
      join(place.work, 'end.cjs'),
      "require('fs').unlink(process.env.HOME + '/outside.txt', (e) => console.log(e.code)); process.on('exit', () => console.log('end'));",
    );
    const done = await agent(['node', 'end.cjs']);
    assert.deepEqual([done.stdout, done.code], ['EACCES\nend\n', 0]);
  });

  test('is left out when the person says so before the session, and keeps their own options', async () => {
    const off = await place.cli(['run', '--guard', 'off', '--', 'node', '-p', 'process.env.NODE_OPTIONS'], {
      env: { PATH: place.path, COUNTERSIGN_FILE_SHIM: 'off', NODE_OPTIONS: '--no-warnings' },
    });
    assert.equal(off.stdout, '--no-warnings\n');
    const on = await place.cli(['run', '--guard', 'off', '--', 'node', '-p', 'process.env.NODE_OPTIONS'], {
      env: { PATH: place.path, NODE_OPTIONS: '--no-warnings' },
    });
    assert.match(on.stdout, /^--require ".*node-preload\.cjs" --no-warnings\n$/);
  });

  test('what goes round it is what the known issues say: inner bindings are not seen', async () => {
    writeFileSync(
      join(place.work, 'binding.cjs'),
      "process.binding('fs').mkdir(process.env.HOME + '/seen-by-nobody', 0o777, false); console.log('ran');",
    );
    const done = await agent(['node', '--no-deprecation', 'binding.cjs']);
    assert.match(done.stdout, /ran/);
    assert.ok(
      existsSync(join(place.home, 'seen-by-nobody')),
      'closed by now? then take the line out of known-issues.md',
    );
  });
});

const PYTHON_ATTACK = `
import asyncio, json, os, shutil, socket, sqlite3, subprocess, sys
H, PORT = os.environ["HOME"], int(sys.argv[1])
def attempt(name, act):
    try:
        act()
        print(json.dumps({"name": name, "ran": True, "code": None, "text": ""}))
    except Exception as e:
        print(json.dumps({"name": name, "ran": False, "code": getattr(e, "errno", None), "text": str(e)}))
def write(path, mode="w"):
    with open(path, mode) as f:
        f.write("x")
attempt("open", lambda: write(H + "/.bashrc"))
attempt("open for appending", lambda: write(H + "/.bashrc", "a"))
attempt("os.open", lambda: os.close(os.open(H + "/.bashrc", os.O_WRONLY | os.O_TRUNC)))
os.symlink(H + "/.bashrc", "py-plain")
attempt("a link in the workspace", lambda: write("py-plain"))
attempt("a descriptor of a folder", lambda: os.unlink("outside.txt", dir_fd=os.open(H, os.O_RDONLY)))
attempt("read", lambda: open(H + "/.ssh/id_ed25519").read())
attempt("copy", lambda: shutil.copy(H + "/.ssh/id_ed25519", "key"))
attempt("move", lambda: shutil.move(H + "/.ssh/id_ed25519", "key"))
attempt("link", lambda: os.link(H + "/.ssh/id_ed25519", "key"))
attempt("remove", lambda: os.remove(H + "/outside.txt"))
attempt("rmtree", lambda: shutil.rmtree(H + "/folder"))
attempt("rmdir", lambda: os.rmdir(H + "/folder/inner"))
attempt("chmod", lambda: os.chmod(H + "/outside.txt", 0o777))
attempt("subprocess", lambda: subprocess.run(["/bin/rm", "-f", H + "/outside.txt"], check=True))
attempt("subprocess without PATH", lambda: subprocess.run(["rm", "-f", H + "/outside.txt"], check=True, env={"PATH": "/bin"}))
attempt("a shell", lambda: subprocess.run("/bin/rm -f " + H + "/outside.txt", check=True, shell=True))
attempt("os.system", lambda: os.system("/bin/rm -f " + H + "/outside.txt"))
attempt("os.posix_spawn", lambda: os.posix_spawn("/bin/rm", ["rm", "-f", H + "/outside.txt"], os.environ))
attempt("asyncio", lambda: asyncio.run(asyncio.create_subprocess_exec("/bin/rm", "-f", H + "/outside.txt")))
attempt("connect", lambda: socket.create_connection(("127.0.0.1", PORT)))
attempt("udp", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", PORT)))
attempt("sqlite", lambda: sqlite3.connect(H + "/.ssh/id_rsa"))
`;
const PYTHON_WORK = `
import asyncio, multiprocessing, os, shutil, subprocess, sys
def worker(queue):
    with open("from-worker", "w") as f:
        f.write("x")
    queue.put(os.path.exists("from-worker"))
async def shell():
    process = await asyncio.create_subprocess_exec("echo", "child", stdout=subprocess.PIPE)
    return (await process.communicate())[0]
if __name__ == "__main__":
    for method in ("fork", "spawn"):
        context = multiprocessing.get_context(method)
        queue = context.Queue()
        process = context.Process(target=worker, args=(queue,))
        process.start()
        print(method, queue.get(timeout=20))
        process.join()
    print(asyncio.run(shell()))
    os.makedirs("a/b", exist_ok=True)
    shutil.copytree("a", "c")
    shutil.rmtree("a")
    print(subprocess.check_output([sys.executable, "-m", "venv", "--without-pip", "v"]))
    print(subprocess.check_output(["v/bin/python", "-c", "import sys; print(sys.prefix != sys.base_prefix)"]))
    import sitecustomize
    print("own", getattr(sitecustomize, "OWN", None))
`;

describe('the file shim in Python', () => {
  let place: Awaited<ReturnType<typeof openPlace>>;
  before(async () => {
    place = await openPlace();
  });
  after(() => place.dispose());
  const agent = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
    place.cli(['run', '--guard', 'off', '--', ...args], { env: { PATH: place.path, ...env } });

  test('denies each attempt, and nothing of it happens', async () => {
    writeFileSync(join(place.work, 'attack.py'), PYTHON_ATTACK);
    let reached = 0;
    const server = createServer((socket) => {
      reached += 1;
      socket.destroy();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const done = await agent(['python3', 'attack.py', String(port)]);
    server.close();
    const attempts = attemptsIn(done.stdout);
    assert.equal(attempts.length, 22, `${done.stdout}\n${done.stderr}`);
    for (const attempt of attempts) {
      assert.deepEqual([attempt.name, attempt.ran, attempt.code], [attempt.name, false, 13], attempt.text);
      assert.match(attempt.text, /countersign: .*\[t\.\w+\]/);
    }
    assertUntouched(place);
    assert.equal(reached, 0);
    const denied = deniedObjects(place);
    for (const object of [
      `write ${place.home}/.bashrc`,
      `read ${place.home}/.ssh/id_ed25519`,
      `delete ${place.home}/outside.txt`,
      `connect 127.0.0.1:${port}`,
    ])
      assert.ok(denied.includes(object), `no receipt says \`${object}\`:\n${denied.join('\n')}`);
  });

  test('lets ordinary work go on, and hands on to the sitecustomize it stands before', async () => {
    const own = join(place.root, 'own-python');
    mkdirSync(own);
    writeFileSync(join(own, 'sitecustomize.py'), 'OWN = "here"\n');
    writeFileSync(join(place.work, 'ordinary.py'), PYTHON_WORK);
    const done = await agent(['python3', 'ordinary.py'], { PYTHONPATH: own });
    assert.equal(done.code, 0, done.stderr);
    assert.equal(done.stdout, "fork True\nspawn True\nb'child\\n'\nb''\nb'True\\n'\nown here\n");
  });

  test('what goes round it is what the known issues say: an isolated interpreter and ctypes are not seen', async () => {
    writeFileSync(
      join(place.work, 'isolated.py'),
      'import os\nopen(os.path.join(os.environ["HOME"], "isolated"), "w").close()\nimport ctypes\n' +
        'ctypes.CDLL(None).mkdir(os.path.join(os.environ["HOME"], "by-ctypes").encode(), 0o777)\n',
    );
    const done = await agent(['python3', '-I', 'isolated.py']);
    assert.equal(done.code, 0, done.stderr);
    for (const made of ['isolated', 'by-ctypes'])
      assert.ok(
        existsSync(join(place.home, made)),
        'closed by now? then take the line out of known-issues.md',
      );
  });
});

test('without a host every question of the file shim is answered no', async () => {
  const place = await openPlace();
  try {
    const daemon = readFileSync(join(place.places.run, 'daemon.pid'), 'utf8').trim();
    writeFileSync(
      join(place.work, 'after.cjs'),
      `process.kill(${daemon}, 'SIGKILL'); setTimeout(() => { const fs = require('fs'); try { fs.unlinkSync(process.env.HOME + '/outside.txt'); console.log('ran'); } catch (e) { console.log(e.code); } fs.promises.writeFile(process.env.HOME + '/made', 'x').then(() => console.log('ran'), (e) => console.log(e.code)); }, 300);`,
    );
    const done = await place.cli(['run', '--guard', 'off', '--', 'node', 'after.cjs'], {
      env: { PATH: place.path },
    });
    assert.equal(done.stdout, 'EACCES\nEACCES\n', done.stderr);
    assertUntouched(place);
  } finally {
    await place.dispose();
  }
});
