import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A real PostgreSQL of one test file: its own folder, its own port on loopback, its own processes. */
export interface PostgresServer {
  readonly port: number;
  readonly folder: string;
  /** What psql printed, unaligned and without headers; throws with what it complained about. */
  psql(
    sql: string,
    as?: {
      readonly user?: string;
      readonly password?: string;
      readonly database?: string;
      readonly port?: number;
    },
  ): string;
  log(): string;
  stop(): Promise<void>;
}

/** The newest PostgreSQL that is installed; on Debian its programs are on no PATH. */
function programs(): string {
  const base = '/usr/lib/postgresql';
  const versions = existsSync(base) ? readdirSync(base).sort((a, b) => Number(b) - Number(a)) : [];
  const found = versions
    .map((version) => join(base, version, 'bin'))
    .find((bin) => existsSync(join(bin, 'initdb')));
  if (found === undefined) throw new Error('PostgreSQL is not installed: apt-get install postgresql');
  return found;
}

/** It refuses to run as root: then as a user that exists for that. */
function ordinary(): { readonly uid: number; readonly gid: number } | null {
  if (process.getuid?.() !== 0) return null;
  const idOf = (name: string, flag: string) =>
    Number(execFileSync('id', [flag, name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
  for (const name of ['csn-probe', 'postgres', 'nobody'])
    try {
      return { uid: idOf(name, '-u'), gid: idOf(name, '-g') };
    } catch {
      // The next one.
    }
  throw new Error('there is no ordinary user to run PostgreSQL as');
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

/** Makes a cluster and starts it; log-ins over loopback need SCRAM-SHA-256, those over its socket nothing. */
export async function startPostgres(): Promise<PostgresServer> {
  const bin = programs();
  const user = ordinary();
  const folder = mkdtempSync(join(tmpdir(), 'csn-pg-'));
  if (user !== null) chownSync(folder, user.uid, user.gid);
  const data = join(folder, 'data');
  const as = { cwd: folder, ...(user ?? {}) };
  execFileSync(
    join(bin, 'initdb'),
    ['-D', data, '-U', 'postgres', '-N', '-E', 'UTF8', '--auth-local=trust', '--auth-host=scram-sha-256'],
    { ...as, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const port = await freePort();
  const settings = [
    '-c',
    'fsync=off',
    '-c',
    'listen_addresses=127.0.0.1',
    '-c',
    'log_statement=all',
    '-c',
    'log_connections=on',
    '-c',
    'max_connections=60',
  ];
  const child: ChildProcess = spawn(
    join(bin, 'postgres'),
    ['-D', data, '-p', String(port), '-k', folder, ...settings],
    { ...as, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let log = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    log += text;
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const until = Date.now() + 20_000;
  while (!(await answers(port)) || !log.includes('ready to accept connections')) {
    if (Date.now() > until || child.exitCode !== null) throw new Error(`PostgreSQL does not start: ${log}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return {
    port,
    folder,
    log: () => log,
    psql(sql, who = {}) {
      const place = who.password === undefined ? folder : '127.0.0.1';
      const args = [
        '-X',
        '-A',
        '-t',
        '-q',
        '-v',
        'ON_ERROR_STOP=1',
        '-h',
        place,
        '-p',
        String(who.port ?? port),
        '-U',
        who.user ?? 'postgres',
        '-d',
        who.database ?? 'postgres',
        '-c',
        sql,
      ];
      return execFileSync('psql', args, {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...process.env, PGPASSWORD: who.password ?? '', PGCONNECT_TIMEOUT: '10' },
      }).trimEnd();
    },
    async stop() {
      child.kill('SIGINT');
      await ended;
      rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
    },
  };
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
