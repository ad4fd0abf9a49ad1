import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import pg from 'pg';
import { openPostgres } from '../../../electron/edge/postgres-client.ts';
import { frame, int16, readFields } from '../../../electron/edge/postgres-frame.ts';
import { logIn } from '../../../electron/edge/postgres-login.ts';
import { frameSource } from '../../../electron/edge/postgres-source.ts';
import { type PostgresServer, startPostgres } from '../../support/postgres.ts';
import { type DoorOptions, openDoor, type PostgresDoor } from '../../support/postgres-door.ts';

/**
 * PostgreSQL through the proxy against a real server, with the real minter (AARM R9.a–c). Matrix row 21: a read credential cannot write, and it is
 * the server that refuses.
 */

let server: PostgresServer;
let door: PostgresDoor;
const NO = 'this table is not for you\nask for another one';

before(async () => {
  server = await startPostgres();
  server.psql(`create role app_owner nologin; create role reader nologin;
    create role admin login createrole password 'admin-password'; grant app_owner to admin;`);
  server.psql('create database shop');
  server.psql(
    `alter schema public owner to app_owner; create schema other authorization app_owner; set role app_owner;
     create table orders (id serial primary key, item text, n int); insert into orders (item, n) select 'thing ' || g, g from generate_series(1, 20) g;
     create table audit (line text); create table forbidden (v text); insert into forbidden values ('hidden');
     create table "Odd ""name; drop table audit; --" (v int); insert into "Odd ""name; drop table audit; --" values (7);
     create table other.orders (v text); insert into other.orders values ('other');
     create table rows_of (who text, v int); insert into rows_of values ('me', 1), ('you', 2); alter table rows_of enable row level security;
     create policy mine on rows_of using (who = 'me');
     create function leak() returns text language sql security definer as 'select v from forbidden';
     create function length(integer) returns int language sql security definer as 'delete from audit; select 1';
     grant select on orders to reader;
     reset role; create table not_ours (v int);`,
    { database: 'shop' },
  );
  door = await open({});
});

after(async () => {
  await door?.stop();
  await server?.stop();
});

function open(more: Partial<DoorOptions>): Promise<PostgresDoor> {
  return openDoor({
    server,
    dsn: `postgres://admin:admin-password@127.0.0.1:${server.port}/shop`,
    settings: { owner_role: 'app_owner' },
    decide: (action) => (/forbidden/.test(JSON.stringify(action.effects)) ? NO : null),
    ...more,
  });
}

async function withDoor(
  more: Partial<DoorOptions>,
  work: (one: PostgresDoor) => Promise<void>,
): Promise<void> {
  const one = await open(more);
  try {
    await work(one);
  } finally {
    await one.stop();
  }
}

/** psql through the door: what it printed and what it complained about. */
function psql(
  statements: readonly string[],
  options: {
    readonly door?: PostgresDoor;
    readonly password?: string;
    readonly input?: string;
    readonly args?: readonly string[];
  } = {},
): Promise<{ readonly out: string; readonly err: string; readonly code: number }> {
  const through = options.door ?? door;
  const args = [
    '-X',
    '-A',
    '-t',
    '-q',
    '-h',
    '127.0.0.1',
    '-p',
    String(through.port),
    '-U',
    'me',
    '-d',
    'shop',
    ...(options.args ?? []),
  ];
  return new Promise((resolve) => {
    const child = execFile(
      'psql',
      [...args, ...statements.flatMap((one) => ['-c', one])],
      {
        env: { ...process.env, PGPASSWORD: options.password ?? through.placeholder, PGCONNECT_TIMEOUT: '10' },
        timeout: 20_000,
        maxBuffer: 64 * 1024 * 1024,
      },
      (error, out, err) =>
        resolve({ out: out.trimEnd(), err, code: error === null ? 0 : Number(error.code ?? -1) }),
    );
    child.stdin?.end(options.input ?? '');
  });
}

async function client(through: PostgresDoor = door): Promise<pg.Client> {
  const made = new pg.Client({
    host: '127.0.0.1',
    port: through.port,
    user: 'me',
    database: 'shop',
    password: through.placeholder,
  });
  made.on('error', () => undefined);
  await made.connect();
  return made;
}

const shop = (sql: string): string => server.psql(sql, { database: 'shop' });
const roles = (): string => shop("select count(*) from pg_roles where rolname like 'csn\\_%'");
const roleNames = (): readonly string[] =>
  shop("select rolname from pg_roles where rolname like 'csn\\_%'")
    .split('\n')
    .filter((name) => name !== '');
/** True when there is none that was not there before: one whose client left while it was made lives for its seconds. */
const noneBeside = (before: readonly string[]): boolean => roleNames().every((name) => before.includes(name));

async function until(what: () => boolean): Promise<void> {
  const limit = Date.now() + 5000;
  while (!what()) {
    if (Date.now() > limit) throw new Error('it did not come to that in 5 s');
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

describe('row 21: a read credential cannot write', () => {
  test('the server refuses INSERT, UPDATE, DELETE, TRUNCATE and DROP to the role that was minted for a read', async () => {
    const tried: string[] = [];
    await withDoor(
      {
        afterMint(user, password, action) {
          if (action.operation !== 'select') return;
          assert.equal(
            server.psql('select count(*) from orders', { user, password, database: 'shop' }),
            '20',
          );
          for (const sql of [
            "insert into orders (item) values ('x')",
            'update orders set n = 0',
            'delete from orders',
            'truncate orders',
            'drop table orders',
            'select * from audit',
            'select * from orders for update',
            'create table mine (v int)',
            'set default_transaction_read_only = off; delete from orders',
            'begin read write; delete from orders; commit',
            'set role app_owner',
            'alter role current_user superuser',
            'create role more superuser',
            "copy (select 1) to program 'true'",
            "select pg_read_file('/etc/passwd')",
            'select passwd from pg_shadow',
          ])
            assert.throws(
              () => server.psql(sql, { user, password, database: 'shop' }),
              (error: Error) => {
                tried.push(sql);
                return /permission denied|must be (?:owner|superuser|member)|read-only transaction|Only roles/.test(
                  String(error),
                );
              },
              sql,
            );
        },
      },
      async (one) => {
        assert.equal((await psql(['select count(*) from orders'], { door: one })).out, '20');
        assert.equal(tried.length, 16);
      },
    );
    assert.equal(shop('select count(*), sum(n) from orders'), '20|210');
  });

  test('an insert role may insert into its table and neither read nor change anything else', async () => {
    let seen = 0;
    await withDoor(
      {
        afterMint(user, password, action) {
          if (action.operation !== 'insert') return;
          for (const sql of [
            'select * from audit',
            'delete from audit',
            "update audit set line = ''",
            "insert into orders (item) values ('x')",
          ])
            assert.throws(
              () => server.psql(sql, { user, password, database: 'shop' }),
              /permission denied/,
              sql,
            );
          seen += 1;
        },
      },
      async (one) => {
        assert.equal((await psql(["insert into audit values ('a line')"], { door: one })).err, '');
      },
    );
    assert.equal(seen, 1);
    assert.equal(shop('select line from audit'), 'a line');
    shop('delete from audit');
  });

  test('the role is gone after its use, and its password leads nowhere', async () => {
    const from = door.minted.length;
    assert.equal((await psql(['select 1'])).out, '1');
    await until(() => roles() === '0');
    for (const { user, secret } of door.minted.slice(from))
      assert.throws(
        () => server.psql('select 1', { user, password: secret, database: 'shop' }),
        /authentication failed|does not exist/,
      );
  });

  test('a log-in after VALID UNTIL fails, and a second one beside the first too', async () => {
    await withDoor({ ttlSeconds: 2 }, async (one) => {
      const waits = await client(one);
      await waits.query('begin');
      const { user, secret } = one.minted.at(-1) ?? { user: '', secret: '' };
      assert.throws(
        () => server.psql('select 1', { user, password: secret, database: 'shop' }),
        /too many connections/,
      );
      await new Promise((resolve) => setTimeout(resolve, 2300));
      assert.equal(shop(`select rolvaliduntil < now() from pg_roles where rolname = '${user}'`), 't');
      // The place is free again, the time is over.
      const pid = shop(`select pid from pg_stat_activity where usename = '${user}'`);
      shop(`select pg_terminate_backend(${pid})`);
      assert.throws(
        () => server.psql('select 1', { user, password: secret, database: 'shop' }),
        /authentication failed|does not exist/,
      );
      await waits.end();
    });
  });

  test('the password stands in no log of the server', () => {
    for (const { secret } of door.minted) assert.equal(server.log().includes(secret), false);
    assert.equal(server.log().includes(door.placeholder), false);
  });

  test('a credential for reading mints nothing that writes', async () => {
    await withDoor({ settings: { read_only: true } }, async (one) => {
      const tried = await psql(["insert into audit values ('x')", 'select n from orders where id = 3'], {
        door: one,
      });
      assert.match(tried.err, /this credential is for reading/);
      assert.equal(tried.out, '3');
    });
    assert.equal(shop('select count(*) from audit'), '0');
  });

  test('a template role bounds what is granted', async () => {
    await withDoor({ settings: { template_role: 'reader' } }, async (one) => {
      assert.equal((await psql(['select count(*) from orders'], { door: one })).out, '20');
      const beyond = await psql(['select * from audit', 'delete from orders where id = 1'], { door: one });
      assert.match(beyond.err, /template role may not SELECT public\.audit/);
      assert.match(beyond.err, /template role may not DELETE public\.orders/);
    });
  });

  test('row level policies stay in force', async () => {
    assert.equal((await psql(['select who, v from rows_of'])).out, 'me|1');
  });
});

describe('who may come in', () => {
  test('a password that is no placeholder of the session is refused, and nothing is asked', async () => {
    const asked = door.questions.length;
    const tried = await psql(['select 1'], { password: 'admin-password' });
    assert.match(tried.err, /not a placeholder of this session/);
    assert.equal(door.questions.length, asked);
  });

  test('a session that is denied at its door gets no connection', async () => {
    await withDoor({ decide: () => 'no databases today' }, async (one) => {
      assert.match((await psql(['select 1'], { door: one })).err, /FATAL: {2}no databases today/);
      assert.equal(one.minted.length, 0);
    });
  });

  for (const [name, env] of [
    ['replication', { PGOPTIONS: '', PGREPLICATION: 'x' }],
    ['role', { PGOPTIONS: '-c role=app_owner' }],
    ['encoding', { PGCLIENTENCODING: 'SJIS' }],
  ] as const)
    test(`the setting \`${name}\` is not handed on at the start`, async () => {
      const args =
        name === 'replication'
          ? [`host=127.0.0.1 port=${door.port} user=me dbname=shop replication=database`]
          : ['-h', '127.0.0.1', '-p', String(door.port), '-U', 'me', '-d', 'shop'];
      const tried = await new Promise<string>((resolve) => {
        execFile(
          'psql',
          ['-X', ...args, '-c', 'select 1'],
          { env: { ...process.env, ...env, PGPASSWORD: door.placeholder } },
          (_error, _out, err) => resolve(err),
        );
      });
      assert.match(tried, /through the firewall/);
    });
});

describe('ordinary work through psql', () => {
  test('\\dt and \\d show the catalog, and ask for no table', async () => {
    const from = door.minted.length;
    assert.match((await psql(['\\dt'])).out, /public\|orders\|table\|app_owner/);
    assert.match((await psql(['\\d orders'])).out, /item\|text/);
    assert.ok(door.minted.slice(from).every((one) => one.scope === 'CONNECT only in shop'));
  });

  test('what is denied says why with SQLSTATE 42501 and a hint, and the session goes on', async () => {
    const tried = await psql(['select * from forbidden', 'select 2'], { args: ['-v', 'VERBOSITY=verbose'] });
    assert.match(tried.err, /42501: this table is not for you/);
    assert.match(tried.err, /HINT: {2}ask for another one \(rule test\.deny\)/);
    assert.equal(tried.out, '2');
  });

  test('a text of several statements is one action with the rights of all of them', async () => {
    const from = door.questions.length;
    const tried = await psql([
      "insert into audit values ('one'); update audit set line = 'two'; select line from audit; delete from audit",
    ]);
    assert.equal(tried.out, 'two');
    assert.deepEqual(
      door.questions[from + 1]?.statements.map((one) => one.verb),
      ['insert', 'update', 'select', 'delete'],
    );
    assert.equal(shop('select count(*) from audit'), '0');
  });

  test('one denied statement in a text keeps all of it from running', async () => {
    const tried = await psql(["insert into audit values ('one'); select * from forbidden"]);
    assert.match(tried.err, /not for you/);
    assert.equal(shop('select count(*) from audit'), '0');
  });

  test('what does not parse is refused before anybody is asked', async () => {
    const from = door.questions.length;
    const tried = await psql(['selec 1']);
    assert.match(tried.err, /syntax error/);
    assert.equal(door.questions.length, from + 1);
  });

  test('errors of the server come as they are', async () => {
    const tried = await psql(['select * from nowhere', 'select 1/0', 'insert into orders (id) values (1)'], {
      args: ['-v', 'VERBOSITY=verbose'],
    });
    assert.match(tried.err, /42P01/);
    assert.match(tried.err, /22012/);
    assert.match(tried.err, /23505/);
  });

  test('a table made and dropped outlives and ends as it should', async () => {
    const made = await psql([
      'create table made (v int)',
      'insert into made values (4)',
      'select v from made',
    ]);
    assert.equal(made.out, '4', made.err);
    await until(() => shop("select tableowner from pg_tables where tablename = 'made'") === 'app_owner');
    assert.equal((await psql(['drop table made'])).err, '');
    assert.equal(shop("select to_regclass('made') is null"), 't');
  });

  test('a definition is refused where the credential has no role that owns what is made', async () => {
    await withDoor({ settings: {} }, async (one) => {
      assert.match((await psql(['create table made (v int)'], { door: one })).err, /has no `owner_role`/);
    });
  });

  test('COPY in and out stream, and the rows are asked about before they leave', async () => {
    const rows = Array.from({ length: 5000 }, (_, at) => `row ${at}`).join('\n');
    const from = door.questions.length;
    const put = await psql(['\\copy audit from pstdin'], { input: `${rows}\n` });
    assert.equal(put.err, '');
    assert.equal(shop('select count(*) from audit'), '5000');
    assert.equal(door.questions.length, from + 3);
    assert.ok((door.questions[from + 2]?.payload.bytes ?? 0) > 40_000);
    const got = await psql(['copy audit to stdout']);
    assert.equal(got.out.split('\n').length, 5000);
    shop('delete from audit');
  });

  test('rows that are denied do not arrive', async () => {
    await withDoor(
      {
        decide: (_action, question) =>
          question.payload.bytes > 20 && question.values !== null ? 'these rows stay here' : null,
      },
      async (one) => {
        const tried = await psql(['\\copy audit from pstdin'], {
          door: one,
          input: `${'a secret row\n'.repeat(20)}`,
        });
        assert.match(tried.err, /these rows stay here/);
      },
    );
    assert.equal(shop('select count(*) from audit'), '0');
  });

  test('pg_dump reads a table, definition and rows', async () => {
    const dump = await new Promise<string>((resolve) => {
      execFile(
        'pg_dump',
        ['-h', '127.0.0.1', '-p', String(door.port), '-U', 'me', '-t', 'orders', 'shop'],
        { env: { ...process.env, PGPASSWORD: door.placeholder } },
        (_error, out, err) => resolve(out + err),
      );
    });
    assert.match(dump, /CREATE TABLE public\.orders/);
    assert.match(dump, /\n20\tthing 20\t20\n/);
  });
});

describe('transactions and sessions with state', () => {
  test('a transaction keeps one connection whose rights are those of the running statement', async () => {
    const one = await client();
    const from = door.minted.length;
    try {
      await one.query('begin');
      await one.query('select n from orders where id = 1');
      const { user } = door.minted.at(-1) ?? { user: '' };
      const can = () =>
        shop(
          `select has_table_privilege('${user}', 'orders', 'SELECT'), has_table_privilege('${user}', 'audit', 'INSERT')`,
        );
      assert.equal(can(), 't|f');
      await one.query("insert into audit values ('in it')");
      assert.equal(can(), 'f|t');
      assert.equal(new Set(door.minted.slice(from).map((minted) => minted.user)).size, 1);
      await one.query('rollback');
      assert.equal(shop('select count(*) from audit'), '0');
    } finally {
      await one.end();
    }
    await until(() => roles() === '0');
  });

  test('a denied statement fails the transaction, and savepoints work as everywhere', async () => {
    const one = await client();
    try {
      await one.query('begin');
      await one.query("insert into audit values ('kept')");
      await one.query('savepoint here');
      await assert.rejects(one.query('select * from forbidden'), { code: '42501' });
      await assert.rejects(one.query('select 1'), { code: '25P02' });
      await one.query('rollback to savepoint here');
      await one.query('commit');
      assert.equal(shop('select line from audit'), 'kept');
      await one.query('begin');
      await one.query("insert into audit values ('lost')");
      await assert.rejects(one.query('select * from forbidden'), { code: '42501' });
      assert.equal((await one.query('commit')).command, 'ROLLBACK');
      assert.equal(shop('select line from audit'), 'kept');
    } finally {
      await one.end();
      shop('delete from audit');
    }
  });

  test('TRUNCATE and LOCK find the rights that were granted while the transaction was open', async () => {
    const tried = await psql([
      'begin',
      'select 1',
      'lock table orders in access share mode',
      'truncate audit',
      'rollback',
      'select 3',
    ]);
    assert.equal(tried.err, '');
    assert.equal(tried.out, '1\n3');
  });

  test('a migration changes a table and then its rows in one transaction', async () => {
    const tried = await psql([
      'begin',
      'alter table audit add column kind text',
      "insert into audit (line, kind) values ('a', 'b')",
      "update audit set kind = 'c'",
      'select kind from audit',
      'rollback',
    ]);
    assert.equal(tried.err, '');
    assert.equal(tried.out, 'c');
    assert.equal(
      shop("select count(*) from pg_attribute where attrelid = 'audit'::regclass and attname = 'kind'"),
      '0',
    );
  });

  test('what owns tables for a definition is taken back when its transaction ends', async () => {
    const one = await client();
    try {
      await one.query("set timezone = 'UTC'");
      await one.query('begin');
      await one.query('alter table audit add column kind text');
      const { user } = door.minted.at(-1) ?? { user: '' };
      const member = () => shop(`select pg_has_role('${user}', 'app_owner', 'MEMBER')`);
      assert.equal(member(), 't');
      await one.query('rollback');
      await one.query('select 1');
      assert.equal(member(), 'f');
    } finally {
      await one.end();
    }
  });

  test('settings, temporary tables, prepared statements and cursors live on in their session', async () => {
    const one = await client();
    try {
      await one.query("set timezone = 'Asia/Tokyo'");
      assert.equal((await one.query('show timezone')).rows[0]?.TimeZone, 'Asia/Tokyo');
      await one.query('create temporary table mine (v int)');
      await one.query('insert into mine values (1), (2)');
      assert.equal((await one.query('select sum(v)::int as s from mine')).rows[0]?.s, 3);
      await one.query('prepare many as select item from orders where id = $1');
      assert.equal((await one.query('execute many(2)')).rows[0]?.item, 'thing 2');
      await one.query('begin');
      await one.query('declare c cursor for select n from orders order by id');
      assert.deepEqual((await one.query('fetch 2 from c')).rows, [{ n: 1 }, { n: 2 }]);
      await one.query('commit');
    } finally {
      await one.end();
    }
  });

  test('EXECUTE is judged by what was prepared under its name', async () => {
    const one = await client();
    try {
      await one.query('prepare del as delete from orders where id = $1').catch(() => undefined);
      const from = door.actions.length;
      await one.query('execute del(99)');
      assert.ok(
        door.actions[from]?.effects.some(
          (effect) => effect.kind === 'delete' && effect.object.value.endsWith('.orders'),
        ),
      );
    } finally {
      await one.end();
    }
  });
});

describe('the extended protocol', () => {
  test('parameters go by themselves, bound to the action, and stand in no text', async () => {
    const one = await client();
    try {
      const from = door.actions.length;
      const got = await one.query('select item from orders where id = $1', [7]);
      assert.deepEqual(got.rows, [{ item: 'thing 7' }]);
      await one.query('select item from orders where id = $1', [8]);
      const [first, second] = door.actions.slice(from);
      assert.notEqual(first?.digest, second?.digest);
      assert.equal(first?.parameters['text'], 'select item from orders where id = $1');
    } finally {
      await one.end();
    }
  });

  test('a named statement is prepared once by the client and lives over connections', async () => {
    const one = await client();
    try {
      for (let id = 1; id <= 3; id += 1)
        assert.deepEqual(
          (await one.query({ name: 'by-id', text: 'select item from orders where id = $1', values: [id] }))
            .rows,
          [{ item: `thing ${id}` }],
        );
      await assert.rejects(
        one.query({ name: 'bad', text: 'select v from forbidden where v = $1', values: ['x'] }),
        { code: '42501' },
      );
      assert.equal((await one.query('select 5 as five')).rows[0]?.five, 5);
    } finally {
      await one.end();
    }
  });

  test('a denial in a transaction leaves it failed', async () => {
    const one = await client();
    try {
      await one.query('begin');
      await assert.rejects(one.query('select v from forbidden where v = $1', ['x']), { code: '42501' });
      await assert.rejects(one.query('select $1::int', [1]), { code: '25P02' });
      await one.query('rollback');
      assert.equal((await one.query('select $1::int as v', [1])).rows[0]?.v, 1);
    } finally {
      await one.end();
    }
  });
});

describe('messages that no client library here sends', () => {
  /** A log-in by the protocol itself, and what the server's side says until a message of one of these types. */
  async function raw(): Promise<{
    send(...frames: Buffer[]): void;
    until(type: string): Promise<string>;
    end(): void;
  }> {
    const socket = connect(door.port, '127.0.0.1');
    const login = await logIn(socket, {
      user: 'me',
      password: door.placeholder,
      database: 'shop',
      parameters: {},
      sealed: false,
    });
    assert.ok(login.ok);
    const source = frameSource(socket, login.value.reader);
    return {
      send: (...frames) => void socket.write(Buffer.concat(frames)),
      async until(type) {
        let seen = '';
        for (let message = await source.next(); message !== null; message = await source.next()) {
          seen += message.type;
          if (message.type === 'E') seen += `(${readFields(message.body)['C'] ?? ''})`;
          if (message.type === 'Z') seen += String.fromCharCode(message.body[0] ?? 0);
          if (message.type === type) return seen;
        }
        return `${seen} closed`;
      },
      end: () => socket.destroy(),
    };
  }
  const parse = (name: string, sql: string) => frame('P', name, sql, int16(0));
  const bind = (name: string) => frame('B', '', name, int16(0), int16(0), int16(0));
  const execute = frame('E', '', 0);
  const flush = frame('H');
  const sync = frame('S');

  test('a Flush brings what is there, and what follows it runs on the same connection', async () => {
    const one = await raw();
    const from = door.minted.length;
    one.send(
      parse('', 'select item from orders where id < 3 order by id'),
      frame('D', Buffer.from('S'), ''),
      flush,
    );
    assert.equal(await one.until('T'), '1tT');
    one.send(bind(''), execute, flush);
    assert.equal(await one.until('C'), '2DDC');
    one.send(sync);
    assert.equal(await one.until('Z'), 'ZI');
    assert.equal(new Set(door.minted.slice(from).map((minted) => minted.user)).size, 1);
    one.send(frame('Q', 'select 1'));
    assert.equal(await one.until('Z'), 'TDCZI');
    one.end();
  });

  test('after a denial before a Sync everything is skipped up to it', async () => {
    const one = await raw();
    one.send(parse('', 'select * from forbidden'), flush, bind(''), execute, sync);
    assert.equal(await one.until('Z'), 'E(42501)ZI');
    one.send(parse('a', 'select 1'), flush);
    assert.equal(await one.until('1'), '1');
    one.send(parse('', 'select * from forbidden'), bind(''), execute, sync);
    assert.equal(await one.until('Z'), 'E(42501)ZI');
    one.send(bind('a'), execute, sync);
    assert.equal(await one.until('Z'), '2DCZI');
    one.end();
  });

  test('several statements pipelined before one Sync are one action', async () => {
    const one = await raw();
    const from = door.questions.length;
    one.send(
      parse('', "insert into audit values ('p')"),
      bind(''),
      execute,
      parse('', 'delete from audit'),
      bind(''),
      execute,
      sync,
    );
    assert.equal(await one.until('Z'), '12C12CZI');
    assert.deepEqual(
      door.questions.slice(from).map((asked) => asked.statements.map((view) => view.verb)),
      [['insert', 'delete']],
    );
    one.end();
  });

  test('function calls by number, unknown messages and broken ones are refused, and nothing runs', async () => {
    const one = await raw();
    one.send(frame('F', 1598, int16(0), int16(0), int16(0)));
    assert.equal(await one.until('Z'), 'E(0A000)ZI');
    one.send(bind('nowhere'), execute, sync);
    assert.equal(await one.until('Z'), 'E(26000)ZI');
    one.send(frame('Q', 'select 1', 'drop table orders'));
    assert.equal(await one.until('Z'), 'E(08P01)ZI');
    const two = await raw();
    two.send(frame('B', Buffer.from('no end')), sync);
    assert.match(await two.until('Z'), /E\(08P01\)/);
    const three = await raw();
    three.send(frame('!'));
    assert.match(await three.until('Z'), /E\(08P01\)/);
    const four = await raw();
    four.send(Buffer.from([0x51, 0xff, 0xff, 0xff, 0xff, 1, 2, 3]));
    assert.match(await four.until('Z'), /closed/);
    for (const each of [one, two, three, four]) each.end();
    assert.equal(shop('select count(*) from orders'), '20');
  });
});

describe('attempts on the minter', () => {
  test('a table with quotes and a statement in its name is only a table', async () => {
    assert.equal((await psql(['select v from "Odd ""name; drop table audit; --"'])).out, '7');
    assert.equal(shop("select to_regclass('audit') is not null"), 't');
  });

  test('a search path leads the grant where it leads the statement', async () => {
    const from = door.minted.length;
    const tried = await psql(['set search_path = other', 'select v from orders']);
    assert.equal(tried.out, 'other', tried.err);
    assert.match(
      door.minted
        .slice(from)
        .map((one) => one.scope)
        .join(),
      /SELECT on other\.orders/,
    );
  });

  test('a search path that the firewall did not see leads to a refusal of the server', async () => {
    const tried = await psql([
      "do $$ begin perform set_config('search_path', 'other', false); end $$",
      'select * from orders',
    ]);
    assert.match(tried.err, /permission denied|does not exist/);
    assert.equal(tried.out, '');
  });

  test('a temporary table in the place of another is the temporary one', async () => {
    const tried = await psql([
      'create temporary table orders (v text)',
      "insert into orders values ('mine')",
      'select v from pg_temp.orders',
    ]);
    assert.equal(tried.out, 'mine', tried.err);
    assert.equal(shop('select count(*) from orders'), '20');
  });

  test('a harmless name that hides a function with its owner\u2019s rights is refused', async () => {
    shop("insert into audit values ('still here')");
    assert.match((await psql(['select length(5)'])).err, /runs with its owner's rights/);
    assert.equal((await psql(["select pg_catalog.length('five')"])).out, '4');
    assert.equal(shop('select count(*) from audit'), '1');
    shop('delete from audit');
  });

  test('a function of the database is said to be unknown, whatever its name', async () => {
    const from = door.questions.length;
    await psql(['select leak()']);
    assert.ok(door.questions[from + 1]?.statements[0]?.tags.includes('unknown-function'));
  });

  test('a table that the credential itself may not hand on is refused in words', async () => {
    assert.match((await psql(['select * from not_ours'])).err, /WITH GRANT OPTION/);
  });

  test('another role is not taken on, and settings that change how a text is read end the session', async () => {
    assert.match((await psql(['set role app_owner'])).err, /another role cannot be taken on/);
    assert.match(
      (await psql(["select set_config('role', 'app_owner', false)"])).err,
      /another role cannot be taken on/,
    );
    const tried = await psql(['set standard_conforming_strings = off', "select 'after'"]);
    assert.doesNotMatch(tried.out, /after/);
  });

  test('another database than the credential\u2019s is refused', async () => {
    const tried = await psql([], { args: ['-d', 'postgres', '-c', 'select 1'] });
    assert.match(tried.err, /not for the database `postgres`/);
  });
});

describe('ends, early and late', () => {
  test('a cancel request stops what runs upstream', async () => {
    const one = await client();
    try {
      const running = one.query('select pg_sleep(20)');
      const failed = assert.rejects(running, { code: '57014' });
      await until(
        () =>
          shop(
            "select count(*) from pg_stat_activity where query like 'select pg_sleep(20)%' and usename like 'csn\\_%'",
          ) === '1',
      );
      const { processID, secretKey } = one as unknown as { processID: number; secretKey: number };
      const request = Buffer.alloc(16);
      for (const [at, value] of [16, 80_877_102, processID, secretKey].entries())
        request.writeInt32BE(value, at * 4);
      connect(door.port, '127.0.0.1').end(request);
      await failed;
      assert.equal((await one.query('select 1 as one')).rows[0]?.one, 1);
    } finally {
      await one.end();
    }
  });

  test('a cancel request stops the waiting for an answer too', async () => {
    let asked = false;
    await withDoor(
      {
        decide: (action, _question, signal) => {
          if (action.operation === 'connect') return null;
          asked = true;
          return new Promise((resolve) => signal?.addEventListener('abort', () => resolve('cancelled')));
        },
      },
      async (one) => {
        const child = spawn(
          'psql',
          ['-X', '-h', '127.0.0.1', '-p', String(one.port), '-U', 'me', '-d', 'shop', '-c', 'select 1'],
          { env: { ...process.env, PGPASSWORD: one.placeholder }, stdio: ['ignore', 'ignore', 'pipe'] },
        );
        let err = '';
        child.stderr.on('data', (chunk) => {
          err += String(chunk);
        });
        const ended = new Promise((resolve) => child.once('exit', resolve));
        await until(() => asked);
        child.kill('SIGINT');
        await ended;
        assert.match(err, /canceling statement due to user request|Cancel request sent/);
      },
    );
  });

  test('a client that leaves while something runs has it stopped, and its role goes', async () => {
    const before = roleNames();
    const one = await client();
    one.query('select pg_sleep(30)').catch(() => undefined);
    const sleeping = () =>
      shop(
        "select count(*) from pg_stat_activity where query like 'select pg_sleep(30)%' and usename like 'csn\\_%'",
      );
    await until(() => sleeping() === '1');
    (one as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
    await until(() => sleeping() === '0');
    await until(() => noneBeside(before));
  });

  test('a proxy killed in the middle of a statement leaves no role and no half of a write', async () => {
    const before = roleNames();
    const one = await open({});
    const held = await client(one);
    await held.query('begin');
    await held.query("insert into audit values ('half')");
    held.query('select pg_sleep(30)').catch(() => undefined);
    await until(
      () =>
        shop(
          "select count(*) from pg_stat_activity where query like 'select pg_sleep(30)%' and usename like 'csn\\_%'",
        ) === '1',
    );
    one.kill();
    await one.stop();
    await until(() => noneBeside(before));
    assert.equal(shop('select count(*) from audit'), '0');
    await held.end().catch(() => undefined);
  });

  test('a role that a crash left behind is swept when the next is minted', async () => {
    shop(
      "create role csn_0123456789abcdef0123 login valid until '2020-01-01' role admin; set role app_owner; grant select on orders to csn_0123456789abcdef0123",
    );
    shop("create role csn_somebodys login valid until '2020-01-01'");
    await withDoor({}, async (one) => {
      assert.equal((await psql(['select 1'], { door: one })).out, '1');
    });
    assert.ok(!roleNames().includes('csn_0123456789abcdef0123'), 'ours is gone');
    assert.ok(roleNames().includes('csn_somebodys'), 'what only looks like ours is not');
    shop('drop role csn_somebodys');
  });

  test('nothing runs when the minter cannot reach the database or its password is wrong', async () => {
    await withDoor({ dsn: `postgres://admin:wrong@127.0.0.1:${server.port}/shop` }, async (one) => {
      const tried = await psql(['select 1'], { door: one });
      assert.match(tried.err, /28P01/);
      assert.equal(tried.err.includes('wrong@'), false);
      assert.equal(tried.out, '');
    });
    await withDoor({ dsn: 'postgres://admin:x@127.0.0.1:1/shop' }, async (one) => {
      assert.match((await psql(['select 1'], { door: one })).err, /cannot be reached/);
    });
  });

  test('a role that expired before it was used opens no connection', async () => {
    await withDoor(
      {
        afterMint(user, _password, action) {
          if (action.operation === 'select') shop(`alter role ${user} valid until '2020-01-01'`);
        },
      },
      async (one) => {
        const tried = await psql(['select 1'], { door: one });
        assert.match(tried.err, /authentication failed/);
        assert.equal(tried.out, '');
      },
    );
  });

  test('big results stream, and the outcome tells of rows without holding them all', async () => {
    const from = door.outcomes.length;
    const got = await psql(["select repeat('x', 1000) from generate_series(1, 30000)"]);
    assert.equal(got.out.length, 30_000 * 1001 - 1);
    const { outcome } = door.outcomes[from + 1] ?? {};
    assert.equal(outcome?.result, 'succeeded');
    assert.equal(outcome?.status, '00000');
    assert.ok((outcome?.received ?? 0) > 30_000_000);
    assert.ok((outcome?.payload?.bytes ?? 0) <= 65_600);
    assert.equal(outcome?.payload?.inspected, 'part');
  });

  test('SCRAM of ours and the server\u2019s agree, and a wrong password does not', async () => {
    const place = { host: '127.0.0.1', port: server.port, user: 'admin', database: 'shop' };
    const good = await openPostgres({ ...place, password: 'admin-password' });
    assert.ok(good.ok);
    const rows = await good.value.query('select $1::text || $2', ["it's", null]);
    assert.deepEqual(rows.ok && rows.value, [[null]]);
    good.value.close();
    const bad = await openPostgres({ ...place, password: 'admin-passwore' });
    assert.ok(!bad.ok && bad.error.sqlstate === '28P01');
  });
});
