import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Checkpoint } from '../../electron/core/receipt/checkpoint.ts';
import { checkLedger } from '../../electron/edge/ledger-check.ts';
import { ledgerPath } from '../../electron/edge/ledger-file.ts';
import { decisionsAbout, part, type Stage, stage } from '../conformance/stage.ts';
import { openTestSession, receiptsOf } from '../support/doors.ts';
import { type Installation, waitFor } from '../support/installation.ts';

/** The daemon killed, hung, slow and restarted; the launcher killed (failure table, docs/architecture.md). */

const CLI = join(import.meta.dirname, '..', '..', 'build', 'shims', 'cli', 'main.js');

async function assertVerified(place: Installation): Promise<void> {
  const head = JSON.parse(readFileSync(join(place.places.config, 'ledger-head.json'), 'utf8')) as Checkpoint;
  const report = await checkLedger(
    { kind: 'database', path: ledgerPath(join(place.places.state, 'ledger')) },
    { head },
  );
  assert.ok(report.ok);
  assert.equal(report.value.verdict, 'verified', JSON.stringify(report.value.findings));
}

/** A script that waits in `read` until told to go on; by then it may have no daemon. */
function held(s: Stage, script: string) {
  const child = spawn(process.execPath, [CLI, 'run', '--', 'bash', '-c', script], {
    cwd: s.work,
    env: s.env,
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const ended = once(child, 'close');
  return {
    async go() {
      child.stdin.end('go\n');
      await ended;
      return { stderr };
    },
  };
}

async function on(run: (s: Stage) => Promise<void>): Promise<void> {
  const s = await stage();
  try {
    await run(s);
  } finally {
    await s.dispose();
  }
}

test('daemon killed: what runs under it is denied from then on, with the reason', () =>
  on(async (s) => {
    const running = held(s, 'touch before; read -r go; touch after');
    await waitFor(() => s.has('before'));
    await sleep(300);
    await s.daemon.kill('SIGKILL');
    const run = await running.go();
    assert.match(run.stderr, /countersign: denied: .*daemon/);
    assert.equal(s.has('after'), false);
    await assertVerified(s);
  }));

test('daemon restarted mid-action: what waited is DENY, the session must start again, the ledger shows the gap', () =>
  on(async (s) => {
    const running = s.bash('touch ask-me.txt; touch afterwards');
    await waitFor(() => decisionsAbout(s.receipts(), 'ask-me').some((d) => d.result === 'STEP_UP'));
    await s.daemon.kill('SIGKILL');
    await s.startDaemon();
    const run = await running;
    assert.equal(s.has('ask-me.txt'), false);
    assert.equal(s.has('afterwards'), false);
    assert.match(run.stderr, /not known to the running daemon|daemon/);
    const waiting = await s.cli(['approve', '--list', '--json']);
    assert.deepEqual(JSON.parse(waiting.stdout), []);
    assert.equal((await s.bash('touch new-session')).code, 0);
    assert.ok(s.has('new-session'));
    const starts = s.ofKind('lifecycle').filter((r) => r.receipt.body.event === 'started');
    const stops = s.ofKind('lifecycle').filter((r) => r.receipt.body.event === 'stopped');
    assert.deepEqual([starts.length, stops.length], [2, 0], 'a start without a stop before it is the gap');
    await assertVerified(s);
  }));

test('daemon stopped in order mid-action: what waited is recorded as DENY before it goes', () =>
  on(async (s) => {
    const running = s.bash('touch ask-me.txt');
    await waitFor(() => decisionsAbout(s.receipts(), 'ask-me').some((d) => d.result === 'STEP_UP'));
    await s.daemon.kill('SIGTERM');
    await running;
    assert.equal(s.has('ask-me.txt'), false);
    assert.ok(decisionsAbout(s.receipts(), 'ask-me').some((d) => d.result === 'DENY'));
    await assertVerified(s);
  }));

test('daemon hung: the surface denies at its own deadline, and what was asked does not run when the daemon wakes', () =>
  on(async (s) => {
    const running = held(s, 'touch before; read -r go; touch after');
    await waitFor(() => s.has('before'));
    await sleep(300);
    process.kill(s.daemon.pid, 'SIGSTOP');
    try {
      const run = await running.go();
      assert.match(run.stderr, /denied/);
      assert.equal(s.has('after'), false);
      const status = await s.cli(['status'], { timeoutMs: 10_000 });
      assert.match(status.stderr, /may hang/);
    } finally {
      process.kill(s.daemon.pid, 'SIGCONT');
    }
    assert.equal((await s.bash('touch awake')).code, 0);
    assert.equal(s.has('after'), false);
    await assertVerified(s);
  }));

test('daemon slow: actions wait for it and are decided', () =>
  on(async (s) => {
    let stopped = false;
    const stutter = setInterval(() => {
      process.kill(s.daemon.pid, stopped ? 'SIGCONT' : 'SIGSTOP');
      stopped = !stopped;
    }, 150);
    try {
      const run = await s.bash('for i in 1 2 3 4 5; do touch slow-$i; done');
      for (const n of [1, 2, 3, 4, 5]) assert.ok(s.has(`slow-${n}`), run.stderr);
      await s.bash('touch denied.txt');
      assert.equal(s.has('denied.txt'), false);
    } finally {
      clearInterval(stutter);
      process.kill(s.daemon.pid, 'SIGCONT');
    }
  }));

test('launcher killed: the session closes, what ran has an unknown outcome, its tree is ended', () =>
  on(async (s) => {
    const launcher = spawn(
      process.execPath,
      [CLI, 'run', '--', 'bash', '-c', 'touch started; sleep 30; touch survived'],
      {
        cwd: s.work,
        env: s.env,
        stdio: 'ignore',
      },
    );
    await waitFor(() => s.has('started') && decisionsAbout(s.receipts(), 'sleep').length > 0);
    launcher.kill('SIGKILL');
    const closed = () => s.ofKind('session').find((r) => r.receipt.body.event === 'closed');
    await waitFor(() => closed() !== undefined);
    assert.match(String(closed()?.receipt.body.reason), /launcher went away/);
    // Unknown, or how the guard that ended the tree saw it end, whichever came first.
    const ended = s
      .ofKind('outcome')
      .map((r) => part(r, 'outcome'))
      .filter(({ result, signal }) => result === 'unknown' || signal !== null);
    assert.ok(ended.length > 0, 'what still ran has an outcome all the same');
    assert.equal(s.has('survived'), false);
    await assertVerified(s);
  }));

test('an outcome that never arrives is recorded as unknown when the session ends', () =>
  on(async (s) => {
    const control = await s.control();
    const session = await openTestSession(s, control);
    const speaker = await session.speak();
    const allowed = await speaker.ending(speaker.act('echo never heard of again'));
    speaker.close();
    await control.call({ type: 'session.close', session: session.id, exit_code: 0, signal: null });
    const outcome = s.ofKind('outcome').find((r) => r.receipt.body.action_id === allowed.action);
    assert.equal(part(outcome, 'outcome').result, 'unknown');
    assert.equal(outcome?.receipt.body.decision_receipt, allowed.receipt);
    control.close();
  }));

test('killed at any moment: each effect in the world has its ALLOW on disk, and the ledger is whole', () =>
  on(async (s) => {
    let daemon = s.daemon;
    const rounds = 10;
    let cutShort = 0;
    for (let round = 0; round < rounds; round += 1) {
      const running = s.bash(`for i in $(seq 200); do touch r${round}-$i; done`);
      await waitFor(() => s.has(`r${round}-1`), 20_000);
      await sleep(Math.random() * 400);
      await daemon.kill('SIGKILL');
      const effects = () => readdirSync(s.work).filter((name) => name.startsWith(`r${round}-`));
      // What is allowed is allowed by then: everything after the kill is denied.
      await running;
      if (effects().length < 200) cutShort += 1;
      const allowed = receiptsOf(s)
        .filter((r) => r.receipt.kind === 'decision' && part(r, 'decision').result === 'ALLOW')
        .map((r) => JSON.stringify(part(r, 'action').effects));
      for (const name of effects())
        assert.ok(
          allowed.some((text) => text.includes(`/${name}"`)),
          `${name} exists and no durable receipt allows it`,
        );
      daemon = await s.startDaemon();
      await assertVerified(s);
    }
    assert.ok(cutShort > 0, 'some kill came in the middle');
    await daemon.kill();
    const verified = await s.cli(['verify']);
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);
  }));

test('the log of a daemon that fails says why', () =>
  on(async (s) => {
    await s.daemon.kill();
    writeFileSync(ledgerPath(join(s.places.state, 'ledger')), 'not a database');
    const started = await s.cli(['daemon', 'start'], { timeoutMs: 30_000 });
    assert.notEqual(started.code, 0);
    assert.match(started.stderr, /ledger/);
    assert.ok(existsSync(s.places.log));
  }));
