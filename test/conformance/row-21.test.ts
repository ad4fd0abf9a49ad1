// Row 21 (R9): a read on PostgreSQL gets a credential, and a write with it is refused by the server. A person gives the password of a database;
// an agent in a guarded session works with it through psql, and never has it.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type DaemonProcess, type Installation, installation, waitFor } from '../support/installation.ts';
import { type Keyring, openKeyring } from '../support/keyring.ts';
import { type PostgresServer, startPostgres } from '../support/postgres.ts';

const PASSWORD = 'the-real-password-of-this-test';

describe('a database in a guarded session', () => {
  let server: PostgresServer;
  let place: Installation;
  let keyring: Keyring;
  let daemon: DaemonProcess;

  before(async () => {
    server = await startPostgres();
    server.psql(`create role admin login createrole password '${PASSWORD}'`);
    server.psql('create database shop owner admin');
    server.psql(
      `alter schema public owner to admin; set role admin; create table orders (id int, item text);
       insert into orders select g, 'thing ' || g from generate_series(1, 5) g`,
      { database: 'shop' },
    );
    place = installation();
    keyring = await openKeyring(place.root);
    daemon = await place.startDaemon({
      ...keyring.env,
      COUNTERSIGN_APPROVAL_MS: '1500',
      COUNTERSIGN_DEFERRAL_MS: '1500',
    });
    const person = place.person([
      ...['credential', 'add', 'shop', '--kind', 'postgres', '--host', `127.0.0.1:${server.port}`],
      ...['--database', 'shop', '--user', 'admin', '--env', 'DATABASE_URL'],
    ]);
    await person.until(/not shown/);
    person.type(`${PASSWORD}\r`);
    assert.equal(await person.exit, 0, person.screen());
  });
  after(async () => {
    await place?.dispose();
    await keyring?.close();
    await server?.stop();
  });

  const run = (script: string) => place.cli(['run', '--', 'bash', '-c', script]);
  const shop = (sql: string) => server.psql(sql, { database: 'shop' });

  test('psql reads and writes what is ordinary, and the agent has a placeholder', async () => {
    const done = await run(
      `echo "agent has $DATABASE_URL"; psql "$DATABASE_URL" -X -A -t -q -c 'select count(*) from orders' -c "insert into orders values (6, 'thing 6')"`,
    );
    assert.match(done.stdout, /^5$/m, `${done.stdout}${done.stderr}${daemon.log()}`);
    assert.equal(shop('select count(*) from orders'), '6');
    assert.ok(!`${done.stdout}${done.stderr}`.includes(PASSWORD));
    assert.equal(shop("select count(*) from pg_roles where rolname like 'csn\\_%'"), '0');
  });

  test('row 21: a read gets a credential of its own, and the server refuses every write with it', async () => {
    // Long enough to look at the role while it is there.
    const tables = Array.from('abcdefghij', (name) => `orders ${name}`).join(', ');
    const reading = run(`psql "$DATABASE_URL" -X -A -t -q -c 'select count(*) from ${tables}'`);
    const minted = () => shop("select rolname from pg_roles where rolname like 'csn\\_%'");
    await waitFor(() => minted() !== '');
    const role = minted();
    assert.match(
      shop(`select rolvaliduntil - now() < interval '10 minutes' from pg_roles where rolname = '${role}'`),
      /^t/,
    );
    const as = (sql: string) => shop(`set session authorization ${role}; ${sql}`);
    assert.match(as('select count(*) from orders'), /6/);
    for (const sql of [
      "insert into orders values (7, 'more')",
      "update orders set item = ''",
      'delete from orders',
      'truncate orders',
      'drop table orders',
      'create table mine (id int)',
    ])
      assert.throws(() => as(sql), /permission denied|must be owner|read-only/, sql);
    const done = await reading;
    assert.match(done.stdout, /^60466176$/m, done.stderr);
    assert.equal(shop('select count(*) from orders'), '6');
    await waitFor(() => minted() === '');
  });

  test('a statement without a condition is asked about, nobody answers, and no row is gone', async () => {
    const done = await run(`printf '%s' 'delete from orders' > d.sql; psql "$DATABASE_URL" -X -f d.sql`);
    assert.match(done.stderr, /ERROR/, `${done.stdout}${done.stderr}${daemon.log()}`);
    assert.equal(shop('select count(*) from orders'), '6');
  });

  test('a statement that runs a program is denied by its rule', async () => {
    const done = await run(
      `printf '%s' "copy orders to program 'cat > /tmp/never'" > s.sql; psql "$DATABASE_URL" -X -f s.sql`,
    );
    assert.match(done.stderr, /databases\.takeover/, `${done.stdout}${done.stderr}${daemon.log()}`);
  });

  test('each use is a receipt, with the rights in words and no literal', async () => {
    const listed = (await place.cli(['receipts', 'list', '--json', '--limit', '500'])).stdout;
    assert.ok(!listed.includes(PASSWORD));
    const receipts = JSON.parse(listed) as readonly {
      readonly id: string;
      readonly tool: string | null;
      readonly text: string;
    }[];
    const shown: string[] = [];
    for (const { id, text } of receipts.filter((one) => one.text.startsWith('minted')))
      shown.push(text, (await place.cli(['receipts', 'show', id])).stdout);
    assert.match(shown.join('\n'), /SELECT on public\.orders in shop/);
    assert.match(shown.join('\n'), /INSERT on public\.orders in shop/);
    const statements = receipts.filter((one) => one.tool === 'database').map((one) => one.text);
    assert.ok(
      statements.some((text) => text.includes('delete from orders')),
      statements.join('\n'),
    );
    assert.ok(
      statements.some((text) => text.includes('copy orders to program ?')),
      statements.join('\n'),
    );
  });
});
