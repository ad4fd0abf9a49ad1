import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeFrame, type Field, field } from '../../../shims/shell/frame.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const CSRC = join(ROOT, 'shims/guard/csrc');
const LINK_SOURCES = [
  ...[
    'ask',
    'effects',
    'link',
    'remembered',
    'reply',
    'rows',
    'sha256',
    'table',
    'triggers',
    'link-watch',
  ].map((n) => join(CSRC, `${n}.c`)),
  join(ROOT, 'shims/shell/csrc/frame.c'),
];
const FLAGS = ['-std=c11', '-Wall', '-Wextra', '-Werror', '-Wshadow', '-Wconversion', '-pthread'];
const FAST = ['-O2', '-D_FORTIFY_SOURCE=2', '-fstack-protector-strong'];
const CHECKED = [
  '-O1',
  '-g',
  '-fno-omit-frame-pointer',
  '-fsanitize=address,undefined',
  '-fno-sanitize-recover=all',
];

/** A compiled test driver; `sanitized` when the compiler has the sanitizers and they were asked for. */
export interface Driver {
  readonly path: string;
  readonly sanitized: boolean;
  /** Gives the frames to its standard input; the lines it printed. Fails when it did not end well. */
  lines(frames: readonly (readonly Field[] | Buffer)[]): readonly string[];
  remove(): void;
}

const cc = process.env['CC'] ?? 'cc';

function compiles(args: readonly string[]): string | null {
  const done = spawnSync(cc, args, { encoding: 'utf8' });
  return done.status === 0 ? null : `${done.error?.message ?? ''}${done.stderr}`;
}

/** Whether a program with the sanitizers can be made here, and runs. */
function hasSanitizers(dir: string): boolean {
  const source = join(dir, 'probe.c');
  writeFileSync(source, 'int main(void) { return 0; }\n');
  const probe = join(dir, 'probe');
  return compiles([...CHECKED, '-o', probe, source]) === null && spawnSync(probe).status === 0;
}

/** Compiles shims/guard/test-csrc/NAME.c with the guard's end of the link; `checked` with the sanitizers where there are any. */
export function compileDriver(name: string, build: 'fast' | 'checked'): Driver {
  const dir = mkdtempSync(join(tmpdir(), 'csn-driver-'));
  const path = join(dir, name);
  const sanitized = build === 'checked' && hasSanitizers(dir);
  const source = join(ROOT, 'shims/guard/test-csrc', `${name}.c`);
  const failed = compiles([...FLAGS, ...(sanitized ? CHECKED : FAST), '-o', path, source, ...LINK_SOURCES]);
  if (failed !== null) throw new Error(`\`${name}\` does not compile: ${failed}`);
  return {
    path,
    sanitized,
    lines(frames) {
      const input = Buffer.concat(
        frames.map((frame) => (Buffer.isBuffer(frame) ? frame : encodeFrame(frame))),
      );
      const done = spawnSync(path, { input, maxBuffer: 64 * 1024 * 1024, timeout: 120_000 });
      const errors = done.stderr.toString('utf8');
      if (done.status !== 0 || errors !== '')
        throw new Error(`\`${name}\` ended with ${done.status ?? done.signal}: ${errors}`);
      return done.stdout.toString('latin1').split('\n').slice(0, -1);
    },
    remove: () => rmSync(dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }),
  };
}

/** Bytes that are written as they are: one character, one byte. */
export const raw = (text: string): Buffer => Buffer.from(text, 'latin1');

/** Fields from pairs of tag and value. */
export function fields(...pairs: readonly (readonly [string, string | Buffer])[]): readonly Field[] {
  return pairs.map(([tag, value]) => field(tag, value));
}

/** A `tables` frame. File rows are `OPS VERDICT PATTERN`, hosts `HOST PORT`, separated by spaces. */
export function tables(rows: {
  readonly names?: readonly string[];
  readonly triggers?: readonly string[];
  readonly files?: readonly string[];
  readonly sockets?: readonly string[];
  readonly hosts?: readonly string[];
  readonly everyExec?: boolean;
}): readonly Field[] {
  const nul = (row: string, parts: number) => {
    const words = row.split(' ');
    return raw([...words.slice(0, parts - 1), words.slice(parts - 1).join(' ')].join('\0'));
  };
  return [
    field('k', 'tables'),
    ...(rows.names ?? []).map((name) => field('e', raw(name))),
    ...(rows.triggers ?? []).map((trigger) => field('g', raw(trigger))),
    ...(rows.files ?? []).map((row) => field('f', nul(row, 3))),
    ...(rows.sockets ?? []).map((path) => field('u', raw(path))),
    ...(rows.hosts ?? []).map((row) => field('h', nul(row, 2))),
    ...(rows.everyExec ? [field('E', '1')] : []),
  ];
}
