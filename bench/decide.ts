// Measures `evaluate` alone: 200 rules as packs have them, six kinds of action. Prints medians; budget p50 ≤ 20 µs, p99 ≤ 100 µs.
import { compile } from '../electron/core/policy/compile.ts';
import { evaluate } from '../electron/core/policy/evaluate.ts';
import { explain } from '../electron/core/policy/explain.ts';
import type { Rule } from '../electron/core/policy/rule.ts';
import { command, effect, facts, HASH, POSTURE, rule } from '../test/unit/policy/fixture.ts';

const PROGRAMS = [
  'git',
  'rm',
  'docker',
  'kubectl',
  'npm',
  'pip',
  'curl',
  'ssh',
  'psql',
  'terraform',
  'aws',
  'find',
];
const KINDS = ['read', 'write', 'delete', 'upload', 'execute', 'install', 'publish', 'privilege'] as const;
const LABELS = [
  'secret',
  'home',
  'system',
  'git-dir',
  'agent-config',
  'outside-workspace',
  'history',
  'keys',
];

/** 120 command rules over 12 programs, 60 effect rules over 8 kinds, 20 about the whole action. */
function realisticRules(): readonly Rule[] {
  const rules: Rule[] = [];
  for (let i = 0; i < 120; i++) {
    const program = PROGRAMS[i % PROGRAMS.length] ?? 'git';
    rules.push(
      rule(`bench.command-${i}`, i % 12 === 0 ? 'forbidden' : i % 3 === 0 ? 'deny' : 'step_up', {
        subject: 'command',
        match: { programs: [program] },
        when:
          i % 2 === 0
            ? `command.subcommand == "sub${i}" && has_any(command.flags, ["--force", "-f"])`
            : `"--flag${i}" in command.flags && !("--dry-run" in command.flags)`,
      }),
    );
  }
  for (let i = 0; i < 60; i++) {
    const kind = KINDS[i % KINDS.length] ?? 'read';
    const label = LABELS[(i * 3) % LABELS.length] ?? 'home';
    rules.push(
      rule(`bench.effect-${i}`, i % 10 === 0 ? 'forbidden' : 'step_up', {
        subject: 'effect',
        match: i % 4 === 3 ? { effects: [kind] } : { effects: [kind], labels: [label] },
        when: i % 4 === 3 ? `effect.recursive && under(effect.value, "/protected/${i}")` : null,
      }),
    );
  }
  for (let i = 0; i < 20; i++) {
    rules.push(
      rule(`bench.action-${i}`, 'step_up', {
        when:
          i % 2 === 0 ? `session.velocity > ${1000 + i}` : `effects.exists(e, e.kind == "spend" && e.force)`,
      }),
    );
  }
  return rules;
}

const CASES = {
  'one read': facts({ commands: [command('ls -la src')], effects: [effect('read', '/work/project/src')] }),
  'git push': facts({ commands: [command('git push origin main')], effects: [effect('upload', 'origin')] }),
  'delete in workspace': facts({
    commands: [command('rm -rf build')],
    effects: [effect('delete', '/work/project/build', { recursive: true })],
  }),
  'pipeline of five': facts({
    commands: ['cat a', 'find . -name x', 'curl -s u', 'docker ps', 'npm test'].map((line, index) =>
      command(line, { index }),
    ),
    effects: [0, 1, 2, 3, 4].map((index) => effect('read', `/work/project/${index}`, { command: index })),
  }),
  'unknown operand, left to interception': facts({
    commands: [command('rm -rf $X')],
    effects: [effect('delete', null, { recursive: true })],
    partsFollow: true,
  }),
  'unknown operand, deferred': facts({
    commands: [command('rm -rf $X')],
    effects: [effect('delete', null, { recursive: true })],
  }),
};

const compiled = compile({ version: 'bench', hash: HASH, rules: realisticRules(), posture: POSTURE });
if (!compiled.ok) throw new Error(JSON.stringify(compiled.error));
const policy = compiled.value;

/** Microseconds per call at the given quantiles, each call timed alone. */
function measure(run: () => unknown, calls: number): { readonly p50: number; readonly p99: number } {
  for (let i = 0; i < calls / 4; i++) run();
  const times = new Float64Array(calls);
  for (let i = 0; i < calls; i++) {
    const before = process.hrtime.bigint();
    run();
    times[i] = Number(process.hrtime.bigint() - before) / 1000;
  }
  times.sort();
  return { p50: times[calls >> 1] ?? 0, p99: times[Math.floor(calls * 0.99)] ?? 0 };
}

console.log(`evaluate, ${policy.rules.length} rules, µs per action (20 000 calls each)`);
for (const [name, set] of Object.entries(CASES)) {
  const { p50, p99 } = measure(() => evaluate(policy, set), 20_000);
  console.log(`  ${name.padEnd(40)} p50 ${p50.toFixed(1).padStart(6)}   p99 ${p99.toFixed(1).padStart(6)}`);
}
const explained = measure(() => explain(policy, CASES['git push']), 5000);
console.log(
  `  ${'explain: git push'.padEnd(40)} p50 ${explained.p50.toFixed(1).padStart(6)}   p99 ${explained.p99.toFixed(1).padStart(6)}`,
);
const rules = realisticRules();
const compileTime = measure(() => compile({ version: 'bench', hash: HASH, rules, posture: POSTURE }), 20);
console.log(`compile of ${rules.length} rules: p50 ${(compileTime.p50 / 1000).toFixed(1)} ms`);
