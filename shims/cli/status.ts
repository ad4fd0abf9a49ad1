import { homedir } from 'node:os';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { type DaemonStatus, statusSchema } from '../../electron/wire/control.ts';
import { placesFrom } from '../../electron/wire/places.ts';
import { clip, visibleLine } from '../../electron/wire/terminal-text.ts';
import { connections } from './agent-connection.ts';
import { callFor, connectControl } from './control-client.ts';
import { connectionLines } from './doctor.ts';
import { EXIT } from './exit-codes.ts';

export const HELP = `countersign status — what is armed, what runs, what waits

  countersign status           for people
  countersign status --json    the same as one JSON object

Exit codes: 0 armed, 1 degraded or refusing (said why), 2 wrong use, 3 the daemon is not running.`;

/** Runs `countersign status`; returns the exit code. */
export async function status(argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...argv],
    options: { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
  });
  if (values.help) {
    process.stdout.write(`${HELP}\n`);
    return EXIT.done;
  }
  const connected = await connectControl(placesFrom(process.env, homedir()));
  if (!connected.ok) {
    if (values.json && connected.error.code === 'not_running')
      process.stdout.write(`${JSON.stringify({ state: 'not_running' })}\n`);
    process.stderr.write(`countersign: ${connected.error.message}\n`);
    return connected.error.code === 'not_running' ? EXIT.notRunning : EXIT.refused;
  }
  const answer = await callFor(connected.value, { type: 'status' }, z.strictObject({ status: statusSchema }));
  connected.value.close();
  if (!answer.ok) {
    process.stderr.write(`countersign: ${answer.error.message}\n`);
    return EXIT.refused;
  }
  process.stdout.write(
    values.json
      ? `${JSON.stringify(answer.value)}\n`
      : `${[...statusLines(answer.value.status, Date.now()), ...connectedLines()].join('\n')}\n`,
  );
  return answer.value.status.state === 'armed' ? EXIT.done : EXIT.refused;
}

/** Which agents are connected, and when that was last proven. */
function connectedLines(): readonly string[] {
  const found = connections(placesFrom(process.env, homedir()));
  return found.length === 0 ? [] : ['connected agents:', ...connectionLines(found, Date.now())];
}

/** The status for people, one line a thing. */
function statusLines(s: DaemonStatus, now: number): readonly string[] {
  return [
    `${s.state}: daemon ${s.version}, pid ${s.pid}, up ${duration(now - s.started_at)}`,
    ...s.reasons.map((reason) => `  ! ${visibleLine(reason)}`),
    `policy: ${s.policy.rules} rules of ${visibleLine(s.policy.version)}, ${s.policy.hash.slice(0, 12)}${
      s.policy.fault === null ? '' : `; the last change was not taken: ${visibleLine(s.policy.fault)}`
    }`,
    `ledger: ${s.ledger.receipts} receipts, head ${s.ledger.head.slice(0, 12)}, ${s.ledger.path}${
      s.ledger.fault === null ? '' : `; broken: ${visibleLine(s.ledger.fault)}`
    }`,
    `keys: ${s.keys}`,
    `waiting for you: ${s.waiting}${s.waiting > 0 ? ' (countersign approve)' : ''}`,
    ...(s.queue.refused > 0 ? [`refused because too many came at once: ${s.queue.refused}`] : []),
    s.sessions.length === 0 ? 'sessions: none' : 'sessions:',
    ...s.sessions.flatMap((session) => [
      `  ${session.id}  ${visibleLine(session.product)}  ${session.assurance}  ${session.actions} actions  ${duration(
        now - session.started_at,
      )}${session.request === null ? '' : `  "${clip(visibleLine(session.request), 60)}"`}`,
      ...session.notes.map((note) => `    · ${visibleLine(note)}`),
    ]),
  ];
}

function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}
