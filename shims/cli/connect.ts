import { homedir } from 'node:os';
import { parseArgs } from 'node:util';
import { hookAgent } from '../../electron/wire/hook/agents.ts';
import { HOOK_AGENTS, type HookAgent } from '../../electron/wire/hook/event.ts';
import { placesFrom } from '../../electron/wire/places.ts';
import { visibleLine } from '../../electron/wire/terminal-text.ts';
import {
  type ConnectionPlan,
  connectAgent,
  connections,
  disconnectAgent,
  hookCommand,
  hookFile,
  planConnection,
} from './agent-connection.ts';
import { EXIT } from './exit-codes.ts';
import { findInstallation } from './installation.ts';
import { diffTexts } from './preview-diff.ts';

const AGENTS = HOOK_AGENTS.join(', ');

export const CONNECT_HELP = `countersign connect — put an agent that you start by yourself under the firewall, by its own hooks

  countersign connect claude-code             for all your work
  countersign connect claude-code --project   for this folder only
  countersign connect codex --dry-run         show the change, change nothing

Agents: ${AGENTS}.
Shows what it changes, keeps what stands there, and remembers it for \`countersign disconnect\`. Such a session is \`cooperative\`: the
agent tells of what it does. \`countersign run\` holds it by the kernel. \`countersign doctor\` proves that a connected agent is stopped.

Exit codes: 0 done, 1 refused or failed, 2 wrong use.`;

export const DISCONNECT_HELP = `countersign disconnect — take the firewall out of an agent again

  countersign disconnect claude-code [--project]
  countersign disconnect --all

A file that nobody changed since is put back byte for byte; from a changed one only our entries are taken.

Exit codes: 0 done, 1 refused or failed, 2 wrong use.`;

const say = (line: string) => process.stderr.write(`countersign: ${line}\n`);

/** Runs `countersign connect`; returns the exit code. */
export async function connect(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      project: { type: 'boolean' },
      'dry-run': { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) {
    process.stdout.write(`${CONNECT_HELP}\n`);
    return EXIT.done;
  }
  const agent = agentOf(positionals);
  if (agent === null) return EXIT.usage;
  if (insideSession()) return EXIT.refused;
  const places = placesFrom(process.env, homedir());
  const file = hookFile(
    agent,
    { home: homedir(), project: values.project ? process.cwd() : null },
    process.env,
  );
  const command = hookCommand(agent, findInstallation(), places, process.env['COUNTERSIGN_HOME']);
  if (!file.ok || !command.ok) {
    say(!file.ok ? file.error : !command.ok ? command.error : '');
    return EXIT.refused;
  }
  const plan = planConnection(agent, file.value, command.value);
  if (!plan.ok) {
    say(plan.error);
    return EXIT.refused;
  }
  const known = connections(places).some((one) => one.file === plan.value.file);
  if (known && plan.value.before?.toString('utf8') === plan.value.after) {
    say(`${agent} is connected already: ${plan.value.file}`);
    return EXIT.done;
  }
  process.stdout.write(`${diffOf(plan.value)}\n`);
  if (values['dry-run']) return EXIT.done;
  const done = connectAgent(places, plan.value, Date.now());
  if (!done.ok) {
    say(done.error);
    return EXIT.refused;
  }
  say(
    `connected ${agent}: ${plan.value.file}; a running ${agent} must be started again; prove it with \`countersign doctor\``,
  );
  if (agent === 'codex') say('Codex CLI runs a new hook only after you trusted it: type `/hooks` in it once');
  return EXIT.done;
}

/** Runs `countersign disconnect`; returns the exit code. */
export async function disconnect(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      project: { type: 'boolean' },
      all: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) {
    process.stdout.write(`${DISCONNECT_HELP}\n`);
    return EXIT.done;
  }
  const agent = values.all ? null : agentOf(positionals);
  if (agent === null && !values.all) return EXIT.usage;
  if (insideSession()) return EXIT.refused;
  const places = placesFrom(process.env, homedir());
  const here = process.cwd();
  const chosen = connections(places).filter(
    (one) =>
      values.all === true ||
      (one.agent === agent && one.file.startsWith(`${here}/`) === (values.project === true)),
  );
  // A person whose home is the project has one file for both.
  const found =
    chosen.length > 0 || agent === null ? chosen : connections(places).filter((one) => one.agent === agent);
  if (found.length === 0) {
    say(agent === null ? 'no agent is connected' : `${agent} is not connected`);
    return EXIT.refused;
  }
  let failed = false;
  for (const connection of found) {
    const done = disconnectAgent(places, connection);
    if (!done.ok) failed = true;
    say(
      !done.ok
        ? done.error
        : done.value === 'restored'
          ? `disconnected ${connection.agent}: ${connection.file} is as it was`
          : `disconnected ${connection.agent}: ${connection.file} was changed since, so only our entries were taken out`,
    );
  }
  return failed ? EXIT.refused : EXIT.done;
}

function agentOf(positionals: readonly string[]): HookAgent | null {
  const [name, ...more] = positionals;
  const agent = name === undefined || more.length > 0 ? null : hookAgent(name);
  if (agent === null)
    say(
      name === undefined
        ? `which agent? One of ${AGENTS}`
        : more.length > 0
          ? 'one agent at a time'
          : `no agent \`${visibleLine(name)}\` is known; the known ones are ${AGENTS}`,
    );
  return agent;
}

function insideSession(): boolean {
  if (!process.env['COUNTERSIGN_SESSION']) return false;
  say('this comes from inside an agent session; do it from a terminal of your own');
  return true;
}

function diffOf({ file, before, after }: ConnectionPlan): string {
  const was = before?.toString('utf8') ?? '';
  const lines = diffTexts(was, after).hunks.flatMap((hunk) => [
    `@@ -${hunk.oldStart},${hunk.oldCount} +${hunk.newStart},${hunk.newCount} @@`,
    ...hunk.lines.map(({ sign, text }) => `${sign}${visibleLine(text.replace(/\r?\n$/, ''))}`),
  ]);
  return [`--- ${before === null ? '/dev/null' : file}`, `+++ ${file}`, ...lines].join('\n');
}
