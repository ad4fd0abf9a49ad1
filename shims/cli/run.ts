import { mkdirSync, realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { err, ok, type Result } from '../../electron/core/result.ts';
import { loadCredentialTable } from '../../electron/edge/credential-table.ts';
import { sessionOpenedSchema } from '../../electron/wire/control.ts';
import { type Places, placesFrom } from '../../electron/wire/places.ts';
import { visibleLine } from '../../electron/wire/terminal-text.ts';
import { openSurface, type SurfaceHost } from '../shell/surface-host.ts';
import { agentEnvironment } from './agent-environment.ts';
import { mintAgentKey } from './agent-key.ts';
import { type AgentEnd, type AgentProcess, runOnTerminal, runPlain } from './agent-process.ts';
import { findOnPath, hashOf } from './agent-program.ts';
import { type ControlConnection, callFor } from './control-client.ts';
import { reachDaemon } from './daemon-process.ts';
import { EXIT } from './exit-codes.ts';
import {
  configuredHosts,
  type GuardPlan,
  layoutWorld,
  makeTemp,
  planGuard,
  probeGuard,
  removeTemp,
  writablePlaces,
  writeGuardConfig,
} from './guard-launch.ts';
import { layoutOf, stateOfAgent } from './guard-layout.ts';
import { findSecrets, placeholderEnvironment } from './handed-secrets.ts';
import { findInstallation } from './installation.ts';
import { makePreviewFolder, removePreviewFolder } from './preview-folder.ts';
import { settlePreview } from './preview-settle.ts';
import { type RunRequest, readArguments } from './run-request.ts';
import { makeSessionDir } from './session-dir.ts';
import { CLASSIFIED_NAMES, openingLines, sessionNotes } from './session-notes.ts';
import { createSubmitClient } from './submit-client.ts';
import { writeTrust } from './trust-environment.ts';

export const HELP = `countersign run — start an agent under the firewall

  countersign run -- claude                     an agent, on this terminal
  countersign run -- bash                       a shell; each command typed there is an agent's action
  countersign run --intent "fix the login test" -- codex
  echo 'ls' | countersign run -- bash           without a terminal: plain bytes in and out

  --intent TEXT      what this session is for, in your words (asked for on a terminal; Enter: not said)
  --workspace DIR    the directory the work is about (default: this one)
  --guard MODE       auto (default: the strongest that works here), full, nested (programs inside may make sandboxes
                     of their own), landlock, or off (interception without the kernel: \`cooperative\`)
  --preview          run it on a copy of what it may write and without a network, show what it would do, then ask: commit or discard
                     (without a terminal nothing is kept); --commit or --discard answer beforehand, --json prints the
                     effects on standard output (what the program says goes to standard error)
  --verbose          say which session this is, also without a terminal

  In a \`cooperative\` session Node and Python programs load a part of ours (NODE_OPTIONS, PYTHONPATH) that asks about their
  files and connections; COUNTERSIGN_FILE_SHIM=off in *your* environment leaves it out, for tools that do not run with it.

Ends as the agent ended: same exit code, same signal. Before it started: 1 refused, 2 wrong use, 3 no daemon,
126 cannot be run, 127 no such program. A denied command ends with 126 inside the session.`;

const DRAIN_MS = 2000;

/** Runs `countersign run`; returns the exit code, or ends this process by the signal that ended the agent. */
export async function run(argv: readonly string[]): Promise<number> {
  const request = readArguments(argv);
  if (!request.ok) {
    if (request.error === 'help') process.stdout.write(`${HELP}\n`);
    else process.stderr.write(`countersign: ${request.error}; see \`countersign run --help\`\n`);
    return request.error === 'help' ? EXIT.done : EXIT.usage;
  }
  const say = (line: string) => process.stderr.write(`countersign: ${line}\n`);
  if (process.env['COUNTERSIGN_SESSION']) {
    say('this is already inside a session; run it without `countersign run`');
    return EXIT.usage;
  }
  const { command } = request.value;
  const program = findOnPath(command[0] ?? '');
  if (program === null) {
    say(`no such program: \`${visibleLine(command[0] ?? '')}\``);
    return EXIT.notFound;
  }
  const places = placesFrom(process.env, homedir());
  const installation = findInstallation();
  const guard = installation.guard;
  const plan = planGuard(request.value.guard, guard, () =>
    guard === null ? { best: null, steps: [] } : probeGuard(guard, places.run),
  );
  if (!plan.ok) {
    say(plan.error);
    return EXIT.refused;
  }
  const { preview } = request.value;
  if (preview !== null && (plan.value.mode === null || plan.value.mode === 'landlock')) {
    say(`a preview needs the whole guard${plan.value.notice === null ? '' : `: ${plan.value.notice}`}`);
    return EXIT.refused;
  }
  const connected = await reachDaemon(places, installation, say);
  if (!connected.ok) {
    say(connected.error.message);
    return connected.error.code === 'not_running' ? EXIT.notRunning : EXIT.refused;
  }
  const onTerminal = Boolean(process.stdin.isTTY && process.stdout.isTTY && preview?.json !== true);
  const intent = request.value.intent ?? (onTerminal ? await askIntent() : null);
  const opened = await runSession(
    connected.value,
    places,
    { ...request.value, intent },
    plan.value,
    program,
    onTerminal,
    say,
  );
  connected.value.close();
  if (!opened.ok) {
    say(opened.error);
    return EXIT.refused;
  }
  return endAs(opened.value);
}

/** Opens the session, runs the agent in it, and closes it again, whatever happened in between. */
async function runSession(
  control: ControlConnection,
  places: Places,
  request: RunRequest,
  plan: GuardPlan,
  program: string,
  onTerminal: boolean,
  say: (line: string) => void,
): Promise<Result<AgentEnd, string>> {
  const key = mintAgentKey();
  const installation = findInstallation();
  const temp = plan.mode === null ? null : makeTemp(plan.mode === 'landlock' ? places.temp : null);
  const bare = plan.mode === 'landlock';
  const home = homedir();
  const world = layoutWorld(home, process.getuid?.() ?? -1);
  const own = [places.state, places.config, places.run, places.temp];
  // What the person starts for the first time would make this itself; it is part of starting it.
  const state = plan.mode === null ? null : stateOfAgent(request.command[0] ?? '');
  if (state !== null) mkdirSync(join(home, state), { recursive: true, mode: 0o700 });
  const before =
    plan.mode === null
      ? null
      : layoutOf(
          {
            workspace: request.workspace,
            own,
            installation: installation.root,
            env: process.env,
          },
          world,
        );
  const made =
    request.preview === null || before === null
      ? null
      : makePreviewFolder(places.state, writablePlaces(before), request.command);
  if (made !== null && !made.ok) {
    if (temp !== null) removeTemp(temp);
    return made;
  }
  const folder = made === null ? null : made.value;
  const table = loadCredentialTable();
  if (!table.ok) {
    if (temp !== null) removeTemp(temp);
    if (folder !== null) removePreviewFolder(folder);
    return table;
  }
  const handed = findSecrets(process.env, home, table.value);
  const notes = sessionNotes(plan, handed);
  const opened = await callFor(
    control,
    {
      type: 'session.open',
      intent: request.intent,
      workspace: request.workspace,
      argv: request.command.map((word) => word.slice(0, 65536)).slice(0, 4096),
      runner_pid: process.pid,
      agent: {
        product: basename(request.command[0] ?? '').slice(0, 256),
        version: null,
        binary_hash: await hashOf(program),
        public_key: key.publicKey,
      },
      assurance: plan.assurance,
      guard:
        before === null
          ? null
          : {
              writable: [...before.workspace],
              tools: [...before.tools, ...(bare && temp !== null ? [temp] : [])],
              temp: bare ? null : temp,
              veiled: [...before.veiled],
              hosts: [...configuredHosts(process.env)],
              ...(folder === null ? {} : { preview: true }),
            },
      secrets: [...handed.secrets, ...handed.exposed],
      secret_settings: { ...handed.settings },
      notes: [...notes],
    },
    sessionOpenedSchema,
  );
  if (!opened.ok) {
    if (temp !== null) removeTemp(temp);
    if (folder !== null) removePreviewFolder(folder);
    return err(opened.error.message);
  }
  const session = opened.value;
  const path = process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin';
  // Where the kernel holds every program, programs need no shims: the shells' own line is all that is asked before.
  const shims = plan.mode === null ? session.shims : [];
  const dir = makeSessionDir(
    places.sessions,
    session.session,
    shims,
    installation,
    path,
    session.calm,
    session.proxy?.port ?? null,
  );
  if (!dir.ok) return closing(dir);
  const trust = writeTrust(dir.value.path, session.authority, process.env);
  if (!trust.ok) {
    dir.value.remove();
    return closing(trust);
  }
  const submitter = createSubmitClient({
    socketPath: session.submit_socket,
    session: session.session,
    secret: session.secret,
    key,
    deadlineMs: session.deadline_ms,
  });
  let agent: AgentProcess | null = null;
  const surface = await openSurface({
    socketPath: dir.value.socket,
    submitter,
    now: Date.now,
    onAgent: (state) => {
      if (state.kind === 'stopped') agent?.onStopped(state.signal);
    },
  });
  if (!surface.ok) {
    dir.value.remove();
    return closing(surface);
  }
  const placeholders = placeholderEnvironment(dir.value.path, handed, session.environment);
  // Without a terminal standard error may be somebody's log: `countersign status` says it all.
  if (onTerminal || request.verbose)
    for (const line of openingLines({ ...session, notes, verbose: request.verbose })) say(visibleLine(line));
  const command =
    plan.mode === null || before === null || installation.guard === null
      ? request.command
      : [
          installation.guard,
          writeGuardConfig(dir.value.path, {
            mode: plan.mode,
            session: session.session,
            key: session.secret,
            daemonSocket: session.guard_socket,
            terminal: onTerminal,
            cwd: process.cwd(),
            layout: { ...before, shown: [...before.shown, realpathSync(dir.value.path)] },
            temp: temp ?? '/tmp',
            overlay: folder === null ? null : folder.layers,
            command: request.command,
            watched: CLASSIFIED_NAMES,
          }),
        ];
  const launch = {
    init: dir.value.init,
    directory: dir.value.path,
    command,
    cwd: process.cwd(),
    signalAgent: (number: number) => surface.value.signalAgent(number),
    toStandardError: request.preview?.json === true,
    env: {
      ...agentEnvironment(plan.mode, temp, {
        path,
        session: session.session,
        directory: dir.value.path,
        socket: dir.value.socket,
        shims: dir.value.shims,
        bashIntegration: dir.value.bashIntegration,
        fileShim: process.env['COUNTERSIGN_FILE_SHIM'] === 'off' ? null : dir.value.fileShim,
        deadlineMs: session.deadline_ms,
        trust: trust.value,
        proxy: session.proxy === null ? null : { session: session.session, ...session.proxy },
      }),
      ...placeholders,
    },
  };
  agent = onTerminal ? await runOnTerminal(launch) : runPlain(launch);
  const end = await agent.ended;
  await finish(surface.value);
  if (folder === null || request.preview === null || before === null || installation.guard === null)
    return closing(ok(end));
  const settled = await settlePreview({
    folder,
    workspaces: before.workspace.length,
    ...request.preview,
    onTerminal,
    guard: installation.guard,
    session: session.session,
    control,
    say,
  });
  // Whoever asked for a commit must not take a failed one for a success.
  return closing(
    ok(settled || end.signal !== null || end.code !== 0 ? end : { code: EXIT.refused, signal: null }),
  );

  async function finish(host: SurfaceHost): Promise<void> {
    host.close();
    await submitter.drain(DRAIN_MS);
    if (dir.ok) dir.value.remove();
  }
  /** The session's end is a receipt too. Best effort: a dead daemon shows as a session without an end. */
  async function closing(result: Result<AgentEnd, string>): Promise<Result<AgentEnd, string>> {
    const how = result.ok ? result.value : { code: null, signal: null };
    await control.call(
      { type: 'session.close', session: session.session, exit_code: how.code, signal: how.signal },
      DRAIN_MS,
    );
    if (temp !== null) removeTemp(temp);
    if (folder !== null && !result.ok) removePreviewFolder(folder);
    return result;
  }
}

async function askIntent(): Promise<string | null> {
  const asking = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const text = await asking.question('countersign: what is this session for? (Enter: not said) ');
    return text.trim() === '' ? null : text.trim();
  } catch {
    return null;
  } finally {
    asking.close();
  }
}

function endAs(end: AgentEnd): number {
  if (end.signal === null) return end.code ?? EXIT.refused;
  process.removeAllListeners(end.signal);
  process.kill(process.pid, end.signal);
  // Unreachable for the deadly ones; for the rest, as a shell would say it.
  return EXIT.denied;
}
