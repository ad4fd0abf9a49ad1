// Builds everything into build/. Runs on Node 20: the TypeScript compiler and the C compiler are other processes.
// What a step was made from is hashed, so that a second build does nothing and a changed file is never missed.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const BUILD = join(ROOT, 'build');
const STAMPS = join(BUILD, 'stamps.json');
const FILE_SHIM = ['shims/file/node-preload.cjs', 'shims/file/python/sitecustomize.py'];
const CSRC = join(ROOT, 'shims/shell/csrc');

/** Files below `dir` whose name ends with one of `endings`, sorted, relative to the root. */
function filesUnder(dir, endings) {
  const found = [];
  for (const entry of readdirSync(join(ROOT, dir), { withFileTypes: true })) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) found.push(...filesUnder(path, endings));
    else if (endings.some((ending) => entry.name.endsWith(ending))) found.push(path);
  }
  return found.sort();
}

/** SHA-256 over names and contents. */
export function hashOf(files) {
  const hash = createHash('sha256');
  for (const file of files)
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(ROOT, file)))
      .update('\0');
  return hash.digest('hex');
}

function say(line) {
  process.stderr.write(`countersign: ${line}\n`);
}

/** Runs a program; on failure shows what it said and ends. */
function must(program, args, what) {
  const done = spawnSync(program, args, { cwd: ROOT, encoding: 'utf8' });
  if (done.status === 0) return;
  process.stderr.write(`${done.stdout ?? ''}${done.stderr ?? ''}`);
  say(`${what} failed${done.error ? `: ${done.error.message}` : ''}`);
  process.exit(1);
}

function compileTypeScript() {
  say('compiling …');
  // An output of a deleted source would still be imported by whoever forgot to change.
  for (const dir of ['electron', 'shims', 'test', 'bench', 'info'])
    rmSync(join(BUILD, dir), { recursive: true, force: true });
  must(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-b'], 'type check');
}

const FLAGS = [
  '-std=c11',
  '-O2',
  '-Wall',
  '-Wextra',
  '-Werror',
  '-Wshadow',
  '-Wconversion',
  '-D_FORTIFY_SOURCE=2',
  '-fstack-protector-strong',
];

/** Compiles a native program; without a compiler says what that means and leaves nothing behind. */
function compileNative(out, sources, more, what, without) {
  const cc = process.env.CC || 'cc';
  if (spawnSync(cc, ['--version']).status !== 0) {
    say(`no C compiler (\`${cc}\`): ${without}; install gcc for it`);
    rmSync(out, { force: true });
    return;
  }
  say(`compiling ${what} …`);
  mkdirSync(dirname(out), { recursive: true });
  const fresh = `${out}.new`;
  const files = sources.map((file) => join(ROOT, file));
  // Static: starts in half the time, and LD_PRELOAD has no hold on it. Some systems have no static C library.
  const built = spawnSync(cc, [...FLAGS, ...more, '-static', '-o', fresh, ...files]);
  if (built.status !== 0) must(cc, [...FLAGS, ...more, '-o', fresh, ...files], `compiling ${what}`);
  // Renamed into place: a running session keeps the binary that it started with.
  renameSync(fresh, out);
}

/** Brings build/ up to date; true when anything was done. */
export function build() {
  const shell = join(BUILD, 'shims/shell');
  const shim = join(shell, 'countersign-shim');
  const guard = join(BUILD, 'shims/guard/countersign-guard');
  const integration = join(shell, 'bash-integration.bash');
  const sources = ['electron', 'shims', 'test', 'bench'].flatMap((dir) =>
    filesUnder(dir, ['.ts', 'tsconfig.json']),
  );
  const steps = {
    typescript: hashOf([...sources, 'tsconfig.json', 'tsconfig.base.json', 'package.json']),
    shim: hashOf([...filesUnder('shims/shell/csrc', ['.c', '.h'])]) + (process.env.CC ?? ''),
    guard:
      hashOf([
        ...filesUnder('shims/guard/csrc', ['.c', '.h']),
        'shims/shell/csrc/frame.c',
        'shims/shell/csrc/frame.h',
      ]) + (process.env.CC ?? ''),
    integration: hashOf(['shims/shell/bash-integration.bash', ...FILE_SHIM]),
  };
  let before = {};
  try {
    before = JSON.parse(readFileSync(STAMPS, 'utf8'));
  } catch {
    // Never built, or interrupted: everything is built.
  }
  const whole = existsSync(join(BUILD, 'shims/cli/main.js')) && existsSync(integration);
  const typescript = before.typescript !== steps.typescript || !whole;
  if (typescript) compileTypeScript();
  mkdirSync(shell, { recursive: true });
  if (typescript || before.shim !== steps.shim || !existsSync(shim))
    compileNative(
      shim,
      filesUnder('shims/shell/csrc', ['.c']),
      ['-I', CSRC],
      'the shim',
      'shims run in Node, about 40 times slower',
    );
  // The hook is the same program under a name of its own.
  const hook = join(shell, 'countersign-hook');
  if (existsSync(shim) && !existsSync(hook)) symlinkSync('countersign-shim', hook);
  // Namespaces, seccomp and Landlock are Linux's.
  if (process.platform === 'linux' && (before.guard !== steps.guard || !existsSync(guard)))
    compileNative(
      guard,
      [...filesUnder('shims/guard/csrc', ['.c']), 'shims/shell/csrc/frame.c'],
      // What nothing calls is left out: three processes of every session hold it in memory.
      ['-pthread', '-ffunction-sections', '-fdata-sections', '-Wl,--gc-sections'],
      'the guard',
      'the kernel does not hold sessions, which stay `cooperative`',
    );
  if (typescript || before.integration !== steps.integration) {
    copyFileSync(join(ROOT, 'shims/shell/bash-integration.bash'), integration);
    for (const file of FILE_SHIM) {
      mkdirSync(dirname(join(BUILD, file)), { recursive: true });
      copyFileSync(join(ROOT, file), join(BUILD, file));
    }
  }
  const done = typescript || JSON.stringify(before) !== JSON.stringify(steps);
  if (done) writeFileSync(STAMPS, JSON.stringify(steps));
  return done;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  if (!build()) say('build is up to date');
}
