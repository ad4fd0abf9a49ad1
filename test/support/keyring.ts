import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

/** A real Secret Service on a session bus of its own, its keyring unlocked. */
export interface Keyring {
  /** What a process needs in its environment to reach it. */
  readonly env: Readonly<Record<string, string>>;
  /** Locks the keyring, as a screen lock or a person does. */
  lock(): void;
  close(): Promise<void>;
}

/** Starts one below `root`; it ends with `close`. */
export async function openKeyring(root: string): Promise<Keyring> {
  for (const [program, debianPackage] of [
    ['dbus-run-session', 'dbus'],
    ['gnome-keyring-daemon', 'gnome-keyring'],
  ] as const)
    assert.equal(
      spawnSync('sh', ['-c', `command -v ${program}`]).status,
      0,
      `\`${program}\` is missing: install the Debian package \`${debianPackage}\``,
    );
  const home = join(root, 'keyring-home');
  mkdirSync(join(home, 'run'), { recursive: true, mode: 0o700 });
  const script =
    'printf pw | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1; echo "$DBUS_SESSION_BUS_ADDRESS"; read -r _';
  const child = spawn('dbus-run-session', ['--', 'bash', '-c', script], {
    stdio: ['pipe', 'pipe', 'ignore'],
    env: {
      PATH: process.env['PATH'] ?? '',
      HOME: home,
      XDG_RUNTIME_DIR: join(home, 'run'),
      LC_ALL: 'C.UTF-8',
    },
  });
  const address = await new Promise<string>((resolve, reject) => {
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes('\n')) resolve(text.trim());
    });
    child.once('exit', () => reject(new Error('the session bus ended')));
  });
  const env = { DBUS_SESSION_BUS_ADDRESS: address };
  return {
    env,
    lock() {
      const done = spawnSync(
        'dbus-send',
        [
          '--session',
          '--print-reply',
          '--dest=org.freedesktop.secrets',
          '/org/freedesktop/secrets',
          'org.freedesktop.Secret.Service.Lock',
          'array:objpath:/org/freedesktop/secrets/collection/login',
        ],
        { encoding: 'utf8', env: { PATH: process.env['PATH'] ?? '', ...env } },
      );
      assert.equal(done.status, 0, done.stderr);
    },
    async close() {
      if (child.exitCode !== null) return;
      const gone = once(child, 'exit');
      child.stdin.end('\n');
      await gone;
    },
  };
}
