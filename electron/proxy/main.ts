import { scanPayload } from '../core/data/scan.ts';
import { untrustedSignals } from '../core/data/untrusted.ts';
import { nodeHasher } from '../edge/hasher.ts';
import { inflate } from '../edge/inflate.ts';
import { describeRequest } from '../wire/http/request.ts';
import type { DaemonToProxy, ProxySettings } from '../wire/proxy-message.ts';
import { type Authority, openAuthority } from './authority.ts';
import { makeChannel } from './channel.ts';
import { upstreamRoots } from './dial.ts';
import { makeHoldBudget } from './hold-budget.ts';
import type { Inspection, Workings } from './inspection.ts';
import { openListener } from './listener.ts';
import type { ServePostgres } from './protocol-handler.ts';
import { makeRoutes } from './routes.ts';
import { createSshAgents } from './ssh-agent.ts';
import { makeUpstream, type Upstream } from './upstream.ts';

const inspection: Inspection = {
  describe: (input) => describeRequest(input, nodeHasher),
  scan: (bytes, key, inspected) => scanPayload(bytes, { key, inflate, inspected }),
  signals: untrustedSignals,
};

/** The reader of SQL takes memory and a moment: it is there once somebody speaks to a database. */
function lazyPostgres(): ServePostgres {
  let loading: Promise<ServePostgres> | null = null;
  return async (socket, database, context) => {
    loading ??= import('./postgres.ts').then(({ createPostgresHandler }) =>
      createPostgresHandler({
        scan: (bytes, key) => inspection.scan(bytes, key, 'whole'),
        signals: inspection.signals,
      }),
    );
    const serve = await loading;
    await serve(socket, database, context);
  };
}

/** What the first settings made; later ones change it. */
interface Running {
  settings: ProxySettings;
  authority: Authority;
  readonly upstream: Upstream;
}

/** The proxy's process (docs/proxy-protocol.md). It is started by the daemon and ends with it. */
function main(): void {
  // No word of what went wrong: what was parsed may stand in the message. The daemon starts another.
  process.on('uncaughtException', (error) => {
    const code = (error as NodeJS.ErrnoException).code;
    process.stderr.write(
      `the proxy failed: ${error.name}${code === undefined ? '' : ` (${code})`}${placeOf(error)}\n`,
    );
    process.exit(1);
  });
  if (process.send === undefined) {
    process.stderr.write('the proxy is started by the daemon\n');
    process.exit(2);
  }
  const channel = makeChannel((message) => {
    // Whatever cannot be sent is no longer owed an answer: the channel closes, and the process ends.
    process.send?.(message, undefined, undefined, () => undefined);
  });
  const routes = makeRoutes();
  const servePostgres = lazyPostgres();
  const agents = createSshAgents({
    ask: (session, question, signal) => channel.ask({ session, scope: null }, question, [], signal),
    report: channel.report,
    refused: channel.refused,
    now: Date.now,
  });
  let starting: Promise<Running> | null = null;

  const settle = async (settings: ProxySettings): Promise<void> => {
    if (starting === null) {
      starting = start(settings);
      await starting;
      return;
    }
    const running = await starting;
    running.authority = await openAuthority(settings.caCertificatePem, settings.caKeyPem);
    running.upstream.setRoots(upstreamRoots(settings.extraRoots));
    running.settings = settings;
  };
  const start = async (settings: ProxySettings): Promise<Running> => {
    const authority = await openAuthority(settings.caCertificatePem, settings.caKeyPem);
    const upstream = makeUpstream(upstreamRoots(settings.extraRoots));
    const running: Running = { settings, authority, upstream };
    const workings: Workings = {
      channel,
      routes,
      upstream,
      inspection,
      held: makeHoldBudget(),
      servePostgres,
      settings: () => running.settings,
    };
    const { port } = await openListener(workings, () => running.authority, settings.port ?? null);
    channel.ready(port);
    return running;
  };

  process.on('message', (message: DaemonToProxy) => {
    switch (message.kind) {
      case 'settings':
        // A failure here is a failure of the process: it would serve with what is no longer so.
        return void settle(message.settings);
      case 'route':
        return routes.add(message.route);
      case 'placeholders':
        return routes.setPlaceholders(message.session, message.values);
      case 'forget':
        routes.forget(message.session);
        agents.forget(message.session);
        return void starting?.then(({ upstream }) => upstream.forget(message.session));
      case 'ssh-agent':
        return void agents.set(message).catch(() => {
          channel.refused(message.session, 'ssh_agent', 'the socket of the SSH agent cannot be made', null);
        });
      case 'answer':
      case 'waiting':
        return channel.receive(message);
    }
  });
  process.on('disconnect', () => {
    channel.lose();
    process.exit(0);
  });
}

/** Where in the code it happened: file and line of the first frame. */
function placeOf(error: Error): string {
  const found = /\/([\w.-]+\.[jt]s:\d+)/.exec(
    error.stack?.split('\n').find((line) => /^\s+at /.test(line)) ?? '',
  );
  return found === null ? '' : ` at ${found[1]}`;
}

main();
