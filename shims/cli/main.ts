#!/usr/bin/env node
import { COMMANDS, nearestName } from './commands.ts';
import { EXIT } from './exit-codes.ts';
import { readVersion } from './installation.ts';

const width = Math.max(...COMMANDS.map((c) => c.name.length + c.words.length + 1));
const HELP = `countersign — a firewall for AI agents on your own computer

${COMMANDS.map((c) => `  countersign ${`${c.name} ${c.words}`.padEnd(width)}   ${c.what}`).join('\n')}

  countersign run -- bash                   each command typed in this shell is asked about first
  countersign COMMAND --help                more about one command

Exit codes: 0 done · 1 refused, broken or failed · 2 wrong use · 3 the daemon is not running · 4 nothing to read.
\`run\` ends as the agent ends.`;

/** Runs one command line; returns the exit code. */
async function main(argv: readonly string[]): Promise<number> {
  const [name, ...rest] = argv;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    (name === undefined ? process.stderr : process.stdout).write(`${HELP}\n`);
    return name === undefined ? EXIT.usage : EXIT.done;
  }
  if (name === '--version' || name === '-V') {
    process.stdout.write(`countersign ${readVersion()}\n`);
    return EXIT.done;
  }
  const command = COMMANDS.find((c) => c.name === name);
  if (command === undefined) {
    const near = nearestName(
      name,
      COMMANDS.map((c) => c.name),
    );
    process.stderr.write(
      `countersign: unknown command \`${name.slice(0, 80)}\`${near === null ? '' : `; did you mean \`${near}\`?`} See \`countersign --help\`\n`,
    );
    return EXIT.usage;
  }
  const run = await command.load();
  return run(rest);
}

// A reader that went away (`countersign receipts list | head`) is no failure of ours.
process.stdout.on('error', (cause: NodeJS.ErrnoException) => {
  if (cause.code === 'EPIPE') process.exit(EXIT.done);
  throw cause;
});

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
    // A kept-alive handle must not hold the terminal once the command is done.
    process.stdout.write('', () => process.exit(code));
  },
  (cause: unknown) => {
    const wrongUse =
      cause instanceof TypeError &&
      String((cause as NodeJS.ErrnoException).code).startsWith('ERR_PARSE_ARGS');
    process.stderr.write(`countersign: ${cause instanceof Error ? cause.message : String(cause)}\n`);
    if (!wrongUse && process.env['COUNTERSIGN_TRACE'] && cause instanceof Error)
      process.stderr.write(`${cause.stack}\n`);
    process.exit(wrongUse ? EXIT.usage : EXIT.refused);
  },
);
