import type { PostgresClient } from '../edge/postgres-client.ts';

/** The end of minted roles: after use, and of those that a crash left behind. */
export const SWEEP = {
  connected: "select distinct usename::text from pg_stat_activity where usename like 'csn\\_%'",
  connectedAs: 'select pid::text from pg_stat_activity where usename = $1',
  /** Only ours by name and shape, and only long after they could last log in: another installation's roles in use are not touched. */
  expired: `select rolname::text from pg_roles where rolname ~ '^csn_[0-9a-f]{20}$' and rolvaliduntil < now() - interval '10 minutes'`,
} as const;

const SHAPE = /^csn_[0-9a-f]{20}$/;

/**
 * Drops one minted role with everything it holds: leftover connections are ended, what it owns goes to `owner` (what it made is kept), its
 * rights are revoked. What cannot be dropped now is left to the next sweep; it can log in no more once it has expired.
 */
export async function retireRole(
  client: PostgresClient,
  user: string,
  owner: string | null,
): Promise<boolean> {
  if (!SHAPE.test(user)) return false;
  await client.query('select pg_terminate_backend(pid, 2000) from pg_stat_activity where usename = $1', [
    user,
  ]);
  const heir =
    owner === null
      ? null
      : await client.query('select quote_ident(rolname) from pg_roles where rolname = $1', [owner]);
  const name = heir?.ok === true ? (heir.value[0]?.[0] ?? null) : null;
  const keep = name === null ? [] : [`REASSIGN OWNED BY ${user} TO ${name}`];
  for (let tries = 0; tries < 4; tries += 1) {
    const done = await client.run([...keep, `DROP OWNED BY ${user}`, `DROP ROLE ${user}`].join(';\n'));
    if (done.ok) return true;
    if (done.error.sqlstate === '42704') return true;
    if (!/tuple concurrently|deleted/.test(done.error.message)) break;
  }
  await client.run(`ALTER ROLE ${user} NOLOGIN`);
  return false;
}

/** Drops roles that a crash left behind. */
export async function sweepRoles(client: PostgresClient, live: readonly string[]): Promise<void> {
  const rows = await client.query(SWEEP.expired);
  if (!rows.ok) return;
  for (const [user] of rows.value)
    if (typeof user === 'string' && !live.includes(user)) await retireRole(client, user, null);
}
