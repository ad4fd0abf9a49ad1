import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { issueCertificate, type TestAuthority, testAuthority } from './test-authority.ts';

/**
 * A network of a test's own with hosts that look like the internet's: public addresses, names, certificates. It lies in a network and
 * mount namespace that the test made; nothing of it is reachable from outside and nothing outside from it.
 */
export interface SmallInternet {
  /** What to put before a command so that it runs there. */
  readonly within: readonly string[];
  /** PEM file of the authority that signed the sites' certificates. */
  readonly rootsFile: string;
  readonly authority: TestAuthority;
  site(name: string): Site;
  dispose(): Promise<void>;
}

/** What one request brought, as the site saw it. */
export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly secure: boolean;
}

/** A host that answers on ports 80 and 443 and remembers what it was sent. */
export interface Site {
  readonly name: string;
  readonly address: string;
  /** Complete requests, oldest first. */
  seen(): readonly SeenRequest[];
  /** Every byte that arrived, whether or not it became a request. */
  raw(): string;
}

/** What a site serves at a path; everything else is a short text. */
export type SiteFiles = Readonly<Record<string, { readonly type: string; readonly body: string }>>;

const FIXTURE = join(import.meta.dirname, '..', 'fixtures', 'site.ts');

/** Starts it with these sites; resolves when all of them listen. Needs root or unprivileged user namespaces. */
export async function smallInternet(sites: Readonly<Record<string, SiteFiles>>): Promise<SmallInternet> {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'csn-net-')));
  const names = Object.keys(sites);
  const addresses = new Map(names.map((name, index) => [name, `23.45.67.${index + 10}`]));
  const hosts = join(root, 'hosts');
  writeFileSync(
    hosts,
    ['127.0.0.1 localhost', '::1 localhost', ...names.map((n) => `${addresses.get(n)} ${n}`), ''].join('\n'),
  );
  const script = [
    'set -e',
    'ip link set lo up',
    ...[...addresses.values()].map((address) => `ip addr add ${address}/32 dev lo`),
    `mount --bind ${hosts} /etc/hosts`,
    'echo ready',
    'exec sleep 900',
  ].join('\n');
  const asRoot = process.getuid?.() === 0;
  const holder = spawn('unshare', [...(asRoot ? [] : ['-r']), '--net', '--mount', 'sh', '-c', script], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const children: ChildProcess[] = [holder];
  try {
    await says(holder, 'ready');
    const within = [
      'nsenter',
      ...(asRoot ? [] : ['-U', '--preserve-credentials']),
      '-t',
      String(holder.pid),
      '-n',
      '-m',
      '--',
    ];
    const authority = await testAuthority();
    const rootsFile = join(root, 'roots.pem');
    writeFileSync(rootsFile, authority.certificatePem);
    const made = new Map<string, Site>();
    for (const name of names) {
      const address = addresses.get(name) ?? '';
      const folder = join(root, name);
      mkdirSync(folder);
      const { certificatePem, keyPem } = await issueCertificate(authority, name);
      writeFileSync(
        join(folder, 'site.json'),
        JSON.stringify({ address, certificatePem, keyPem, files: sites[name], folder }),
      );
      const [program = '', ...args] = [...within, process.execPath, FIXTURE, join(folder, 'site.json')];
      const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
      children.push(child);
      await says(child, 'listening');
      const read = (file: string) =>
        existsSync(join(folder, file)) ? readFileSync(join(folder, file), 'utf8') : '';
      made.set(name, {
        name,
        address,
        seen: () =>
          read('requests')
            .split('\n')
            .filter((line) => line !== '')
            .map((line) => JSON.parse(line) as SeenRequest),
        raw: () => read('raw'),
      });
    }
    return {
      within,
      rootsFile,
      authority,
      site: (name) => {
        const site = made.get(name);
        if (site === undefined) throw new Error(`no site \`${name}\``);
        return site;
      },
      dispose: () => end(children, root),
    };
  } catch (cause) {
    await end(children, root);
    throw cause;
  }
}

async function end(children: readonly ChildProcess[], root: string): Promise<void> {
  for (const child of children.toReversed()) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }
  rmSync(root, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
}

/** Waits until a process says a word on its standard output; fails with what it said when it ends before. */
function says(child: ChildProcess, word: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = '';
    const hear = (d: Buffer) => {
      text += d.toString();
      if (text.includes(word)) resolve();
    };
    child.stdout?.on('data', hear);
    child.stderr?.on('data', hear);
    child.once('error', reject);
    child.once('exit', () => reject(new Error(`it ended before it said \`${word}\`:\n${text}`)));
  });
}
