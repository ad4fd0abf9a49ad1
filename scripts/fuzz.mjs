// `node scripts/fuzz.mjs [SECONDS] [TARGET…]`: fuzzes the guard's parsers and its handling of paths (shims/guard/fuzz), 60 seconds each unless said.
// With clang and its runtime it is libFuzzer; else gcc's sanitizers and a seeded mutator of our own, so that it always runs.
// What crashes is left in build/fuzz and belongs, once mended, into shims/guard/fuzz/corpus. Ends with 1 when anything did. Runs on Node 20.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ROOT } from './build.mjs';

const FUZZ = join(ROOT, 'shims/guard/fuzz');
const CSRC = join(ROOT, 'shims/guard/csrc');
const FLAGS = ['-std=c11', '-g', '-O1', '-Wall', '-Wextra', '-Werror', '-pthread', '-fno-omit-frame-pointer'];

/** Each target, and the parts of the guard that it takes in as text or replaces. */
export const TARGETS = {
  config: [],
  frames: [],
  dns: [],
  fuse: ['veil.c'],
  path: [],
};

/** True when libFuzzer can be linked. */
export function hasLibFuzzer() {
  const probe = spawnSync('clang', ['-fsanitize=fuzzer,address', '-x', 'c', '-', '-o', '/dev/null'], {
    input:
      '#include <stddef.h>\n#include <stdint.h>\nint LLVMFuzzerTestOneInput(const uint8_t *a, size_t n) { return a == 0 && n > 0; }\n',
  });
  return probe.status === 0;
}

const SANITIZERS = ['-fno-sanitize-recover=all', '-fsanitize=address,undefined'];

function compile(libFuzzer, args, cwd) {
  const compiler = libFuzzer ? 'clang' : process.env.CC || 'cc';
  const built = spawnSync(compiler, [...FLAGS, ...SANITIZERS, ...args], { encoding: 'utf8', cwd });
  if (built.status !== 0)
    throw new Error(`cannot build a fuzz target: ${built.error?.message ?? built.stderr}`);
}

/** Compiles what all targets share into `folder`; throws with what the compiler said. */
export function buildParts(folder, libFuzzer) {
  const parts = readdirSync(CSRC).filter(
    (file) => file.endsWith('.c') && file !== 'main.c' && file !== 'guard.c',
  );
  mkdirSync(join(folder, 'parts'), { recursive: true });
  const sources = [
    ...parts.map((file) => join(CSRC, file)),
    join(ROOT, 'shims/shell/csrc/frame.c'),
    join(FUZZ, 'world.c'),
  ];
  const coverage = libFuzzer ? ['-fsanitize=fuzzer-no-link'] : [];
  compile(libFuzzer, [...coverage, '-c', ...sources], join(folder, 'parts'));
}

/** Builds one target into `folder`, after its parts; its path. */
export function buildTarget(name, folder, libFuzzer) {
  const out = join(folder, name);
  const objects = readdirSync(join(folder, 'parts'))
    .filter((file) => file.endsWith('.o') && !(TARGETS[name] ?? []).includes(file.replace(/o$/, 'c')))
    .map((file) => join(folder, 'parts', file));
  const driver = libFuzzer ? ['-fsanitize=fuzzer'] : [join(FUZZ, 'driver.c')];
  compile(libFuzzer, [...driver, '-o', out, join(FUZZ, `${name}.c`), ...objects], folder);
  return out;
}

/** Runs a target for `seconds`; how many inputs it took, and, when it broke, why and with which file. */
export function runTarget(name, program, folder, seconds, libFuzzer, seed) {
  const corpus = join(FUZZ, 'corpus', name);
  const crash = join(folder, `crash-${name}`);
  const grown = join(folder, `corpus-${name}`);
  mkdirSync(grown, { recursive: true });
  const args = libFuzzer
    ? [
        `-max_total_time=${seconds}`,
        `-seed=${seed}`,
        '-max_len=4096',
        '-timeout=10',
        '-rss_limit_mb=1024',
        '-print_final_stats=1',
        `-exact_artifact_path=${crash}`,
        grown,
        corpus,
      ]
    : [String(seconds), String(seed), crash, ...readdirSync(corpus).map((file) => join(corpus, file))];
  const ran = spawnSync(program, args, {
    encoding: 'utf8',
    cwd: folder,
    timeout: (seconds + 120) * 1000,
    maxBuffer: 64 * 1024 * 1024,
    env: { ...process.env, ASAN_OPTIONS: 'detect_leaks=0:abort_on_error=1:handle_abort=1' },
  });
  const inputs = Number(
    (libFuzzer
      ? /stat::number_of_executed_units: (\d+)/.exec(ran.stderr)
      : /^(\d+)$/m.exec(ran.stdout))?.[1] ?? 0,
  );
  if (ran.status === 0) return { inputs, broke: null };
  return { inputs, broke: { crash: existsSync(crash) ? crash : null, why: ran.stderr.slice(-6000) } };
}

function main() {
  const words = process.argv.slice(2);
  const seconds = /^\d+$/.test(words[0] ?? '') ? Number(words.shift()) : 60;
  const libFuzzer = hasLibFuzzer();
  const folder = join(ROOT, 'build/fuzz');
  mkdirSync(folder, { recursive: true });
  console.log(libFuzzer ? 'libFuzzer' : 'no libFuzzer here (clang, libclang-rt-dev): our own mutator');
  let broken = false;
  rmSync(join(folder, 'parts'), { recursive: true, force: true });
  buildParts(folder, libFuzzer);
  for (const name of words.length > 0 ? words : Object.keys(TARGETS)) {
    const program = buildTarget(name, folder, libFuzzer);
    const { inputs, broke } = runTarget(name, program, folder, seconds, libFuzzer, Date.now() % 1e9);
    console.log(`${name}: ${inputs} inputs${broke === null ? '' : `, BROKE (${broke.crash})\n${broke.why}`}`);
    broken ||= broke !== null;
  }
  process.exit(broken ? 1 : 0);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
