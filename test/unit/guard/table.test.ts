import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { encodeFrame, type Field, field } from '../../../shims/shell/frame.ts';
import { compileDriver, fields, raw, tables } from './driver.ts';

const driver = compileDriver('table-driver', 'checked');
after(() => driver.remove());

const file = (op: string, path: string) => fields(['k', 'file'], ['o', op], ['p', raw(path)]);
const exec = (program: string, called: string, ...argv: readonly (string | Buffer)[]) =>
  fields(['k', 'exec'], ['p', raw(program)], ['o', raw(called)], ...argv.map((word) => ['a', word] as const));
const unix = (path: string) => fields(['k', 'unix'], ['p', raw(path)]);
const host = (name: string, port: number) => fields(['k', 'host'], ['h', name], ['j', String(port)]);

/** What the driver says about each question under these tables. */
function under(
  rows: Parameters<typeof tables>[0],
  ...questions: readonly (readonly Field[])[]
): readonly string[] {
  const [first, ...rest] = driver.lines([tables(rows), ...questions]);
  assert.equal(first, 'replaced');
  return rest;
}

describe('file rows', () => {
  for (const [pattern, matching, other] of [
    ['/a/b', ['/a/b', '/a/b/c', '/a/b/c/d'], ['/a/bc', '/a', '/x/a/b', '/a/', '/A/b', 'a/b']],
    ['/', ['/', '/a', '/a/b'], ['', 'a']],
    ['/a/b/', ['/a/b/c', '/a/b/c/d'], ['/a/b', '/a/bc/d']],
    ['*/x/y', ['/x/y', '/a/x/y', '/a/b/x/y'], ['/a/xx/y', '/a/x/yy', '/a/x/y/z', '/x', '/y', '/ax/y']],
    ['*/y', ['/y', '/a/y'], ['/a/ay', '/a/y/b']],
    [
      '*/x/y/',
      ['/x/y/z', '/a/x/y/z/q', '/x/y/x/y/z'],
      ['/x/y', '/a/x/yy/z', '/xx/y/z', '/x/y/', '/a/x/z/y/q'],
    ],
    ['/n\nl/\xff', ['/n\nl/\xff', '/n\nl/\xff/a'], ['/n', '/n\nl', '/n\nl/\xfe']],
    ['*/\xff\n/', ['/a/\xff\n/b'], ['/a/\xff/b', '/a/\xff\n']],
  ] as const) {
    test(`match by whole components: ${JSON.stringify(pattern)}`, () => {
      const asked = [...matching, ...other];
      assert.deepEqual(
        under({ files: [`wdcm deny ${pattern}`] }, ...asked.map((path) => file('w', path))).map(
          (verdict, at) => `${asked[at]} ${verdict}`,
        ),
        [...matching.map((path) => `${path} deny`), ...other.map((path) => `${path} ask`)],
      );
    });
  }

  test('are tried in order, each for its own operations, and no row is a question', () => {
    const files = [
      'd deny /a/keep',
      'wd allow /a',
      'w late */.git/hooks/',
      'm deny /',
      'c ask /b',
      'c allow /b',
    ];
    assert.deepEqual(
      under(
        { files },
        file('d', '/a/keep/x'),
        file('w', '/a/keep/x'),
        file('d', '/a/x'),
        file('w', '/b/.git/hooks/pre-commit'),
        file('w', '/a/.git/hooks/pre-commit'),
        file('m', '/q'),
        file('c', '/b/x'),
        file('c', '/c'),
        file('q', '/a'),
      ),
      ['deny', 'allow', 'allow', 'late', 'allow', 'deny', 'ask', 'ask', 'ask'],
    );
  });

  test('answer for a path as long as the system allows, and longer', () => {
    const long = `/${'d/'.repeat(20_000)}end`;
    assert.deepEqual(
      under({ files: ['w deny */d/end', 'w allow /d'] }, file('w', long), file('w', `${long}/x`)),
      ['deny', 'allow'],
    );
  });
});

describe('exec names', () => {
  const names = ['rm', 'sh', 'a\nb', 'c\xff'];
  for (const [what, question, expected] of [
    ['by the canonical path', exec('/bin/rm', '/bin/x', 'x'), 'asks'],
    ['by the name it was started by', exec('/bin/busybox', '/bin/rm', 'x'), 'asks'],
    ['by what it calls itself', exec('/bin/busybox', '/bin/x', 'rm'), 'asks'],
    ['by what it calls itself with a path', exec('/bin/busybox', '/bin/x', '/x/rm/'), 'asks'],
    ['by the name of a login shell', exec('/bin/busybox', '/bin/x', '-sh'), 'asks'],
    ['with a newline', exec('/bin/a\nb', '/bin/x', 'x'), 'asks'],
    ['with a byte that is no text', exec('/bin/c\xff', '/bin/x', 'x'), 'asks'],
    ['only when it is the whole name', exec('/bin/rmdir', '/rm/x', 'rmm', 'rm'), 'starts'],
    ['not when there is no name at all', exec('/bin/ls', '/bin/ls'), 'starts'],
  ] as const) {
    test(`are found ${what}`, () => assert.deepEqual(under({ names }, question), [expected]));
  }

  test('are all asked about when the tables say so, and before there are tables', () => {
    assert.deepEqual(under({ everyExec: true }, exec('/bin/ls', '/bin/ls', 'ls')), ['asks']);
    assert.deepEqual(
      driver.lines([exec('/bin/ls', '/bin/ls', 'ls'), file('w', '/a'), unix('/a'), host('a', 1)]),
      ['asks', 'ask', 'asks', 'asks'],
    );
  });

  test('are found among 20 000', () => {
    const many = Array.from({ length: 20_000 }, (_, n) => `program-${n}`);
    assert.deepEqual(
      under(
        { names: [...many, ...many] },
        exec('/bin/program-0', '/x', 'x'),
        exec('/bin/program-19999', '/x', 'x'),
        exec('/bin/program-20000', '/x', 'x'),
      ),
      ['asks', 'asks', 'starts'],
    );
  });
});

describe('triggers', () => {
  const triggers = ['/home/u/.ssh', '--force', 'é', '\xff\xfe', '!'];
  for (const [what, argv, expected] of [
    ['a whole argument', ['x', '/home/u/.ssh'], 'asks'],
    ['inside an argument', ['x', '--key=/home/u/.ssh/id'], 'asks'],
    ['at the very end', ['x', 'a--force'], 'asks'],
    ['after its own beginning', ['x', '/home/u/.s/home/u/.ssh'], 'asks'],
    ['of one byte', ['x', 'a!b'], 'asks'],
    ['that is no text', ['x', Buffer.from([1, 0xff, 0xfe, 2])], 'asks'],
    ['cut by the end', ['x', '--forc'], 'starts'],
    ['spread over two arguments', ['x', '--for', 'ce'], 'starts'],
    ['of another case', ['x', '--FORCE'], 'starts'],
  ] as const) {
    test(`${expected === 'asks' ? 'are found' : 'are not found'} ${what}`, () =>
      assert.deepEqual(under({ triggers: triggers.map((t) => t) }, exec('/bin/x', '/bin/x', ...argv)), [
        expected,
      ]));
  }

  test('are found behind two megabytes', () => {
    const filler = '/home/u/'.repeat(32_000);
    const words = Array.from({ length: 8 }, () => filler);
    assert.deepEqual(
      under(
        { triggers },
        exec('/bin/x', '/bin/x', 'x', ...words),
        exec('/bin/x', '/bin/x', 'x', ...words, '--force'),
      ),
      ['starts', 'asks'],
    );
  });
});

describe('sockets and hosts', () => {
  test('a socket is allowed by its path, or below a row that ends in a slash', () => {
    assert.deepEqual(
      under(
        { sockets: ['/run/one', '/run/all/', '/n\n\xff'] },
        ...[
          '/run/one',
          '/run/one/x',
          '/run/on',
          '/run/all/x',
          '/run/all/x/y',
          '/run/all',
          '/run/allx',
          '/n\n\xff',
        ].map(unix),
      ),
      ['allows', 'asks', 'asks', 'allows', 'allows', 'asks', 'asks', 'allows'],
    );
  });

  test('a host is allowed whatever its case, at its port or at any', () => {
    assert.deepEqual(
      under(
        { hosts: ['example.org 443', 'any.example *', '::1 8080'] },
        host('example.org', 443),
        host('EXAMPLE.org.', 443),
        host('example.org', 80),
        host('www.example.org', 443),
        host('any.example', 1),
        host('::1', 8080),
        host('', 443),
      ),
      ['allows', 'allows', 'asks', 'asks', 'allows', 'allows', 'asks'],
    );
  });
});

describe('tables that are malformed', () => {
  const right = tables({ files: ['w deny /a'] });
  const whole = encodeFrame(right);
  const cut = (size: number) => {
    const frame = Buffer.from(whole.subarray(0, size));
    frame.writeUInt32LE(size - 8, 4);
    return frame;
  };
  const bad: readonly (readonly [string, readonly Field[] | Buffer])[] = [
    ['an unknown tag', [...right, field('q', 'x')]],
    ['a seal inside', [...right, field('Z', Buffer.alloc(32))]],
    ['another kind', [field('k', 'tablets')]],
    ['no kind', [field('e', 'rm')]],
    ['the kind twice', [...right, field('k', 'tables')]],
    ['an empty name', tables({ names: [''] })],
    ['a name with a slash', tables({ names: ['/bin/rm'] })],
    ['an empty trigger', tables({ triggers: [''] })],
    ['a trigger with a NUL', tables({ triggers: ['a\0b'] })],
    ['an empty pattern', tables({ files: ['w deny '] })],
    ['a pattern that is not absolute', tables({ files: ['w deny a/b'] })],
    ['a pattern of a star', tables({ files: ['w deny *'] })],
    ['a pattern of a star and a slash', tables({ files: ['w deny */'] })],
    ['a star without a slash', tables({ files: ['w deny *x/y'] })],
    ['a pattern with a NUL', tables({ files: ['w deny /a\0b'] })],
    ['no operations', tables({ files: [' deny /a'] })],
    ['an unknown operation', tables({ files: ['wr deny /a'] })],
    ['an unknown verdict', tables({ files: ['w permit /a'] })],
    ['a row of two parts', [field('k', 'tables'), field('f', 'w\0deny')]],
    ['an empty row', [field('k', 'tables'), field('f', '')]],
    ['a socket that is not absolute', tables({ sockets: ['run/x'] })],
    ['an empty socket', tables({ sockets: [''] })],
    ['a host without a port', [field('k', 'tables'), field('h', 'example.org')]],
    ['an empty host', tables({ hosts: [' 443'] })],
    ['port 0', tables({ hosts: ['a 0'] })],
    ['port 65536', tables({ hosts: ['a 65536'] })],
    ['a port that is no number', tables({ hosts: ['a 4x'] })],
    ['an empty port', tables({ hosts: ['a '] })],
    ['a frame that ends in a field', cut(whole.length - 1)],
    ['a frame that ends in a head', cut(8 + 5 + 6 + 3)],
    ['an empty frame', cut(8)],
  ];
  for (const [what, frame] of bad) {
    test(`are refused, and the old ones stay: ${what}`, () => {
      assert.deepEqual(driver.lines([right, frame, file('w', '/a/b'), exec('/bin/rm', '/bin/rm', 'rm')]), [
        'replaced',
        'refused',
        'deny',
        'starts',
      ]);
    });
  }

  test('do not keep the next right ones from holding', () => {
    assert.deepEqual(driver.lines([right, cut(8), tables({ files: ['w allow /a'] }), file('w', '/a')]), [
      'replaced',
      'refused',
      'replaced',
      'allow',
    ]);
  });
});

describe('large tables', () => {
  test('of 16 MiB are taken, and the last row is found', () => {
    const files = Array.from({ length: 130_000 }, (_, n) => `w deny /${'d'.repeat(100)}/${n}`);
    const frame = tables({ files: [...files, 'w late /last'] });
    assert.ok(encodeFrame(frame).length > 14 * 1024 * 1024);
    assert.deepEqual(driver.lines([frame, file('w', '/last/x'), file('w', '/lost')]), [
      'replaced',
      'late',
      'ask',
    ]);
  });

  test('are replaced under four threads that look up, and no lookup sees half of them', () => {
    const inner = encodeFrame(
      tables({
        names: ['same', ...Array.from({ length: 500 }, (_, n) => `n${n}`)],
        files: ['w deny /same'],
      }),
    ).subarray(8);
    assert.deepEqual(driver.lines([fields(['k', 'race'], ['v', '300'], ['b', inner])]), ['0 wrong']);
  });
});

describe('remembered answers', () => {
  const remember = (op: string, path: string, verdict: number) =>
    fields(['k', 'remember'], ['o', op], ['p', raw(path)], ['v', String(verdict)]);
  const remembered = (op: string, path: string) => fields(['k', 'remembered'], ['o', op], ['p', raw(path)]);
  const asking = fields(['k', 'asking']);

  test('are for one object and one class of operation, and the last holds', () => {
    assert.deepEqual(
      driver.lines([
        remember('w', '/a\n\xff', 0),
        remembered('w', '/a\n\xff'),
        remembered('d', '/a\n\xff'),
        remembered('w', '/a\n'),
        remember('w', '/a\n\xff', 1),
        remembered('w', '/a\n\xff'),
      ]),
      ['done', 'allow', 'nothing', 'nothing', 'done', 'deny'],
    );
  });

  test('are forgotten when the tables are replaced, but not when bad tables are refused', () => {
    assert.deepEqual(
      driver.lines([
        remember('w', '/a', 0),
        [field('k', 'tables'), field('q', '')],
        remembered('w', '/a'),
        tables({}),
        remembered('w', '/a'),
      ]),
      ['done', 'refused', 'allow', 'replaced', 'nothing'],
    );
  });

  test('are not kept when the tables were replaced since the question', () => {
    assert.deepEqual(
      driver.lines([
        asking,
        tables({}),
        remember('w', '/a', 0),
        remembered('w', '/a'),
        asking,
        remember('w', '/a', 0),
        remembered('w', '/a'),
      ]),
      ['asking', 'replaced', 'done', 'nothing', 'asking', 'done', 'allow'],
    );
  });

  test('are bounded: of 20 000 at most 4096 are kept, and none that was not given', () => {
    const [line] = driver.lines([fields(['k', 'many'], ['v', '20000'])]);
    const found = Number((line ?? '').split(' ')[0]);
    assert.ok(found > 3500 && found <= 4096, line);
    assert.match(line ?? '', / the last is kept, no other is found$/);
  });
});
