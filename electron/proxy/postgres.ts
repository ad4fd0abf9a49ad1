import type { Duplex } from 'node:stream';
import type { Payload } from '../core/data/payload.ts';
import type { UntrustedSignal } from '../wire/proxy-message.ts';
import { type RunningSession, runSession } from './postgres-session.ts';
import { loadSqlReader } from './postgres-sql.ts';
import { newCancelKey, refuseStartup, startUp } from './postgres-startup.ts';
import type { ServePostgres } from './protocol-handler.ts';

/** What looks at statements and rows; `key` is that of the fingerprints. */
export interface PostgresInspection {
  scan(bytes: Uint8Array, key: Uint8Array): Payload;
  signals(text: string, contentType: string | null): readonly UntrustedSignal[];
}

/** Makes the handler of PostgreSQL's protocol (AARM R1, R9.a–c), for all connections of one proxy: a cancel request comes on one of its own. */
export function createPostgresHandler(inspection: PostgresInspection): ServePostgres {
  const sessions = new Map<string, RunningSession>();
  const reading = loadSqlReader();
  reading.catch(() => undefined);
  return async (socket: Duplex, database, context) => {
    socket.on('error', () => undefined);
    const readSql = await reading;
    const started = await startUp(socket, context);
    if (!started.ok) {
      context.refused(started.error.code, started.error.message);
      refuseStartup(started.error);
      return;
    }
    if (started.value.kind === 'cancel') {
      const target = sessions.get(`${started.value.pid} ${started.value.secret}`);
      if (target !== undefined && target.session === context.route.session) target.cancel();
      socket.end();
      return;
    }
    const key = newCancelKey();
    const name = `${key.pid} ${key.secret}`;
    const { socket: client, source, user, database: db, parameters, placeholder } = started.value;
    const running = runSession(
      {
        client,
        source,
        user,
        database: db,
        parameters,
        placeholder,
        route: database,
        context,
        inspect: {
          scan: (bytes) => inspection.scan(bytes, context.settings.fingerprintKey),
          signals: (text) => inspection.signals(text, null),
        },
        readSql,
      },
      key,
    );
    sessions.set(name, running);
    try {
      await running.ended;
    } finally {
      sessions.delete(name);
      if (!client.destroyed) client.end();
    }
  };
}
