import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { type AddressInfo, createConnection, createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

/** A real sshd on loopback that runs as an ordinary user, and lets nobody but its own user in. */
export interface SshHost {
  readonly port: number;
  /** `127.0.0.1:PORT`, as a credential names it. */
  readonly entry: string;
  readonly user: string;
  /** Its line of `known_hosts`. */
  readonly knownHosts: string;
  readonly hostKey: string;
  readonly log: () => string;
  close(): Promise<void>;
}

export interface SshStage {
  readonly dir: string;
  readonly user: { readonly name: string; readonly uid: number; readonly gid: number };
  /** Makes a key with ssh-keygen; the path of its private half. */
  key(name: string, ...options: readonly string[]): string;
  host(authorized: readonly string[]): Promise<SshHost>;
  close(): Promise<void>;
}

/** Where the tests of SSH live: a folder that an ordinary user may enter. */
export function openSshStage(): SshStage {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), 'csn-ssh-')));
  chmodSync(dir, 0o755);
  const user = ordinaryUser();
  const hosts: SshHost[] = [];
  let count = 0;
  return {
    dir,
    user,
    key(name, ...options) {
      const path = join(dir, name);
      execFileSync('ssh-keygen', ['-q', '-N', '', '-C', name, '-f', path, ...options]);
      return path;
    },
    async host(authorized) {
      count += 1;
      const own = join(dir, `host-${count}`);
      mkdirSync(own);
      const hostKey = join(own, 'host-key');
      execFileSync('ssh-keygen', ['-q', '-N', '', '-t', 'ed25519', '-f', hostKey]);
      writeFileSync(
        join(own, 'authorized'),
        authorized.map((key) => readFileSync(`${key}.pub`, 'utf8')).join(''),
      );
      for (const path of [own, hostKey, join(own, 'authorized')]) chownSync(path, user.uid, user.gid);
      const host = await startSshd(own, hostKey, user);
      hosts.push(host);
      return host;
    },
    async close() {
      for (const host of hosts) await host.close();
      rmSync(dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
    },
  };
}

function ordinaryUser(): SshStage['user'] {
  const id = (flag: string) => Number(execFileSync('id', [flag, 'csn-probe'], { encoding: 'utf8' }));
  if (process.getuid?.() !== 0) {
    const { username, uid, gid } = userInfo();
    return { name: username, uid, gid };
  }
  try {
    return { name: 'csn-probe', uid: id('-u'), gid: id('-g') };
  } catch {
    execFileSync('useradd', ['-m', 'csn-probe']);
    return { name: 'csn-probe', uid: id('-u'), gid: id('-g') };
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(port, '127.0.0.1');
    socket.on('data', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

async function startSshd(own: string, hostKey: string, user: SshStage['user']): Promise<SshHost> {
  const as = process.getuid?.() === 0 ? { uid: user.uid, gid: user.gid } : {};
  for (let tries = 0; tries < 5; tries += 1) {
    const port = await freePort();
    const config = join(own, 'config');
    writeFileSync(
      config,
      [
        'ListenAddress 127.0.0.1',
        `Port ${port}`,
        `HostKey ${hostKey}`,
        `AuthorizedKeysFile ${join(own, 'authorized')}`,
        'StrictModes no',
        'UsePAM no',
        'PidFile none',
        'PasswordAuthentication no',
        'KbdInteractiveAuthentication no',
        'AllowAgentForwarding yes',
        'LogLevel VERBOSE',
        '',
      ].join('\n'),
    );
    const child: ChildProcess = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', config], {
      stdio: ['ignore', 'ignore', 'pipe'],
      cwd: own,
      ...as,
    });
    let log = '';
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      log += chunk;
    });
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
    for (let waits = 0; waits < 200 && child.exitCode === null; waits += 1) {
      if (await answers(port)) {
        const [type = '', base64 = ''] = readFileSync(`${hostKey}.pub`, 'utf8').split(' ');
        return {
          port,
          entry: `127.0.0.1:${port}`,
          user: user.name,
          hostKey,
          knownHosts: `[127.0.0.1]:${port} ${type} ${base64}\n`,
          log: () => log,
          async close() {
            child.kill('SIGTERM');
            await ended;
          },
        };
      }
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    child.kill('SIGKILL');
    await ended;
    if (!/in use/.test(log)) throw new Error(`sshd does not start: ${log}`);
  }
  throw new Error('no free port for sshd');
}
