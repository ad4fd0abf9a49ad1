import { createHash } from 'node:crypto';
import { cursorOf, type Frame, frame } from '../edge/postgres-frame.ts';
import type { StatementReading } from '../wire/sql/statement-view.ts';

/** A statement of the extended protocol: its Parse message is kept, for a connection of a later action to hear it too. */
export interface Prepared {
  readonly text: string;
  readonly parse: Buffer;
  readonly readings: readonly StatementReading[];
}

/** What a session keeps of the extended protocol: statements and portals by their names. */
export interface Names {
  readonly statements: Map<string, Prepared>;
  readonly portals: Map<string, string>;
}

/** What one run of messages up to a Sync or Flush comes to. */
export interface Batch {
  /** Statements in it, each once, in order. */
  readonly statements: readonly Prepared[];
  /** Names that must be known upstream before it: they were parsed on an earlier connection. */
  readonly assumed: readonly string[];
  /** Names that it parses itself. */
  readonly parsed: readonly string[];
  /** Texts of the parameters, for the scan. */
  readonly values: string;
  /** SHA-256 over the parameters; null when there are none. */
  readonly digest: string | null;
  readonly executes: boolean;
}

export interface BatchFault {
  readonly code: string;
  readonly message: string;
}

const MAX_VALUES = 1024 * 1024;

/**
 * Reads the messages of the extended protocol up to a Sync or Flush. `prepare` reads a new statement's text. Throws a RangeError for a
 * message that is none.
 */
export function readBatch(
  frames: readonly Frame[],
  names: Names,
  prepare: (text: string, parse: Buffer) => Prepared | BatchFault,
): Batch | BatchFault {
  const statements: Prepared[] = [];
  const assumed = new Set<string>();
  const parsed = new Set<string>();
  const hash = createHash('sha256');
  let values = '';
  let bound = 0;
  let executes = false;
  const use = (name: string): BatchFault | null => {
    const known = names.statements.get(name);
    if (known === undefined)
      return { code: '26000', message: `prepared statement \`${name}\` does not exist` };
    if (!parsed.has(name)) assumed.add(name);
    if (!statements.includes(known)) statements.push(known);
    return null;
  };
  for (const message of frames) {
    const at = cursorOf(message.body);
    switch (message.type) {
      case 'P': {
        const name = at.text();
        const text = at.text();
        if (name !== '' && names.statements.has(name))
          return { code: '42P05', message: `prepared statement \`${name}\` already exists` };
        const made = prepare(text, message.raw);
        if ('code' in made) return made;
        names.statements.set(name, made);
        parsed.add(name);
        statements.push(made);
        break;
      }
      case 'B': {
        const portal = at.text();
        const name = at.text();
        const missing = use(name);
        if (missing !== null) return missing;
        names.portals.set(portal, name);
        const formats = Array.from({ length: at.int16() }, () => at.int16());
        const count = at.int16();
        for (let index = 0; index < count; index += 1) {
          const length = at.int32();
          const value = length < 0 ? null : at.bytes(length);
          hash.update(value === null ? 'n' : `v${value.length}:`);
          if (value === null) continue;
          hash.update(value);
          bound += 1;
          const format = formats.length === 1 ? formats[0] : formats[index];
          if (values.length < MAX_VALUES) values += `${value.toString(format === 1 ? 'latin1' : 'utf8')}\n`;
        }
        break;
      }
      case 'D': {
        const kind = String.fromCharCode(at.bytes(1)[0] ?? 0);
        const name = at.text();
        const target = kind === 'S' ? name : names.portals.get(name);
        const missing = target === undefined ? null : use(target);
        if (missing !== null) return missing;
        break;
      }
      case 'E': {
        executes = true;
        const target = names.portals.get(at.text());
        const missing = target === undefined ? null : use(target);
        if (missing !== null) return missing;
        break;
      }
      case 'C': {
        const kind = String.fromCharCode(at.bytes(1)[0] ?? 0);
        const name = at.text();
        if (kind === 'S') names.statements.delete(name);
        else names.portals.delete(name);
        break;
      }
      default:
        break;
    }
  }
  const digest = bound === 0 ? null : hash.digest('hex');
  return { statements, assumed: [...assumed], parsed: [...parsed], values, digest, executes };
}

/** What is answered without a database when a batch names no statement: a close has nothing to close. */
export function answerAlone(frames: readonly Frame[]): Buffer {
  return Buffer.concat(frames.map((message) => (message.type === 'C' ? frame('3') : Buffer.alloc(0))));
}
