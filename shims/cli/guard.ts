import { parseArgs } from 'node:util';
import { visibleLine } from '../../electron/wire/terminal-text.ts';
import { EXIT } from './exit-codes.ts';
import { type GuardProbe, runProbe } from './guard-launch.ts';
import { findInstallation } from './installation.ts';

export const HELP = `countersign guard — how far the kernel can hold a session on this machine

  countersign guard            tries each step for real, and says what works
  countersign guard --json     the same as one JSON object

Exit codes: 0 sessions are \`enforced\` here, 1 less than that (said why), 2 wrong use.`;

/** Runs `countersign guard`: the behavioural probe, step by step, in plain words; returns the exit code. */
export async function guard(argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...argv],
    options: { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
  });
  if (values.help) {
    process.stdout.write(`${HELP}\n`);
    return EXIT.done;
  }
  const program = findInstallation().guard;
  const probe: GuardProbe = program === null ? { best: null, steps: [] } : runProbe(program);
  const assurance =
    probe.best === 'full' ? 'enforced' : probe.best === 'landlock' ? 'sandboxed' : 'cooperative';
  if (values.json) {
    process.stdout.write(`${JSON.stringify({ assurance, built: program !== null, steps: probe.steps })}\n`);
  } else {
    for (const { name, works, detail } of probe.steps)
      process.stdout.write(`${works ? 'works' : 'no   '}  ${name.padEnd(18)} ${visibleLine(detail)}\n`);
    process.stdout.write(`${meaning(program !== null, assurance, probe)}\n`);
  }
  return assurance === 'enforced' ? EXIT.done : EXIT.refused;
}

function meaning(built: boolean, assurance: string, probe: GuardProbe): string {
  if (!built)
    return 'the guard is not built: it needs Linux, and a C compiler when Countersign is installed; sessions are `cooperative`';
  const fuse = probe.steps.some((step) => step.name === 'fuse' && !step.works);
  const reads = fuse
    ? '; secrets are refused without a question, for want of /dev/fuse (most desktops open it to everybody)'
    : '';
  if (assurance === 'enforced') return `sessions are \`enforced\` here${reads}`;
  return `sessions are \`${assurance}\` here; docs/linux-sandbox.md says what the missing steps need${reads}`;
}
