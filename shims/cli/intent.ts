import { homedir } from 'node:os';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { sessionViewSchema } from '../../electron/wire/control.ts';
import { placesFrom } from '../../electron/wire/places.ts';
import { visibleLine } from '../../electron/wire/terminal-text.ts';
import { callFor, connectControl } from './control-client.ts';

export const HELP = `countersign intent — what a session is for, in your words

  countersign intent show [--json]                  the live sessions and what they are for
  countersign intent set 'TEXT' [--session SESSION] say it; what waits for it is judged again

Exit codes: 0 done, 1 refused, 2 wrong use, 3 the daemon is not running.`;

const sessionsSchema = z.object({ sessions: z.array(sessionViewSchema) });

/** Runs `countersign intent`; returns the exit code. */
export async function intent(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      session: { type: 'string' },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  const [verb, text] = positionals;
  if (
    values.help ||
    (verb !== 'show' && verb !== 'set') ||
    (verb === 'set' && (text === undefined || text.trim() === ''))
  ) {
    (values.help ? process.stdout : process.stderr).write(`${HELP}\n`);
    return values.help ? 0 : 2;
  }
  const connected = await connectControl(placesFrom(process.env, homedir()));
  if (!connected.ok) {
    process.stderr.write(`countersign: ${connected.error.message}\n`);
    return connected.error.code === 'not_running' ? 3 : 1;
  }
  const connection = connected.value;
  try {
    const listed = await callFor(connection, { type: 'sessions.list' }, sessionsSchema);
    if (!listed.ok) {
      process.stderr.write(`countersign: ${listed.error.message}\n`);
      return 1;
    }
    const { sessions } = listed.value;
    if (verb === 'show' || text === undefined) {
      if (values.json) process.stdout.write(`${JSON.stringify(sessions, null, 2)}\n`);
      else if (sessions.length === 0) process.stdout.write('no session is live\n');
      else
        for (const s of sessions)
          process.stdout.write(
            `${s.id}  ${visibleLine(s.product)}  ${s.request === null ? '(nobody said)' : visibleLine(s.request)}\n`,
          );
      return 0;
    }
    const chosen = values.session === undefined ? sessions : sessions.filter((s) => s.id === values.session);
    const [only] = chosen;
    if (only === undefined || chosen.length > 1) {
      process.stderr.write(
        only === undefined
          ? 'countersign: no such live session\n'
          : 'countersign: more than one session is live; name one with --session\n',
      );
      return 2;
    }
    const reply = await connection.call({ type: 'intent.set', session: only.id, text });
    process[reply.ok ? 'stdout' : 'stderr'].write(
      reply.ok ? `noted for ${only.id}\n` : `countersign: ${reply.error.message}\n`,
    );
    return reply.ok ? 0 : 1;
  } finally {
    connection.close();
  }
}
