import { readlinkSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename } from 'node:path';
import { err, ok, type Result } from '../../electron/core/result.ts';
import { waitingText } from '../../electron/wire/answer-text.ts';
import { sessionOpenedSchema } from '../../electron/wire/control.ts';
import { MAX_QUESTION_TEXT } from '../../electron/wire/mcp/envelope.ts';
import { placesFrom } from '../../electron/wire/places.ts';
import { visibleLine } from '../../electron/wire/terminal-text.ts';
import type { Asker, Ruling } from '../mcp/asker.ts';
import { hostAsker, surfaceAround } from '../mcp/host-asker.ts';
import { serverIdentity } from '../mcp/server-identity.ts';
import { bridgeStdio } from '../mcp/stdio.ts';
import { mintAgentKey } from './agent-key.ts';
import { wrongUse } from './command-words.ts';
import { type ControlConnection, callFor } from './control-client.ts';
import { reachDaemon } from './daemon-process.ts';
import { EXIT } from './exit-codes.ts';
import { findInstallation } from './installation.ts';
import { createSubmitClient, type SubmitClient } from './submit-client.ts';

const HELP = `countersign mcp — stand between an MCP client and a server

  countersign mcp -- npx -y @modelcontextprotocol/server-filesystem ~/work
  countersign mcp --name files -- node server.js

  In a client's configuration put \`countersign\` in place of the server's command, and \`mcp\`, \`--\` and the
  command before the server's own arguments. Each call is judged before the server hears of it; a denied one is answered with
  an error that the model can read. What a server says of its tools is remembered: a tool that is new or has changed stays
  hidden until you allowed it (\`countersign approve\`).

  --name NAME        what to call the server in rules and receipts (default: its package or program)
  --wait SECONDS     how long a client that does not ask for progress is kept waiting for you (default: 50)

  Inside \`countersign run\` it belongs to that session; elsewhere it opens one of its own, which is \`cooperative\`: it
  sees what goes through it and nothing else.`;

const DRAIN_MS = 2000;
const DEFAULT_WAIT_S = 50;
const SURFACE_GRACE_MS = 2500;

interface McpRequest {
  readonly name: string | null;
  readonly waitMs: number;
  readonly words: readonly string[];
}

/** Runs \`countersign mcp\`; returns the exit code, which is the server's where it ended by itself. */
export async function mcp(argv: readonly string[]): Promise<number> {
  const request = readArguments(argv);
  if (!request.ok) {
    if (request.error !== 'help') return wrongUse('mcp', request.error);
    process.stdout.write(`${HELP}\n`);
    return EXIT.done;
  }
  const say = (line: string) => process.stderr.write(`countersign: ${line.replace(/^countersign: /, '')}\n`);
  const { words, name, waitMs } = request.value;
  const cwd = process.cwd();
  const server = serverIdentity(words, cwd, process.env['PATH'] ?? '/usr/bin:/bin', name);
  const stdio = { words, server, cwd, say, patienceMs: waitMs };
  const surface = surfaceAround(process.env, process.ppid);
  if (surface !== null) {
    const deadlineMs = Number(process.env['COUNTERSIGN_DEADLINE_MS']) || 10_000 + SURFACE_GRACE_MS;
    return bridgeStdio({ ...stdio, asker: hostAsker(surface, deadlineMs) });
  }
  const places = placesFrom(process.env, homedir());
  const connected = await reachDaemon(places, findInstallation(), say);
  if (!connected.ok) {
    say(connected.error.message);
    return connected.error.code === 'not_running' ? EXIT.notRunning : EXIT.refused;
  }
  try {
    return await ownSession(connected.value, request.value, stdio);
  } finally {
    connected.value.close();
  }
}

/** Opens a session for this one server, starts it if policy has nothing against that, and closes the session with it. */
async function ownSession(
  control: ControlConnection,
  { words }: McpRequest,
  stdio: Omit<Parameters<typeof bridgeStdio>[0], 'asker'>,
): Promise<number> {
  const key = mintAgentKey();
  const opened = await callFor(
    control,
    {
      type: 'session.open',
      intent: null,
      workspace: stdio.cwd,
      argv: words.map((word) => word.slice(0, 65536)).slice(0, 4096),
      runner_pid: process.pid,
      agent: { product: clientName(), version: null, binary_hash: null, public_key: key.publicKey },
      assurance: 'cooperative',
      guard: null,
      secrets: [],
      secret_settings: {},
    },
    sessionOpenedSchema,
  );
  if (!opened.ok) {
    stdio.say(opened.error.message);
    return EXIT.refused;
  }
  const session = opened.value;
  const submitter = createSubmitClient({
    socketPath: session.submit_socket,
    session: session.session,
    secret: session.secret,
    key,
    deadlineMs: session.deadline_ms,
  });
  let code: number = EXIT.refused;
  const startedAt = Date.now();
  const start = await mayStart(submitter, stdio.words, stdio.cwd, stdio.say);
  if (start.ok) {
    code = await bridgeStdio({ ...stdio, asker: submitAsker(submitter) });
    if (start.value !== null) submitter.outcome(start.value, { kind: 'exit', code }, startedAt);
  } else stdio.say(`the server is not started: ${visibleLine(start.error)}`);
  await submitter.drain(DRAIN_MS);
  await control.call(
    { type: 'session.close', session: session.session, exit_code: code, signal: null },
    DRAIN_MS,
  );
  return code;
}

/** Outside of a session nothing else sees the start of the server: it is asked about as a program is. */
async function mayStart(
  submitter: SubmitClient,
  words: readonly string[],
  cwd: string,
  say: (line: string) => void,
): Promise<Result<string | null, string>> {
  const asking = submitter.submit(
    {
      surface: 'shell',
      operation: 'exec',
      command_line: null,
      argv: [...words],
      argv_base64: null,
      dialect: 'unknown',
      cwd,
      variables: {},
      script: null,
      parts_follow: false,
      interactive: false,
      pid: process.pid,
      claim: null,
      depends_on: [],
    },
    (waiting) => say(waitingText(waiting, waiting.deadline - Date.now()).trimEnd()),
  );
  const decided = await asking.decided;
  if (!decided.ok) return decided;
  const { result, reason, rule, action } = decided.value;
  if (result === 'ALLOW') return ok(action);
  return err(`${reason}${rule === null ? '' : ` [${rule}]`}`);
}

/** Asks the daemon itself, signed with the key of this session's agent instance. */
export function submitAsker(submitter: SubmitClient): Asker {
  return {
    ask(question, onWaiting) {
      if (JSON.stringify(question).length > MAX_QUESTION_TEXT)
        return {
          ruled: Promise.resolve(
            err(`it is too long to be judged (${MAX_QUESTION_TEXT} characters at most)`),
          ),
          cancel: () => undefined,
        };
      try {
        const asking = submitter.submit(question, onWaiting);
        const ruled = asking.decided.then((decided): Result<Ruling, string> => {
          if (!decided.ok) return decided;
          const decision = decided.value;
          const startedAt = Date.now();
          return ok({
            decision,
            end: (ending, returned) => {
              if (decision.action !== null) submitter.outcome(decision.action, ending, startedAt, returned);
            },
          });
        });
        return { ruled, cancel: asking.cancel };
      } catch (cause) {
        // A text with half a character has no canonical form, so it cannot be signed.
        return { ruled: Promise.resolve(err((cause as Error).message)), cancel: () => undefined };
      }
    },
  };
}

/** The program that started us, as the system names it. */
function clientName(): string {
  try {
    return basename(readlinkSync(`/proc/${process.ppid}/exe`)).slice(0, 256) || 'mcp-client';
  } catch {
    return 'mcp-client';
  }
}

function readArguments(argv: readonly string[]): Result<McpRequest, string> {
  let name: string | null = null;
  let waitMs = DEFAULT_WAIT_S * 1000;
  let at = 0;
  for (; at < argv.length; at += 1) {
    const word = argv[at] ?? '';
    if (word === '--help' || word === '-h') return err('help');
    if (word === '--') break;
    const value = argv[at + 1];
    if (word === '--name' && value !== undefined) name = value;
    else if (word === '--wait' && value !== undefined && /^\d{1,4}$/.test(value))
      waitMs = Number(value) * 1000;
    else if (word === '--name' || word === '--wait') return err(`\`${word}\` needs a value`);
    else return err(`unknown option \`${visibleLine(word)}\`; the server's command comes after \`--\``);
    at += 1;
  }
  const words = argv.slice(at + 1);
  if (words.length === 0 || words[0] === '') return err('no server to start; give its command after `--`');
  return ok({ name, waitMs, words });
}
