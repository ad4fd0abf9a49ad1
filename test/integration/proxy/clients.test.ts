// Programs that people really use, in a session whose connections all go through the proxy.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { DENIED, type Mode, type Outside, openOutside } from './outside.ts';

const NODE = process.execPath;

/** Each asks for PATH at the origin and prints what came, or fails. */
const CLIENTS: readonly (readonly [name: string, command: (url: string) => readonly string[]])[] = [
  ['curl', (url) => ['curl', '-sS', '--fail-with-body', url]],
  ['wget', (url) => ['wget', '-q', '-O', '-', url]],
  [
    'node fetch',
    (url) => [
      NODE,
      '-e',
      `fetch('${url}').then(async r => { console.log(await r.text()); if (!r.ok) process.exit(9) })`,
    ],
  ],
  [
    'node https',
    (url) => [
      NODE,
      '-e',
      `require('https').get('${url}', r => { r.pipe(process.stdout); if (r.statusCode !== 200) process.exitCode = 9 })`,
    ],
  ],
  [
    'python',
    (url) => [
      '/usr/bin/python3',
      '-c',
      `import urllib.request as u; print(u.urlopen('${url}').read().decode())`,
    ],
  ],
];

for (const mode of ['full', 'off'] as readonly Mode[])
  describe(`clients in a session with the guard ${mode}`, () => {
    let outside: Outside;
    before(async () => {
      outside = await openOutside();
    });
    after(() => outside.close());

    for (const [name, command] of CLIENTS) {
      test(`${name} gets what it asks for, and it is on record`, async () => {
        const from = await outside.mark();
        const path = `/fine/${name.replace(' ', '-')}`;
        const done = await outside.run(mode, command(`${outside.origin.url}${path}`));
        assert.equal(done.code, 0, `${done.stdout}${done.stderr}\n${outside.daemonLog()}`);
        assert.match(done.stdout, new RegExp(`hello from ${path}`));
        assert.equal(outside.origin.heard.filter((one) => one.path === path).length, 1);
        const receipts = await outside.receipts(from);
        assert.ok(
          receipts.some((text) => text.includes(`${outside.origin.url}${path}`)),
          receipts.join('\n').slice(0, 4000),
        );
      });

      test(`${name} is denied what policy denies, and nothing of it leaves`, async () => {
        const path = `${DENIED}/${name.replace(' ', '-')}`;
        const before = outside.origin.connections();
        const done = await outside.run(mode, command(`${outside.origin.url}${path}`));
        assert.notEqual(done.code, 0, done.stdout);
        if (name === 'curl') assert.match(`${done.stdout}${done.stderr}`, /denied.*proxy-test\.denied|403/s);
        assert.equal(outside.origin.heard.filter((one) => one.path === path).length, 0);
        assert.equal(outside.origin.connections(), before, 'nobody connected');
      });
    }
  });
