// A proxy that dies with a request in its hands: nothing passes meanwhile, and the next one serves.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { after, before, test } from 'node:test';
import { eventually } from '../guard/stage.ts';
import { type Outside, openOutside } from './outside.ts';

let outside: Outside;
const waiting: ServerResponse[] = [];
before(async () => {
  outside = await openOutside((request, response) => {
    if (request.path !== '/slow') return false;
    waiting.push(response);
    return true;
  });
});
after(() => outside.close());

/** The daemon's child that is the proxy. */
function proxyPid(): number | null {
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
      if (parent !== outside.stage.daemonPid()) continue;
      if (readFileSync(`/proc/${name}/cmdline`, 'utf8').includes('/proxy/main.')) return Number(name);
    } catch {
      // It ended meanwhile.
    }
  }
  return null;
}

for (const mode of ['full', 'off'] as const)
  test(`a request that the proxy died with fails, and the next one is served (guard ${mode})`, async () => {
    const first = proxyPid();
    assert.ok(first !== null);
    const heard = outside.origin.heard.length;
    const slow = waiting.length;
    // One session for both: where the proxy was is where the next one is.
    const line = `curl -sS --max-time 20 ${outside.origin.url}/slow; echo "first $?"; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do curl -sS --max-time 10 ${outside.origin.url}/next && break; sleep 0.5; done`;
    const session = outside.run(mode, ['bash', '-c', line]);
    await eventually('the request is under way', () => (waiting.length > slow ? true : null), 20_000);
    process.kill(first, 'SIGKILL');
    const done = await session;
    assert.match(done.stdout, /first [1-9]/, done.stdout + done.stderr);
    assert.match(done.stdout, /hello from \/next/, done.stdout + done.stderr + outside.daemonLog());
    assert.notEqual(proxyPid(), first);
    const paths = outside.origin.heard.slice(heard).map(({ path }) => path);
    assert.deepEqual(paths, ['/slow', '/next'], 'nothing was sent twice, and nothing round the proxy');
    for (const response of waiting) response.destroy();
  });
