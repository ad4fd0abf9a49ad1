import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { parseArgs } from 'node:util';
import { canaryPayload, readCanaryAnswer } from '../../electron/wire/hook/canary.ts';
import { hookEvents, hooksAreOff, hooksIn, proofEvent } from '../../electron/wire/hook/config.ts';
import { placesFrom } from '../../electron/wire/places.ts';
import { visibleLine } from '../../electron/wire/terminal-text.ts';
import { type Connection, connections, HOOK_WAIT_S, hookIdentity, noteProof } from './agent-connection.ts';
import { EXIT } from './exit-codes.ts';
import { findInstallation, type Installation } from './installation.ts';

export const HELP = `countersign doctor — proves that each connected agent is really stopped

  countersign doctor           runs each agent's hook, exactly as it is configured, with a pretend call that must come back denied
  countersign doctor --json    the same as one JSON object

Exit codes: 0 every connected agent is proven, 1 one is not, or none is connected, 2 wrong use.`;

/** What doctor found of one connection. */
interface Finding {
  readonly agent: string;
  readonly file: string;
  readonly proven: boolean;
  readonly reasons: readonly string[];
}

const CANARY_MS = 40_000;

/** Runs `countersign doctor`; returns the exit code. */
export async function doctor(argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...argv],
    options: { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
  });
  if (values.help) {
    process.stdout.write(`${HELP}\n`);
    return EXIT.done;
  }
  const places = placesFrom(process.env, homedir());
  const installation = findInstallation();
  const findings: Finding[] = [];
  for (const connection of connections(places)) {
    const finding = await examine(connection, installation);
    findings.push(finding);
    const hook = installation.hook === null ? null : hookIdentity(installation.hook);
    noteProof(places, connection, finding.proven && hook !== null ? { at: Date.now(), hook } : null);
  }
  const proven = findings.length > 0 && findings.every((finding) => finding.proven);
  if (values.json) process.stdout.write(`${JSON.stringify({ proven, agents: findings })}\n`);
  else process.stdout.write(`${findingLines(findings).join('\n')}\n`);
  return proven ? EXIT.done : EXIT.refused;
}

function findingLines(findings: readonly Finding[]): readonly string[] {
  if (findings.length === 0) return ['no agent is connected; `countersign connect AGENT` connects one'];
  return findings.flatMap(({ agent, file, proven, reasons }) => [
    `${agent}: ${proven ? 'proven: a pretend call was denied by policy' : 'NOT proven'} (${visibleLine(file)})`,
    ...reasons.map((reason) => `  ! ${visibleLine(reason)}`),
  ]);
}

/** Everything that could keep an agent from being stopped, and then the real path. */
async function examine(connection: Connection, installation: Installation): Promise<Finding> {
  const { agent, file } = connection;
  const found = (reasons: readonly string[]): Finding => ({
    agent,
    file,
    proven: reasons.length === 0,
    reasons,
  });
  if (!existsSync(file))
    return found([`the agent's file is gone; run \`countersign connect ${agent}\` again`]);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    return found([`the agent's file cannot be read: ${(cause as Error).message}`]);
  }
  const hooks = hooksIn(text, agent);
  if (!hooks.ok) return found([`the agent's file cannot be understood: ${hooks.error}`]);
  const reasons: string[] = [];
  if (hooksAreOff(text)) reasons.push('the agent is told to run no hooks at all');
  const missing = hookEvents(agent).filter((event) => !hooks.value.some((hook) => hook.event === event));
  if (missing.length > 0) reasons.push(`our hook is gone from ${missing.join(', ')}`);
  const short = hooks.value.filter(({ timeoutS }) => timeoutS !== null && timeoutS <= HOOK_WAIT_S);
  if (short.length > 0)
    reasons.push(
      `the agent waits only ${short[0]?.timeoutS} s for ${short[0]?.event}, and then goes on; ours denies after ${HOOK_WAIT_S} s`,
    );
  if (installation.hook === null) reasons.push('this installation has no hook: it was not built');
  const foreign = hooks.value.find(
    ({ command }) => installation.hook !== null && !command.startsWith(quotedStart(installation.hook)),
  );
  if (foreign !== undefined)
    reasons.push(`the hook of another installation stands there; run \`countersign connect ${agent}\` again`);
  for (const { event, command } of hooks.value.filter(({ event }) => event === proofEvent(agent))) {
    const why = await prove(agent, event, command);
    if (why !== null) reasons.push(why);
  }
  return found(reasons);
}

function quotedStart(path: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(path) ? `${path} ` : `'${path.replaceAll("'", `'\\''`)}' `;
}

/** Runs one hook as the agent would; null when it denied because policy says so, else why that is no proof. */
async function prove(agent: Connection['agent'], event: string, command: string): Promise<string | null> {
  const answer = await runHook(command, canaryPayload(agent, event, process.cwd()));
  if (answer.late) return `the hook of ${event} did not end within ${CANARY_MS / 1000} s`;
  const said = (answer.stderr || answer.stdout).trim().split('\n')[0]?.slice(0, 300) ?? '';
  switch (readCanaryAnswer(agent, answer)) {
    case 'denied':
      return null;
    case 'denied-unjudged':
      return `the hook of ${event} denied by itself, because nobody judged the call: ${said}`;
    case 'let-through':
      return `the hook of ${event} let a call through that must be denied (it ended with ${answer.status}${said === '' ? '' : `: ${said}`})`;
  }
}

interface HookRun {
  readonly stdout: string;
  readonly stderr: string;
  readonly status: number | null;
  readonly late: boolean;
}

function runHook(command: string, payload: string): Promise<HookRun> {
  return new Promise((resolve) => {
    const child = spawn('/bin/sh', ['-c', command], { stdio: ['pipe', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
    }, CANARY_MS);
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      stdout = (stdout + chunk).slice(0, 64 * 1024);
    });
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      stderr = (stderr + chunk).slice(0, 64 * 1024);
    });
    // A hook that does not read is found out by what it answers.
    child.stdin.on('error', () => undefined);
    child.stdin.end(payload);
    child.once('error', () => undefined);
    child.once('close', (status) => {
      clearTimeout(timer);
      resolve({ stdout, stderr, status, late });
    });
  });
}

/** What `countersign status` says of connected agents: connected is not proven. */
export function connectionLines(found: readonly Connection[], now: number): readonly string[] {
  return found.map(({ agent, file, proof }) => {
    const age = proof === null ? null : Math.round((now - proof.at) / 60_000);
    const said =
      age === null
        ? 'never proven (countersign doctor)'
        : `proven ${age < 120 ? `${age} min` : `${Math.round(age / 60)} h`} ago`;
    return `  ${agent}  ${said}  ${visibleLine(file)}`;
  });
}
