import { rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { err, ok, type Result } from '../core/result.ts';
import { openDoor } from '../edge/line-socket.ts';
import type { Places } from '../wire/places.ts';
import { serveControl } from './control-door.ts';
import { type GuardDoorPorts, serveGuard } from './guard-door.ts';
import { serveHook } from './hook-door.ts';
import { serveSubmit } from './submit-door.ts';

export interface DoorWiring {
  readonly places: Places;
  readonly control: Parameters<typeof serveControl>[0];
  readonly submit: Parameters<typeof serveSubmit>[0];
  readonly guard: GuardDoorPorts;
  readonly hook: Parameters<typeof serveHook>[0];
}

export interface OpenDoors {
  /** Takes no more connections. */
  close(): void;
  /** Takes the sockets away, while the ledger's lock is ours: after that these paths may be the next daemon's. */
  remove(): void;
}

/** Opens the doors of the daemon (docs/architecture.md), all or none. */
export async function openDoors(
  wiring: DoorWiring,
): Promise<Result<OpenDoors, { readonly code: string; readonly message: string }>> {
  const { places } = wiring;
  const open: { close(): void }[] = [];
  const doors: readonly (readonly [path: string, serve: (socket: Socket) => void])[] = [
    [places.controlSocket, (socket) => serveControl(wiring.control, socket)],
    [places.submitSocket, (socket) => serveSubmit(wiring.submit, socket)],
    [places.guardSocket, (socket) => serveGuard(wiring.guard, socket)],
    [places.hookSocket, (socket) => serveHook(wiring.hook, socket)],
  ];
  const close = () => {
    for (const door of open) door.close();
  };
  for (const [path, serve] of doors) {
    const opened = await openDoor(path, serve);
    if (!opened.ok) {
      close();
      return err({ code: opened.error.code, message: opened.error.message });
    }
    open.push(opened.value);
  }
  return ok({
    close,
    remove: () => {
      for (const [path] of doors) rmSync(path, { force: true });
    },
  });
}
