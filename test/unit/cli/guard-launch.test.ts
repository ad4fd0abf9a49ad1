import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  configuredHosts,
  type GuardChoice,
  type GuardProbe,
  guardedEnvironment,
  type ProbeStep,
  planGuard,
} from '../../../shims/cli/guard-launch.ts';

const NAMES = [
  'user-namespace',
  'mounts',
  'proc',
  'temporary-folder',
  'network',
  'fuse',
  'filter-listener',
  'patient-wait',
  'descriptors',
  'fast-wake',
  'trace-exec',
  'exit-status',
  'landlock',
];

/** A probe as countersign-guard writes it: everything works but the steps given, with why. */
function probe(best: GuardProbe['best'], failing: Readonly<Record<string, string>> = {}): GuardProbe {
  const steps: ProbeStep[] = NAMES.map((name) => ({
    name,
    works: failing[name] === undefined,
    detail: failing[name] ?? 'works',
  }));
  return { best, steps };
}

const FULL = probe('full');
const NO_USER = {
  'user-namespace': 'cannot be made: Operation not permitted',
  mounts: 'not tried: no user namespace',
  proc: 'not tried: no user namespace',
  fuse: 'not tried: no user namespace',
  'exit-status': 'this kernel is older than 6.15',
};
const LANDLOCK = probe('landlock', NO_USER);
const NONE = probe(null, {
  'filter-listener': 'calls of another process cannot be answered',
  'fast-wake': 'no',
});

const GUARD = '/usr/lib/countersign/countersign-guard';
const NEVER = () => {
  throw new Error('the probe is not needed');
};

/** What is planned for each choice and each machine: mode and assurance, or refused. */
const ROWS: readonly (readonly [GuardChoice, GuardProbe, string])[] = [
  ['auto', FULL, 'full enforced'],
  ['auto', LANDLOCK, 'landlock sandboxed'],
  ['auto', NONE, 'none cooperative'],
  ['full', FULL, 'full enforced'],
  ['full', LANDLOCK, 'refused'],
  ['full', NONE, 'refused'],
  ['nested', FULL, 'nested sandboxed'],
  ['nested', LANDLOCK, 'refused'],
  ['nested', NONE, 'refused'],
  ['landlock', FULL, 'landlock sandboxed'],
  ['landlock', LANDLOCK, 'landlock sandboxed'],
  ['landlock', NONE, 'refused'],
  ['off', FULL, 'none cooperative'],
];

describe('how a session is kept', () => {
  for (const [choice, machine, expected] of ROWS)
    test(`\`${choice}\` where ${machine.best ?? 'nothing'} works: ${expected}`, () => {
      const plan = planGuard(choice, GUARD, () => machine);
      const got = plan.ok ? `${plan.value.mode ?? 'none'} ${plan.value.assurance}` : 'refused';
      assert.equal(got, expected);
    });

  test('what is less than the best, and was not asked for by its name, is said', () => {
    for (const [choice, machine, expected] of ROWS) {
      const plan = planGuard(choice, GUARD, () => machine);
      if (!plan.ok) continue;
      const quiet = expected === 'full enforced' || choice === 'landlock';
      assert.equal(plan.value.notice === null, quiet, `${choice}: ${plan.value.notice}`);
    }
  });

  test('the notice names the step that fails and why, and neither what was not tried nor what is not needed', () => {
    const plan = planGuard('auto', GUARD, () => LANDLOCK);
    const notice = plan.ok ? (plan.value.notice ?? '') : '';
    assert.match(notice, /user-namespace: cannot be made: Operation not permitted/);
    assert.doesNotMatch(notice, /not tried|exit-status|fuse/);
  });

  test('a refusal names the choice and the step', () => {
    const plan = planGuard('full', GUARD, () => LANDLOCK);
    assert.equal(
      plan.ok ? '' : plan.error,
      'the guard cannot run as `full` here: user-namespace: cannot be made: Operation not permitted',
    );
  });

  test('a probe that says nothing is no leave to go on', () => {
    const plan = planGuard('full', GUARD, () => ({ best: null, steps: [] }));
    assert.equal(
      plan.ok ? '' : plan.error,
      'the guard cannot run as `full` here: the probe did not end well',
    );
  });

  test('`off` tries nothing', () => {
    assert.equal(planGuard('off', GUARD, NEVER).ok, true);
  });

  test('without a guard `auto` is cooperative and says so, and every other choice is refused', () => {
    const auto = planGuard('auto', null, NEVER);
    assert.deepEqual(auto.ok && [auto.value.mode, auto.value.assurance], [null, 'cooperative']);
    assert.match((auto.ok && auto.value.notice) || '', /is not built .* could go round/);
    for (const choice of ['full', 'nested', 'landlock'] as const)
      assert.equal(planGuard(choice, null, NEVER).ok, false);
  });
});

describe('the environment of a guarded session', () => {
  const env = { HOME: '/home/p', SSH_AUTH_SOCK: '/s', DISPLAY: ':0', TMUX: '/t', RES_OPTIONS: 'timeout:1' };

  test('has no doors of other programs in any mode', () => {
    for (const mode of ['full', 'nested', 'landlock'] as const) {
      const inside = guardedEnvironment(env, mode, '/x');
      assert.deepEqual(
        [inside['SSH_AUTH_SOCK'], inside['DISPLAY'], inside['TMUX']],
        [undefined, undefined, undefined],
      );
      assert.equal(inside['HOME'], '/home/p');
    }
  });

  test('names /tmp where that is its own, and its folder and TCP for names where nothing is', () => {
    const full = guardedEnvironment({ ...env, TMPDIR: '/elsewhere' }, 'full', '/tmp/countersign-x');
    assert.deepEqual(
      [full['TMPDIR'], full['RES_OPTIONS'], full['HISTFILE']],
      ['/tmp', 'timeout:1', '/tmp/.history'],
    );
    const bare = guardedEnvironment(env, 'landlock', '/t/s-1');
    assert.deepEqual(
      [bare['TMPDIR'], bare['TMP'], bare['RES_OPTIONS'], bare['HISTFILE']],
      ['/t/s-1', '/t/s-1', 'timeout:1 use-vc', '/t/s-1/.history'],
    );
  });

  test('hosts are read from URLs that the person configured, and from nothing else', () => {
    assert.deepEqual(
      configuredHosts({
        A: 'https://a.example/x',
        B: 'http://[::1]:8080/',
        C: 'ftp://c.example',
        D: 'https://',
        E: undefined,
      }),
      ['a.example:443', '::1:8080'],
    );
  });
});
