import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { collect } from '../surface-double.ts';
import { type Finished, type GuardStage, guardStage } from './stage.ts';

/** A server on the host's loopback; the test names it on the command line or in the environment, as a person would. */
interface Site {
  readonly url: string;
  readonly asked: readonly string[];
  close(): void;
}

const sites: Site[] = [];

function openSite(answer: (path: string, base: string) => Buffer | string | null): Promise<Site> {
  const asked: string[] = [];
  let base = '';
  const server: Server = createServer((request, response) => {
    const path = decodeURIComponent((request.url ?? '/').replace(/\?.*$/, ''));
    asked.push(path);
    const body = answer(path, base);
    response.writeHead(body === null ? 404 : 200).end(body ?? 'not here');
  });
  return new Promise((done) =>
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      base = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
      const site = {
        url: base,
        asked,
        close: () => {
          server.close();
          server.closeAllConnections();
        },
      };
      sites.push(site);
      done(site);
    }),
  );
}

/** A tar archive of a few files. */
function archive(files: Readonly<Record<string, string>>): Buffer {
  const blocks: Buffer[] = [];
  for (const [name, text] of Object.entries(files)) {
    const head = Buffer.alloc(512);
    const body = Buffer.from(text);
    head.write(name, 0);
    head.write('0000644\0', 100);
    head.write('0000000\0', 108);
    head.write('0000000\0', 116);
    head.write(`${body.length.toString(8).padStart(11, '0')}\0`, 124);
    head.write('00000000000\0', 136);
    head.write('        ', 148);
    head.write('0', 156);
    head.write('ustar\x0000', 257);
    head.write(
      `${head
        .reduce((sum, byte) => sum + byte, 0)
        .toString(8)
        .padStart(6, '0')}\0 `,
      148,
    );
    blocks.push(head, body, Buffer.alloc((512 - (body.length % 512)) % 512));
  }
  return gzipSync(Buffer.concat([...blocks, Buffer.alloc(1024)]));
}

describe('real work under the default posture', () => {
  let stage: GuardStage;
  let receiptsSeen = 0;
  before(async () => {
    stage = guardStage();
    await stage.startDaemon();
  });
  after(() => {
    for (const site of sites.splice(0)) site.close();
    stage.close();
  });
  afterEach(async () => {
    const stopped = await stage.stopped(receiptsSeen);
    receiptsSeen = stopped.next;
    assert.deepEqual(stopped.rows, []);
  });

  const work = (
    script: string,
    cwd = stage.work,
    env: Readonly<Record<string, string>> = {},
  ): Promise<Finished> => stage.cli(['run', '--', 'bash'], { cwd, env, input: `set -e\n${script}\n` });
  const must = async (...given: Parameters<typeof work>): Promise<string> => {
    const done = await work(...given);
    assert.equal(done.code, 0, `${done.stdout}\n${done.stderr}`);
    return done.stdout;
  };
  const place = (name: string): string => {
    const path = join(stage.work, name);
    stage.folder(path);
    return path;
  };

  test('git: init, add, commit, branch, merge', async () => {
    const cwd = place('repo');
    const said = await must(
      `git init -q -b main .
git config user.name Somebody
git config user.email somebody@example.org
echo one > a && git add a && git commit -qm one
git checkout -q -b side && echo two > b && git add b && git commit -qm two
git checkout -q main && echo three > c && git add c && git commit -qm three
git merge -q -m merged side
git log --oneline | wc -l
git status --porcelain`,
      cwd,
    );
    assert.equal(said, '4\n');
    assert.ok(existsSync(join(cwd, 'b')) && existsSync(join(cwd, 'c')));
  });

  test('git clone from a server that the command names', async () => {
    const origin = join(stage.root, 'origin');
    stage.folder(origin);
    const made = await collect(
      stage.outside(
        [
          'sh',
          '-ec',
          `git init -q -b main
git config user.name Somebody; git config user.email somebody@example.org
for i in 1 2 3 4 5; do echo $i > f$i; done
git add . && git commit -qm first && git update-server-info`,
        ],
        { cwd: origin },
      ),
    );
    assert.equal(made.code, 0, made.stderr);
    const site = await openSite((path) => {
      const file = join(origin, '.git', path.replace(/^\/repo\.git\//, ''));
      return existsSync(file) && statSync(file).isFile() ? readFileSync(file) : null;
    });
    await must(`git clone -q ${site.url}/repo.git cloned`);
    assert.equal(readFileSync(join(stage.work, 'cloned/f5'), 'utf8'), '5\n');
    assert.ok(site.asked.length > 3);
  });

  test('npm ci from a registry that the environment names', async () => {
    const cwd = place('npm');
    const packages = ['one', 'two', 'three'].map((name) => {
      const body = archive({
        'package/package.json': JSON.stringify({ name, version: '1.0.0', main: 'main.js' }),
        'package/main.js': `module.exports = '${name}';\n`,
        ...Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`package/lib/${n}.js`, `${n}\n`])),
      });
      return { name, body, integrity: `sha512-${createHash('sha512').update(body).digest('base64')}` };
    });
    const site = await openSite((path) => packages.find(({ name }) => path === `/${name}.tgz`)?.body ?? null);
    const entry = ({ name, integrity }: (typeof packages)[number]) =>
      [`node_modules/${name}`, { version: '1.0.0', resolved: `${site.url}/${name}.tgz`, integrity }] as const;
    const dependencies = Object.fromEntries(packages.map(({ name }) => [name, '1.0.0']));
    const manifest = { name: 'app', version: '1.0.0', dependencies };
    stage.put(join(cwd, 'package.json'), JSON.stringify(manifest));
    stage.put(
      join(cwd, 'package-lock.json'),
      JSON.stringify({
        name: 'app',
        version: '1.0.0',
        lockfileVersion: 3,
        requires: true,
        packages: { '': manifest, ...Object.fromEntries(packages.map(entry)) },
      }),
    );
    const said = await must(
      `npm ci --no-audit --no-fund --loglevel=error && node -e "console.log(require('two'))"`,
      cwd,
      {
        npm_config_registry: `${site.url}/`,
        npm_config_update_notifier: 'false',
      },
    );
    assert.match(said, /two\n$/);
    assert.ok(existsSync(join(cwd, 'node_modules/three/lib/19.js')));
  });

  test('make -j2 of thirty C files', async () => {
    const cwd = place('make');
    const objects = Array.from({ length: 30 }, (_, n) => `f${n}`);
    for (const name of objects) stage.put(join(cwd, `${name}.c`), `int ${name}(void) { return 1; }\n`);
    stage.put(
      join(cwd, 'main.c'),
      `${objects.map((name) => `int ${name}(void);`).join('\n')}
#include <stdio.h>
int main(void) { printf("%d\\n", ${objects.map((name) => `${name}()`).join(' + ')}); return 0; }
`,
    );
    stage.put(
      join(cwd, 'Makefile'),
      `all: main\nmain: main.o ${objects.map((name) => `${name}.o`).join(' ')}\n\tcc -o $@ $^\n%.o: %.c\n\tcc -c -o $@ $<\n`,
    );
    assert.equal(await must('make -s -j2 && ./main && make -s clean 2>/dev/null || true', cwd), '30\n');
  });

  test('python3 -m venv, and a script that writes its cache', async () => {
    const python = ['/usr/bin/python3', '/usr/local/bin/python3'].find(
      (path) => existsSync(path) && spawnSync(path, ['-c', 'import ensurepip, venv']).status === 0,
    );
    assert.ok(python, 'there is a Python with venv and ensurepip for everybody on this machine');
    const cwd = place('python');
    stage.put(join(cwd, 'mod.py'), 'value = 42\n');
    const said = await must(
      `${python} -m venv env && env/bin/python -c 'import mod, sys; print(mod.value, sys.prefix.endswith("env"))' && env/bin/pip --version >/dev/null`,
      cwd,
    );
    assert.equal(said, '42 True\n');
    assert.ok(existsSync(join(cwd, '__pycache__')));
  });

  test('scripts of node and python that write in the workspace, the caches and /tmp', async () => {
    const cwd = place('scripts');
    stage.folder(join(stage.home, '.cache'));
    stage.put(
      join(cwd, 'a.js'),
      `const fs = require('node:fs'), os = require('node:os'), path = require('node:path');
fs.mkdirSync(path.join(os.homedir(), '.cache/app'), { recursive: true });
fs.writeFileSync(path.join(os.homedir(), '.cache/app/x'), '1');
fs.mkdtempSync(path.join(os.tmpdir(), 'x-'));
fs.writeFileSync('out.json', JSON.stringify({ a: 1 }));
fs.renameSync('out.json', 'done.json');
require('node:child_process').execFileSync('ls');
new (require('node:worker_threads').Worker)('1', { eval: true }).on('exit', () => console.log('node done'));
`,
    );
    stage.put(
      join(cwd, 'b.py'),
      `import multiprocessing, pathlib, sqlite3, tempfile, os
if __name__ == '__main__':
    with tempfile.NamedTemporaryFile() as f: f.write(b'x')
    db = sqlite3.connect('x.db'); db.execute('create table t (a)'); db.commit()
    (pathlib.Path.home() / '.cache' / 'py').write_text('x')
    with multiprocessing.Pool(2) as p: print(sum(p.map(abs, [-1, -2])))
`,
    );
    assert.equal(await must('node a.js && python3 b.py', cwd), 'node done\n3\n');
    assert.ok(existsSync(join(stage.home, '.cache/app/x')) && existsSync(join(cwd, 'done.json')));
  });
});
