import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import Database from 'better-sqlite3';
import { checkLedger } from '../../electron/edge/ledger-check.ts';
import { openLedgerReader } from '../../electron/edge/ledger-reader.ts';
import { append, decision, newPlace, open, type Place } from '../fixtures/ledger.ts';

/** Commits that fail, and of which the disk took nothing or all: the caller is refused either way, and the ledger says which it was. */

type Failure = 'nothing persisted' | 'persisted anyway';

const prepare = Database.prototype.prepare;
afterEach(() => {
  Database.prototype.prepare = prepare;
});

/** Makes the next commit of connections opened from now on fail as a failing disk does. */
function failNextCommit(): { arm(failure: Failure): void } {
  let armed: Failure | null = null;
  Database.prototype.prepare = function (this: Database.Database, source: string) {
    const statement = prepare.call(this, source);
    if (source !== 'commit') return statement as never;
    const run = statement.run.bind(statement) as () => void;
    statement.run = () => {
      const failure = armed;
      armed = null;
      if (failure !== 'nothing persisted') run();
      if (failure !== null) throw new Database.SqliteError('disk I/O error', 'SQLITE_IOERR_FSYNC');
      return { changes: 0, lastInsertRowid: 0 };
    };
    return statement as never;
  };
  return {
    arm: (failure) => {
      armed = failure;
    },
  };
}

async function lifecycle(place: Place) {
  const reader = openLedgerReader(place.dir);
  if (!reader.ok) throw new Error(reader.error.message);
  const [receipt] = reader.value.list({ kind: 'lifecycle' }, { limit: 1 });
  reader.value.close();
  return receipt?.receipt.body ?? {};
}

for (const failure of ['nothing persisted', 'persisted anyway'] as const)
  test(`refuses the callers of a commit that failed with ${failure}, and goes on from what the disk has`, async () => {
    using place = newPlace();
    const disk = failNextCommit();
    const ledger = await open(place, { limits: { retryMs: 1 } });
    const before = await append(ledger, decision(1));
    disk.arm(failure);
    const refused = await Promise.all([ledger.append(decision(2)), ledger.append(decision(3))]);
    assert.deepEqual(
      refused.map((result) => (result.ok ? 'ok' : result.error.code)),
      ['io', 'io'],
    );
    assert.equal(ledger.status().state, 'broken');
    await new Promise((resolve) => setTimeout(resolve, 5));
    const after = await append(ledger, decision(4));
    const lost = failure === 'nothing persisted' ? 0 : 2;
    // The receipt that says so stands between.
    assert.equal(after.receipt.seq, before.receipt.seq + lost + 2);
    const said = await lifecycle(place);
    assert.equal(said.event, 'ledger_recovered');
    assert.equal(said.refused, 2);
    assert.deepEqual(said.unacknowledged, lost === 0 ? null : { from: 2, to: 3 });
    await ledger.close();
    const report = await checkLedger({ kind: 'database', path: place.db });
    assert.ok(report.ok);
    assert.equal(report.value.verdict, 'verified', JSON.stringify(report.value.findings));
  });

test('takes up the new key at the next start when a rotation’s commit failed and persisted anyway', async () => {
  using place = newPlace();
  const disk = failNextCommit();
  const ledger = await open(place, { limits: { retryMs: 1 } });
  await append(ledger, decision(1));
  disk.arm('persisted anyway');
  assert.equal((await ledger.rotateKey()).ok, false);
  await new Promise((resolve) => setTimeout(resolve, 5));
  const refused = await ledger.append(decision(2));
  assert.equal(refused.ok ? null : refused.error.code, 'key_unavailable');
  await ledger.close();
  const again = await open(place);
  await append(again, decision(3));
  await again.close();
  const report = await checkLedger({ kind: 'database', path: place.db });
  assert.ok(report.ok);
  assert.equal(report.value.verdict, 'verified', JSON.stringify(report.value.findings));
});
