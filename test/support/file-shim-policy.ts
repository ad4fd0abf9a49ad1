import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Installation } from './installation.ts';

/** Rules that settle what the packs would ask a person about, so that a test needs nobody. */
const PACK = `pack: file-shim-test
version: 1.0.0
description: Denies what the packs would ask about.
rules:
  - {id: t.startup, title: Start-up, why: no, class: deny, risk: high, subject: effect, match: {surfaces: [file], effects: [write, delete, move], labels: [startup]}}
  - {id: t.secret, title: Secret, why: no, class: deny, risk: high, subject: effect, match: {surfaces: [file], effects: [read, write, delete, move], tags: [secret]}}
  - {id: t.outside, title: Outside, why: no, class: deny, risk: high, subject: effect, match: {surfaces: [file], effects: [delete, permission], labels: [outside]}}
  - {id: t.loopback, title: Loopback, why: no, class: deny, risk: high, subject: effect, match: {surfaces: [file], effects: [connect], labels: [loopback]}}
  - {id: t.node, title: Node itself, why: no, class: allow, risk: low, priority: 1000, subject: command, match: {programs: [node]}}
  - {id: t.rm, title: Removes, why: no, class: deny, risk: high, subject: command, match: {programs: [rm]}}
`;

/** Puts the pack where the daemon of this installation reads the person's own. */
export function denyInFiles(place: Installation): void {
  const directory = join(place.places.config, 'policies');
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'file-shim-test.yaml'), PACK.replaceAll('why: no,', 'why: Not here.,'));
}
