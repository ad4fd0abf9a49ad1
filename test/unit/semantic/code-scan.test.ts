import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scanCode } from '../../../electron/core/semantic/code-scan.ts';
import { readMongo, readRedis, readSql } from '../../../electron/core/semantic/statements.ts';
import { knowledge } from './scene.ts';

const calls: readonly (readonly [string, string, string, string])[] = [
  ['python', 'import os; os.remove("/a")', 'os.remove', '/a'],
  ['python', "open('/a', 'w').write('x')", 'open', '/a'],
  ['python', 'def f(p):\n  import os\n  os.unlink(p)\nf("/a")', 'os.unlink', '/a'],
  ['python', 'os.remove("/a" + x)', 'os.remove', '/a\uFFFC'],
  ['python', "os.remove(f'/a/{x}')", 'os.remove', '/a/\uFFFC'],
  ['python', "shutil.rmtree(os.path.expanduser('~'))", 'shutil.rmtree', '~'],
  ['python', "__import__('os').system('ls')", 'os.system', 'ls'],
  ['node', 'fs.unlinkSync(`/a`)', 'fs.unlinkSync', '/a'],
  ['node', "const p = '/a'; fs.rmSync(p, {recursive: true})", 'fs.rmSync', '/a'],
  ['node', "require('child_process').exec('ls -l')", 'child_process.exec', 'ls -l'],
  ['node', "child_process.spawn('rm', ['-rf', '/a b'])", 'child_process.spawn', "rm -rf '/a b'"],
  ['ruby', "FileUtils.rm_rf('/a')", 'FileUtils.rm_rf', '/a'],
  ['ruby', 'FileUtils.rm_rf "/a"', 'FileUtils.rm_rf', '/a'],
  ['perl', 'unlink "/a";', 'unlink', '/a'],
  ['php', "unlink('/a');", 'unlink', '/a'],
];
for (const [language, code, name, text] of calls)
  test(`${language}: \`${code.replaceAll('\n', '⏎')}\` calls ${name} on \`${text}\``, () => {
    const found = scanCode(code, language, knowledge);
    assert.ok(
      found.some((call) => call.meaning.name === name && call.word.text === text),
      JSON.stringify(found.map((call) => [call.meaning.name, call.word.text])),
    );
  });

test('a comment is no call', () => {
  assert.deepEqual(scanCode('# os.remove("/a")\nprint(1)', 'python', knowledge), []);
  assert.deepEqual(scanCode('// fs.rmSync("/a")\n/* fs.rmSync("/b") */', 'node', knowledge), []);
});

const hostile: readonly (readonly [string, string])[] = [
  ['open comments', '/*'.repeat(32000)],
  ['open calls', 'os.remove('.repeat(6000)],
  ['open quotes', "os.remove('".repeat(6000)],
  ['newlines', '\n'.repeat(65536)],
  ['assignments without an end', "a = '".repeat(12000)],
  ['definitions', 'def f(a):\n'.repeat(6000)],
  ['backslashes', `os.remove("${'\\'.repeat(60000)}`],
  ['dots', 'a.'.repeat(32000)],
];
for (const [name, code] of hostile)
  test(`ends on 64 KiB of ${name}`, () => {
    for (const language of ['python', 'node', 'perl', 'ruby'])
      assert.ok(scanCode(code, language, knowledge).length <= 200);
  });

const sql: readonly (readonly [string, string])[] = [
  ['DROP TABLE IF EXISTS a.b CASCADE', 'delete a.b destructive'],
  ['-- comment\ndrop /* x */ database d', 'delete d destructive'],
  ['delete from t where id = 1', 'delete t '],
  ['delete from t where 1=1', 'delete t no-where'],
  ['update t set a = 1', 'write t no-where'],
  ["update t set a = 'where'", 'write t no-where'],
  ['alter table t drop column c', 'delete t destructive'],
  ['create user eve', 'account eve database-role'],
  ["copy t to program 'sh'", 'execute database shell from-database'],
];
for (const [text, wanted] of sql)
  test(`reads \`${text.replaceAll('\n', '⏎')}\` as ${wanted}`, () => {
    const seen = readSql(text).map(
      (s) => `${s.effect} ${s.value} ${s.tags.filter((tag) => tag !== 'statement').join()}`,
    );
    assert.ok(seen.includes(wanted), seen.join(' | '));
  });

test('a select is no change, and neither is a statement in a literal', () => {
  assert.deepEqual(
    readSql("select * from dropped; insert into t values ('drop table x; delete from y')"),
    [],
  );
});

test('reads the destructive calls of a document store and of a key store', () => {
  assert.equal(readMongo('db.users.drop(); db.x.deleteMany({})').length, 2);
  assert.ok(readMongo('db.x.deleteMany({})')[0]?.tags.includes('no-where'));
  assert.equal(readMongo('db.users.find()').length, 0);
  assert.equal(readRedis('GET a\nFLUSHALL').length, 1);
  assert.ok(readRedis('CONFIG SET dir /root/.ssh')[0]?.tags.includes('server-takeover'));
});
