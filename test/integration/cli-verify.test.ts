import assert from 'node:assert/strict';
import { cpSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import Database from 'better-sqlite3';
import { type Finished, type Installation, installation } from '../support/installation.ts';
import { writeLedger } from '../support/written-ledger.ts';

interface Finding {
  readonly step: string;
  readonly severity: string;
  readonly seq: number | null;
  readonly receipt: string | null;
  readonly message: string;
}

/** Changes a database as somebody would who has write access to it: the triggers are in the way for nobody. */
function tamper(db: string, change: (open: Database.Database) => void): void {
  const open = new Database(db);
  for (const name of ['receipts_keep', 'receipts_stay', 'context_keep', 'context_stay'])
    open.exec(`drop trigger ${name}`);
  change(open);
  open.pragma('wal_checkpoint(truncate)');
  open.close();
}

suite('verify', () => {
  let home: Installation;
  let pristine: string;
  let earlier: string;
  /** Places of the receipts that are damaged. */
  const at = { decision: 0, id: '' };

  const ledgerFile = () => join(home.places.state, 'ledger', 'ledger.db');
  const headFile = () => join(home.places.config, 'ledger-head.json');
  const installed = () => join(home.root, 'c');
  const verify = (
    args: readonly string[] = [],
    env: Readonly<Record<string, string>> = {},
  ): Promise<Finished> => home.cli(['verify', ...args], { env });
  const restore = (from: string) => {
    rmSync(installed(), { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
    cpSync(from, installed(), { recursive: true });
  };

  before(async () => {
    home = installation();
    const first = await writeLedger(home.places, home.home);
    const decided = await first.decide('npm test');
    at.decision = decided.receipt.seq;
    at.id = decided.receipt.id;
    await first.outcome(decided.receipt.id);
    await first.decide('rm -rf /');
    await first.close();
    earlier = join(home.root, 'earlier');
    cpSync(installed(), earlier, { recursive: true });
    const second = await writeLedger(home.places, home.home, Date.UTC(2026, 10, 20, 10));
    await second.decide('ls');
    await second.close();
    pristine = join(home.root, 'pristine');
    cpSync(installed(), pristine, { recursive: true });
  });
  after(() => home.dispose());

  test('says verified, counts, keys, notes and rate, and exits 0', async () => {
    restore(pristine);
    const { code, stdout, stderr } = await verify();
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /^verified: ledger /);
    assert.match(stdout, /head: `.*ledger-head\.json` knows \d+ receipts, and they are these/);
    assert.match(stdout, /note: .*key: the seal begins anew here/);
    assert.match(stdout, /note: .*outcome: this decision has no outcome/);
    assert.match(
      stdout,
      /\d+ receipts, \d+ context entries, \d+ signatures checked in [\d.]+ s, \d+ receipts\/s/,
    );
    const report = JSON.parse((await verify(['--json'])).stdout);
    assert.equal(report.verdict, 'verified');
    assert.equal(report.keys.length, 2);
    assert.equal(report.head.state, 'found');
  });

  const damages: readonly (readonly [
    name: string,
    damage: () => void,
    step: string,
    seq: () => number | null,
    message: RegExp,
  ])[] = [
    [
      'a word of a receipt is changed',
      () =>
        tamper(ledgerFile(), (db) =>
          db
            .prepare("update receipts set receipt = replace(receipt, 'npm test', 'npm tesd') where seq = ?")
            .run(at.decision),
        ),
      'hash',
      () => at.decision,
      /not what was hashed/,
    ],
    [
      'a listing column is changed',
      () =>
        tamper(ledgerFile(), (db) =>
          db.prepare("update receipts set decision = 'DENY' where seq = ?").run(at.decision),
        ),
      'column',
      () => at.decision,
      /column `decision`/,
    ],
    [
      'a signature is changed',
      () =>
        tamper(ledgerFile(), (db) =>
          db
            .prepare(
              'update receipts set signature = (select signature from receipts where seq = 0) where seq = ?',
            )
            .run(at.decision),
        ),
      'signature',
      () => at.decision,
      /not one of this receipt by its key/,
    ],
    [
      'a receipt in the middle is removed',
      () => tamper(ledgerFile(), (db) => db.prepare('delete from receipts where seq = ?').run(at.decision)),
      'sequence',
      () => at.decision + 1,
      /receipt \d+ is missing/,
    ],
    [
      'an entry of the context is changed',
      () =>
        tamper(ledgerFile(), (db) =>
          db.exec("update context set entry = replace(entry, 'npm test', 'npm tesd')"),
        ),
      'context',
      () => at.decision,
      /not what was hashed/,
    ],
    [
      'receipts at the end are removed',
      () =>
        tamper(ledgerFile(), (db) =>
          db.exec('delete from receipts where seq >= (select max(seq) - 2 from receipts)'),
        ),
      'head',
      () => null,
      /missing at the end: the ledger was truncated or rolled back/,
    ],
    [
      'an older copy of the file is put back',
      () => {
        rmSync(join(home.places.state, 'ledger'), { recursive: true });
        cpSync(join(earlier, 'state', 'ledger'), join(home.places.state, 'ledger'), { recursive: true });
      },
      'head',
      () => null,
      /truncated or rolled back/,
    ],
    [
      'the file is replaced by another',
      () => {
        for (const name of readdirSync(join(home.places.state, 'ledger')))
          rmSync(join(home.places.state, 'ledger', name));
        writeFileSync(
          ledgerFile(),
          'not a database at all, though it is long enough to be one\n'.repeat(100),
        );
      },
      'format',
      () => null,
      /not a database/,
    ],
  ];
  for (const [name, damage, step, seq, message] of damages)
    test(`says broken and where, and exits 1, when ${name}`, async () => {
      restore(pristine);
      damage();
      const { code, stdout } = await verify();
      assert.equal(code, 1, stdout);
      assert.match(stdout, /^BROKEN: ledger /);
      const report = JSON.parse((await verify(['--json'])).stdout);
      assert.equal(report.verdict, 'broken');
      const findings = report.findings as readonly Finding[];
      const found = findings.find(
        (f) => f.severity === 'fault' && f.step === step && message.test(f.message),
      );
      assert.ok(found, JSON.stringify(findings));
      assert.equal(found.seq, seq());
      if (found.receipt === at.id)
        assert.match(stdout, new RegExp(`receipt ${at.decision} ${at.id}, ${step}: `));
    });

  test('does not call whole what it cannot prove, when the head outside is gone', async () => {
    restore(pristine);
    rmSync(headFile());
    const { code, stdout } = await verify();
    assert.equal(code, 1);
    assert.match(stdout, /^NOT PROVEN: /);
    assert.match(stdout, /whether receipts were removed at the end cannot be known/);
    assert.equal(JSON.parse((await verify(['--json'])).stdout).verdict, 'not_proven');
  });

  test('does not call whole what it cannot prove, when the head outside is unreadable', async () => {
    restore(pristine);
    writeFileSync(headFile(), '{"checkpoint":{}}');
    const { code, stdout } = await verify();
    assert.equal(code, 1);
    assert.match(stdout, /is not a ledger's head/);
  });

  test('calls it broken when the ledger is gone and its head is not', async () => {
    restore(pristine);
    rmSync(join(home.places.state, 'ledger'), { recursive: true });
    const { code, stderr } = await verify();
    assert.equal(code, 1);
    assert.match(stderr, /broken: the ledger is gone; .* knows of \d+ receipts/);
  });

  test('checks a copy elsewhere without expecting its head, and says what then does not show', async () => {
    restore(pristine);
    const copy = join(home.root, 'copy');
    cpSync(join(home.places.state, 'ledger'), copy, { recursive: true });
    for (const given of [copy, join(copy, 'ledger.db')]) {
      const { code, stdout } = await verify([given]);
      assert.equal(code, 0, stdout);
      assert.match(stdout, /note: head: no head from outside was given/);
    }
  });

  test('asks for a key by its public half or its id', async () => {
    restore(pristine);
    const { keys } = JSON.parse((await verify(['--json'])).stdout) as {
      readonly keys: readonly { id: string; public_key: string }[];
    };
    assert.equal((await verify(['--key', keys[0]?.public_key ?? ''])).code, 0);
    assert.equal((await verify(['--key', keys[1]?.id ?? ''])).code, 0);
    const other = await verify(['--key', `${'B'.repeat(42)}A`]);
    assert.equal(other.code, 1);
    assert.match(other.stdout, /no receipt was sealed by the expected key/);
    const none = await verify(['--key', 'mine']);
    assert.equal(none.code, 2);
    assert.match(none.stderr, /`--key` takes a public key/);
  });

  test('lets checkpoints vouch for signatures when told to, and still finds every change', async () => {
    restore(pristine);
    const quick = await verify(['--quick', '--json']);
    assert.equal(quick.code, 0, quick.stdout);
    assert.ok(JSON.parse(quick.stdout).vouched > 0);
    tamper(ledgerFile(), (db) =>
      db
        .prepare("update receipts set receipt = replace(receipt, 'npm test', 'npm tesd') where seq = ?")
        .run(at.decision),
    );
    assert.equal((await verify(['--quick'])).code, 1);
  });

  test('tells wrong use and what is not there from what is broken', async () => {
    const option = await verify(['--jsno']);
    assert.equal(option.code, 2);
    assert.match(option.stderr, /did you mean `--json`\?/);
    const missing = await verify([join(home.root, 'nothing.jsonl')]);
    assert.equal(missing.code, 4);
    assert.match(missing.stderr, /there is no bundle at/);
    const empty = await verify([], { COUNTERSIGN_HOME: join(home.root, 'nowhere') });
    assert.equal(empty.code, 4);
  });

  suite('export', () => {
    const elsewhere = () => ({ COUNTERSIGN_HOME: join(home.root, 'stranger') });
    const bundle = () => join(home.root, 'evidence.jsonl');

    before(() => restore(pristine));

    const scopes: readonly (readonly [name: string, args: () => readonly string[]])[] = [
      ['all of it', () => []],
      ['a session', () => ['--session', sessionIn(home)]],
      ['a run of receipts', () => ['--from', String(at.decision), '--to', String(at.decision + 1)]],
      ['a time', () => ['--from', '2026-11-20T10:00:00Z']],
    ];
    for (const [name, args] of scopes)
      test(`makes a bundle of ${name} that verifies without this installation`, async () => {
        const made = await home.cli(['export', ...args(), '--out', bundle()]);
        assert.equal(made.code, 0, made.stderr);
        assert.match(made.stderr, /exported \d+ receipts/);
        assert.doesNotMatch(made.stderr, /are not in it/);
        assert.equal(statSync(bundle()).mode & 0o777, 0o600);
        const checked = await verify([bundle()], elsewhere());
        assert.equal(checked.code, 0, checked.stdout);
        assert.match(checked.stdout, /^verified: bundle /);
      });

    test('writes to standard output what it writes to a file', async () => {
      await home.cli(['export', '--out', bundle()]);
      const { stdout } = await home.cli(['export']);
      assert.equal(stdout, readFileSync(bundle(), 'utf8'));
    });

    const cuts: readonly (readonly [name: string, damage: (text: string) => string, message: RegExp])[] = [
      [
        'a word is changed',
        (text) => text.replaceAll('npm test', 'npm tesd'),
        /receipt \d+ rct_\S+, hash: .*not what was hashed/,
      ],
      [
        'a receipt is left out',
        (text) =>
          text
            .split('\n')
            .filter((line) => !line.includes(`"id":"${at.id}"`))
            .join('\n'),
        /is missing/,
      ],
      ['its end is cut off', (text) => text.split('\n').slice(0, -3).join('\n').concat('\n'), /cut short/],
      ['a line is no JSON', (text) => text.replace('\n', '\nnonsense\n'), /line 2/],
      ['it is empty', () => '', /there is no header/],
    ];
    for (const [name, damage, message] of cuts)
      test(`a bundle does not verify when ${name}`, async () => {
        await home.cli(['export', '--out', bundle()]);
        writeFileSync(bundle(), damage(readFileSync(bundle(), 'utf8')));
        const { code, stdout } = await verify([bundle()], elsewhere());
        assert.equal(code, 1, stdout);
        assert.match(stdout, /^BROKEN: bundle /);
        assert.match(stdout, message);
      });

    const refused: readonly (readonly [
      name: string,
      args: readonly string[],
      code: number,
      message: RegExp,
    ])[] = [
      ['a session and a time at once', ['--session', 'x', '--from', '1'], 2, /of a session or of a time/],
      ['a place that is not there', ['--from', '9999'], 2, /no receipt 9999/],
      [
        'an end before the beginning',
        ['--from', '2026-11-21', '--to', '2026-11-20'],
        2,
        /`--from` is after `--to`/,
      ],
      ['a mistyped option', ['--output', 'x'], 2, /did you mean `--out`\?/],
      [
        'a directory that is not there',
        ['--out', '/nonexistent/dir/e.jsonl'],
        1,
        /cannot be written \(ENOENT\); nothing was left there/,
      ],
      [
        'a time in which nothing was recorded',
        ['--from', '1999-01-01', '--to', '1999-01-02', '--out', 'nothing.jsonl'],
        2,
        /no receipt was recorded in that time/,
      ],
    ];
    for (const [name, args, code, message] of refused)
      test(`answers ${name}`, async () => {
        const done = await home.cli(['export', ...args]);
        assert.equal(done.code, code, done.stderr);
        assert.match(done.stderr, message);
      });

    test('leaves an earlier file as it was, and no part of a new one, when the ledger is damaged', async () => {
      writeFileSync(bundle(), 'earlier\n');
      const file = ledgerFile();
      tamper(file, (db) => db.prepare("update receipts set receipt = '{' where seq = ?").run(at.decision));
      const { code, stderr } = await home.cli(['export', '--out', bundle()]);
      assert.equal(code, 1);
      assert.match(stderr, /not exported: .*; `countersign verify` says where/);
      assert.equal(readFileSync(bundle(), 'utf8'), 'earlier\n');
      assert.deepEqual(
        readdirSync(home.root).filter((name) => name.includes('.part-')),
        [],
      );
    });

    test('has a running daemon sign for the receipts that no checkpoint covers yet', async () => {
      rmSync(installed(), { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
      const daemon = await home.startDaemon();
      const made = await home.cli(['export', '--out', bundle()]);
      assert.equal(made.code, 0, made.stderr);
      assert.doesNotMatch(made.stderr, /are not in it/);
      const checked = await verify([bundle()], elsewhere());
      assert.equal(checked.code, 0, checked.stdout);
      const running = await verify();
      assert.equal(running.code, 0, running.stdout);
      await daemon.kill();
    });
  });
});

function sessionIn(home: Installation): string {
  const db = new Database(join(home.places.state, 'ledger', 'ledger.db'), { readonly: true });
  try {
    return String(db.prepare('select session from receipts where session is not null limit 1').pluck().get());
  } finally {
    db.close();
  }
}
