// The tools that an agent works with all day, each against a server of the test's own outside: git, npm, pip, Java, undici.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gitBackend, type Serve } from './origin.ts';
import { type Mode, type Outside, openOutside } from './outside.ts';

const NODE = process.execPath;
const PYTHON = '/usr/bin/python3';

interface Wares {
  readonly root: string;
  readonly serve: Serve;
}

/** What the server outside has to offer: a repository, a package of npm, one of Python. */
function makeWares(): Wares {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'csn-wares-')));
  const git = (...args: readonly string[]) =>
    execFileSync(
      'git',
      ['-c', 'user.name=t', '-c', 'user.email=t@t', '-c', 'init.defaultBranch=main', ...args],
      {
        stdio: 'ignore',
      },
    );
  git('init', '--bare', join(root, 'thing'));
  git('-C', join(root, 'thing'), 'config', 'http.receivepack', 'true');
  git('init', join(root, 'seed'));
  writeFileSync(join(root, 'seed/README'), 'a thing\n');
  git('-C', join(root, 'seed'), 'add', '.');
  git('-C', join(root, 'seed'), 'commit', '-m', 'one');
  git('-C', join(root, 'seed'), 'push', join(root, 'thing'), 'HEAD:refs/heads/main');
  git('-C', join(root, 'thing'), 'symbolic-ref', 'HEAD', 'refs/heads/main');

  mkdirSync(join(root, 'package'));
  writeFileSync(
    join(root, 'package/package.json'),
    JSON.stringify({ name: 'tiny-thing', version: '1.0.0', main: 'x.js' }),
  );
  writeFileSync(join(root, 'package/x.js'), 'module.exports = 42;\n');
  execFileSync('tar', ['-czf', join(root, 'tiny.tgz'), '-C', root, 'package']);
  const tarball = readFileSync(join(root, 'tiny.tgz'));

  execFileSync(PYTHON, [
    '-c',
    `
import zipfile
with zipfile.ZipFile(${JSON.stringify(join(root, 'tiny_thing-1.0.0-py3-none-any.whl'))}, 'w') as z:
    z.writestr('tiny_thing.py', 'VALUE = 42\\n')
    z.writestr('tiny_thing-1.0.0.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: tiny-thing\\nVersion: 1.0.0\\n')
    z.writestr('tiny_thing-1.0.0.dist-info/WHEEL', 'Wheel-Version: 1.0\\nGenerator: t\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
    z.writestr('tiny_thing-1.0.0.dist-info/RECORD', '')
`,
  ]);
  const wheel = readFileSync(join(root, 'tiny_thing-1.0.0-py3-none-any.whl'));
  const backend = gitBackend(root);
  return {
    root,
    serve(request, response, raw) {
      if (backend(request, response, raw)) return true;
      const [path = ''] = request.path.split('?');
      const send = (type: string, body: string | Buffer) => {
        response.setHeader('content-type', type);
        response.end(body);
        return true;
      };
      const base = `https://${raw.headers.host}`;
      if (path === '/npm/tiny-thing')
        return send(
          'application/json',
          JSON.stringify({
            name: 'tiny-thing',
            'dist-tags': { latest: '1.0.0' },
            versions: {
              '1.0.0': {
                name: 'tiny-thing',
                version: '1.0.0',
                main: 'x.js',
                dist: {
                  tarball: `${base}/npm/tiny-thing/-/tiny-thing-1.0.0.tgz`,
                  integrity: `sha512-${createHash('sha512').update(tarball).digest('base64')}`,
                },
              },
            },
          }),
        );
      if (path.startsWith('/npm/tiny-thing/-/')) return send('application/octet-stream', tarball);
      if (path === '/simple/tiny-thing/')
        return send(
          'text/html',
          '<!DOCTYPE html><html><body><a href="/files/tiny_thing-1.0.0-py3-none-any.whl">tiny_thing-1.0.0-py3-none-any.whl</a></body></html>',
        );
      if (path.startsWith('/files/')) return send('application/octet-stream', wheel);
      return false;
    },
  };
}

const JAVA = `
import java.net.URI;
import java.net.http.*;
public class Get {
  public static void main(String[] a) throws Exception {
    var answer = HttpClient.newHttpClient().send(HttpRequest.newBuilder(URI.create(a[0])).build(), HttpResponse.BodyHandlers.ofString());
    System.out.print(answer.body());
    System.exit(answer.statusCode() == 200 ? 0 : 9);
  }
}
`;

for (const mode of ['full', 'off'] as readonly Mode[])
  describe(`tools in a session with the guard ${mode}`, () => {
    let wares: Wares;
    let outside: Outside;
    before(async () => {
      wares = makeWares();
      outside = await openOutside(wares.serve);
    });
    after(async () => {
      await outside.close();
      rmSync(wares.root, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
    });

    /** Runs a line of shell in a session; fails with all that was said. */
    async function works(line: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
      const done = await outside.run(mode, ['bash', '-c', line], env);
      assert.equal(done.code, 0, `${done.stdout}${done.stderr}\n${outside.daemonLog()}`);
      return done.stdout;
    }

    test('git clones over HTTPS, and what it fetched is on record', async () => {
      const from = await outside.mark();
      await works(`git clone -q ${outside.origin.url}/git/thing cloned && cat cloned/README`);
      assert.equal(readFileSync(join(outside.stage.work, 'cloned/README'), 'utf8'), 'a thing\n');
      assert.ok(outside.origin.heard.some(({ path }) => path === '/git/thing/git-upload-pack'));
      const receipts = await outside.receipts(from);
      assert.ok(receipts.some((text) => text.includes('/git/thing/git-upload-pack')));
    });

    test('git does not push what nobody allowed: the refs stay as they were', async () => {
      await works(`test -d cloned || git clone -q ${outside.origin.url}/git/thing cloned`);
      const head = () => readFileSync(join(wares.root, 'thing/refs/heads/main'), 'utf8');
      const before = head();
      const done = await outside.run(mode, [
        'bash',
        '-c',
        `cd cloned && echo more > more && git add more && git -c user.name=t -c user.email=t@t commit -qm two && git push -q --force origin HEAD:main`,
      ]);
      assert.notEqual(done.code, 0, done.stdout);
      assert.equal(head(), before);
    });

    // Behind an explicit proxy npm checks the certificate of an address against the proxy's own: it needs a name, and there is none here.
    if (mode === 'full')
      test('npm installs from a registry', async () => {
        await works(
          `mkdir -p app && cd app && echo '{"name":"app","version":"1.0.0"}' > package.json && npm install --no-audit --no-fund --loglevel=error tiny-thing && ${NODE} -e 'process.exit(require("tiny-thing") === 42 ? 0 : 1)'`,
          {
            npm_config_registry: `${outside.origin.url}/npm/`,
            npm_config_cache: join(outside.stage.work, '.npm-cache'),
          },
        );
        assert.ok(existsSync(join(outside.stage.work, 'app/node_modules/tiny-thing/x.js')));
      });

    test('pip downloads from an index', async () => {
      await works(
        `${PYTHON} -m pip download -q --no-cache-dir --disable-pip-version-check --no-deps -d wheels -i ${outside.origin.url}/simple/ tiny-thing`,
      );
      assert.ok(existsSync(join(outside.stage.work, 'wheels/tiny_thing-1.0.0-py3-none-any.whl')));
    });

    test('undici fetches', async () => {
      const undici = join(import.meta.dirname, '../../../node_modules/undici/index.js');
      const code = `const { request, EnvHttpProxyAgent } = require(${JSON.stringify(undici)}); request('${outside.origin.url}/undici', process.env.HTTPS_PROXY ? { dispatcher: new EnvHttpProxyAgent() } : {}).then(async (r) => { console.log(await r.body.text()); process.exit(r.statusCode === 200 ? 0 : 9); })`;
      outside.stage.put(join(outside.stage.work, 'undici.cjs'), code);
      assert.match(await works(`${NODE} undici.cjs`), /hello from \/undici/);
    });

    // A client of Java's own does not name itself to a proxy by its settings (docs/known-issues.md).
    if (mode === 'full')
      test('Java fetches', async () => {
        outside.stage.put(join(outside.stage.work, 'Get.java'), JAVA);
        assert.match(await works(`java Get.java ${outside.origin.url}/java`), /hello from \/java/);
      });
  });
