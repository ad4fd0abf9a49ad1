import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import type { Receipt } from '../../electron/core/receipt/receipt.ts';
import { type Finished, type Installation, installation } from '../support/installation.ts';
import { type WrittenLedger, writeLedger } from '../support/written-ledger.ts';

const CLI = resolve(import.meta.dirname, '..', '..', 'shims', 'cli', 'main.ts');

/** ESC, a C1 control, a right-to-left override, a zero-width space and a tag character: nothing of it may reach a terminal. */
const HOSTILE = 'echo \u001b[2K\u001b[1A\u009b31m\u202egnp.exe\u200b\u{e0041} # ALLOW';
const UNSAFE = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e]|\u{e0041}/u;

suite('receipts', () => {
  let home: Installation;
  let written: WrittenLedger;
  let allowed: Receipt;
  let asked: Receipt;
  let answered: Receipt;
  let deferred: Receipt;
  let resolved: Receipt;
  let denied: Receipt;
  let hostile: Receipt;

  before(async () => {
    home = installation();
    written = await writeLedger(home.places, home.home);
    allowed = await written.decide('npm test');
    await written.outcome(allowed.receipt.id, { result: 'failed', exit_code: 3, signal: null, bytes: 17 });
    denied = await written.decide('rm -rf /');
    asked = await written.decide('git push --force origin main');
    answered = await written.follow(asked, 'approval', {
      decision_receipt: asked.receipt.id,
      decision: { result: 'ALLOW', policy_id: 'git.force-push-somewhere', reason: 'allowed by tester' },
      approval: {
        id: 'apr_0000000000',
        answer: 'allowed',
        approver: 'tester',
        note: 'go on',
        origin: 'step_up',
      },
    });
    await written.outcome(answered.receipt.id);
    const parked = await written.decide('make deploy');
    deferred = await written.follow(parked, 'deferral', {
      decision: { result: 'DEFER', policy_id: null, reason: 'the branch is not known' },
      decided: 'DEFER',
      deferral: {
        id: 'dfr_0000000000',
        resolution: 'parked',
        missing: [{ path: 'environment.git_branch', resolvers: ['environment'] }],
      },
    });
    resolved = await written.follow(deferred, 'decision', {
      deferral_receipt: deferred.receipt.id,
      decision: { result: 'DENY', policy_id: null, reason: 'what it lacks did not arrive in time' },
      decided: 'DEFER',
      deferral: { id: 'dfr_0000000000', resolution: 'timed_out' },
    });
    hostile = await written.decide(HOSTILE);
  });
  after(async () => {
    await written.close();
    await home.dispose();
  });

  const run = (...args: readonly string[]): Promise<Finished> => home.cli(['receipts', ...args]);

  test('lists one line an action, newest last, while the ledger is open elsewhere', async () => {
    const { code, stdout } = await run('list');
    assert.equal(code, 0);
    const lines = stdout.trimEnd().split('\n');
    const find = (text: string) => lines.filter((line) => line.includes(text));
    assert.match(find('npm test').join('|'), /ALLOW +shell +npm test +exit 3$/);
    assert.match(find('rm -rf /').join('|'), /DENY .* rm -rf \/ +\[shell\.delete-root\]$/);
    assert.equal(find('git push --force').length, 1, 'the question and its answer are one line');
    assert.match(
      find('git push --force').join('|'),
      /STEP_UP→ALLOW .*\[git\.force-push-somewhere\] +exit 0$/,
    );
    assert.match(find('make deploy').at(-1) ?? '', /DEFER→DENY/);
    const places = lines.map((line) => Number(/^\S+ \S+ +(\d+)/.exec(line)?.[1]));
    assert.deepEqual(
      places,
      places.toSorted((a, b) => a - b),
    );
  });

  test('cuts the command, and nothing else, to the width of a terminal', async () => {
    const long = await written.decide(`echo ${'x'.repeat(400)}`);
    const person = home.person(['receipts', 'list']);
    assert.equal(await person.exit, 0);
    const plain = stripVTControlCharacters(person.screen()).split('\r\n');
    assert.ok(plain.every((line) => [...line].length <= 160));
    assert.match(plain.find((line) => line.includes('xxx')) ?? '', /x… {2}no outcome$/);
    assert.match((await run('show', long.receipt.id)).stdout, /x{400}/);
  });

  test('shows what came from an agent as escapes, in text and in JSON', async () => {
    for (const args of [
      ['list'],
      ['list', '--json'],
      ['list', '--all'],
      ['show', hostile.receipt.id],
      ['show', hostile.receipt.id, '--json'],
    ]) {
      const { stdout } = await run(...args);
      assert.doesNotMatch(stdout, UNSAFE, args.join(' '));
    }
    const { stdout } = await run('list', '--json');
    const rows = JSON.parse(stdout) as readonly { readonly id: string; readonly text: string }[];
    assert.equal(
      rows.find((row) => row.id === hostile.receipt.id)?.text,
      HOSTILE,
      'JSON reads back as the very text',
    );
  });

  const filters: readonly (readonly [
    name: string,
    args: readonly string[],
    expected: () => readonly Receipt[],
  ])[] = [
    ['by decision', ['--decision', 'deny'], () => [denied, resolved]],
    ['by kind', ['--kind', 'approval'], () => [answered]],
    ['by tool that nobody used', ['--tool', 'mcp'], () => []],
    ['by session that begins so', ['--decision', 'STEP_UP', '--session', ''], () => [asked]],
    ['from a moment on', ['--since', '2030-01-01'], () => []],
    ['until a moment', ['--until', '2020-01-01T00:00:00Z'], () => []],
    ['the first approval only', ['--kind', 'approval', '--limit', '1'], () => [answered]],
  ];
  for (const [name, args, expected] of filters)
    test(`narrows ${name}`, async () => {
      const given = args.map((word) => (word === '' ? written.session.slice(0, 12) : word));
      const { code, stdout, stderr } = await run('list', '--json', ...given);
      assert.equal(code, 0, stderr);
      const ids = (JSON.parse(stdout) as readonly { readonly id: string }[]).map(({ id }) => id);
      assert.deepEqual(
        ids,
        expected().map((r) => r.receipt.id),
      );
    });

  test('shows one receipt whole, by place and by id, linked both ways', async () => {
    const byPlace = await run('show', String(asked.receipt.seq));
    assert.equal(byPlace.code, 0);
    assert.equal((await run('show', asked.receipt.id)).stdout, byPlace.stdout);
    for (const expected of [
      /STEP_UP→ALLOW/,
      /seal +verified/,
      /│ git push --force origin main/,
      /commands +git push --force origin main/,
      /effects +publish ref main/,
      /rule +git\.force-push-somewhere/,
      /ranks +static +STEP_UP/,
      /person +tester, uid 1000/,
      /delegation +tester → agt_tester0000, session/,
      /chain +\d+ entries, [0-9a-f]{64}/,
      new RegExp(`answered by +#${answered.receipt.seq} ${answered.receipt.id} approval ALLOW`),
      /outcome +#\d+ rct_\S+ outcome/,
      /key +key_[0-9a-f]{32}, kept in memory/,
    ])
      assert.match(byPlace.stdout, expected);
    const answer = await run('show', answered.receipt.id);
    assert.match(answer.stdout, new RegExp(`answers +#${asked.receipt.seq} `));
    assert.match(answer.stdout, /Approval\n +answer +allowed\n +by +tester\n +note +go on/);
    const parked = await run('show', deferred.receipt.id);
    assert.match(parked.stdout, /waits for +environment\.git_branch \(environment\)/);
    assert.match(parked.stdout, new RegExp(`answered by +#${resolved.receipt.seq} `));
    const shown = JSON.parse((await run('show', asked.receipt.id, '--json')).stdout);
    assert.deepEqual(shown.receipt, asked.receipt);
    assert.equal(shown.seal.verdict, 'verified');
  });

  test('follows what is written until it is told to stop', async () => {
    const child = spawn(process.execPath, [CLI, 'receipts', 'follow', '--json'], {
      env: { ...home.env },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    let seen = '';
    child.stdout.on('data', (data: Buffer) => {
      seen += data.toString();
    });
    // It begins with what comes after its start, which only its first line proves.
    const late: Receipt[] = [];
    while (!seen.includes('\n')) {
      late.push(await written.decide(`echo late ${late.length}`));
      await new Promise((r) => setTimeout(r, 50));
    }
    child.kill('SIGINT');
    const [code] = (await once(child, 'close')) as [number | null];
    assert.equal(code, 0);
    const rows = seen
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { readonly id: string; readonly result: string });
    assert.ok(rows.every((row) => late.some((r) => r.receipt.id === row.id) && row.result === 'ALLOW'));
  });

  const wrong: readonly (readonly [name: string, args: readonly string[], message: RegExp])[] = [
    ['no verb', [], /`list`, `show`, `follow`/],
    ['a mistyped verb', ['lits'], /did you mean `list`\?/],
    ['a mistyped option', ['list', '--sesion', 'x'], /unknown option `--sesion`; did you mean `--session`\?/],
    ['a mistyped decision', ['list', '--decision', 'DENI'], /did you mean `DENY`\?/],
    ['a mistyped kind', ['list', '--kind', 'outcom'], /did you mean `outcome`\?/],
    ['a time that is none', ['list', '--since', 'yesterday'], /`--since` takes 30m/],
    ['a limit that is none', ['list', '--limit', '0'], /from 1 to/],
    ['an unknown session', ['list', '--session', 'nobody'], /no session `nobody`/],
    ['a receipt to show that is not named', ['show'], /needs the place or the id/],
  ];
  for (const [name, args, message] of wrong)
    test(`exits 2 and says what was meant: ${name}`, async () => {
      const { code, stderr, stdout } = await run(...args);
      assert.equal(code, 2);
      assert.equal(stdout, '');
      assert.match(stderr, message);
    });

  test('exits 1 for a receipt that is not there', async () => {
    const { code, stderr } = await run('show', '99999');
    assert.equal(code, 1);
    assert.match(stderr, /no receipt `99999`; the ledger has places 0 to \d+/);
  });

  test('exits 4 where there is no ledger', async () => {
    const { code, stderr } = await home.cli(['receipts', 'list'], {
      env: { COUNTERSIGN_HOME: join(home.root, 'nowhere') },
    });
    assert.equal(code, 4);
    assert.match(stderr, /there is no ledger yet/);
  });
});
