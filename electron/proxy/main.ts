import type { DaemonToProxy } from '../wire/proxy-message.ts';

/** The proxy's process (docs/proxy-protocol.md). It is started by the daemon and ends with it. */
function main(): void {
  process.on('message', (_message: DaemonToProxy) => undefined);
  process.on('disconnect', () => process.exit(0));
}

main();
