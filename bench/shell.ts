// Parse and normalise command lines of about 80 bytes: medians and p99 in microseconds, warm.
// Run: node bench/shell.ts
import { normalizeCommandLine } from '../electron/wire/shell/normalize.ts';

const LINES: readonly (readonly [string, string])[] = [
  ['plain words', 'git commit --quiet --message message-of-a-commit --author someone src/a.ts b.ts'],
  ['quotes', `grep -rn --include='*.ts' "export function normalize" electron/wire electron/core a b`],
  ['pipeline', 'ps aux | grep node | grep -v grep | awk {print} | sort -n | uniq -c | head -n 20'],
  ['cd and tests', 'cd /home/user/project && npm test -- --reporter dot 2>&1 | tail -n 40 > out.log'],
  ['variables', 'T=/tmp/build; mkdir -p "$T/a" && cp -r src "$T/a" && rm -rf "$T/a" ~/x "$HOME/y"'],
  ['wrappers', "sudo -u www-data env A=1 timeout 30 bash -lc 'rm -rf /var/cache/x && systemctl st'"],
  ['find -exec', "find /var/log -name '*.gz' -mtime +30 -type f -exec rm -f {} + -o -name b -print a"],
  ['substitution', 'docker rm -f "$(docker ps -aq --filter name=web)" && echo "$(date) removed" >> log'],
];

const WARM = 20_000;
const ROUNDS = 20_000;

/** Times one line; each sample is one call. */
function measure(commandLine: string): { readonly p50: number; readonly p99: number } {
  const input = {
    commandLine,
    dialect: 'bash' as const,
    cwd: '/home/user/project',
    home: '/home/user',
    variables: { PATH: '/usr/bin', USER: 'user' },
  };
  for (let i = 0; i < WARM; i++) normalizeCommandLine(input);
  const samples = new Float64Array(ROUNDS);
  for (let i = 0; i < ROUNDS; i++) {
    const start = process.hrtime.bigint();
    normalizeCommandLine(input);
    samples[i] = Number(process.hrtime.bigint() - start) / 1000;
  }
  samples.sort();
  return { p50: samples[ROUNDS >> 1] ?? 0, p99: samples[Math.floor(ROUNDS * 0.99)] ?? 0 };
}

process.stdout.write('line            bytes  commands   p50 µs   p99 µs\n');
for (const [name, line] of LINES) {
  const result = normalizeCommandLine({
    commandLine: line,
    dialect: 'bash',
    cwd: '/',
    home: '/h',
    variables: {},
  });
  const count = result.ok ? result.value.commands.length : -1;
  const { p50, p99 } = measure(line);
  process.stdout.write(
    `${name.padEnd(14)} ${String(line.length).padStart(6)} ${String(count).padStart(9)} ${p50.toFixed(1).padStart(8)} ${p99.toFixed(1).padStart(8)}\n`,
  );
}
