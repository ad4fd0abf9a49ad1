import type { Octets } from './octets.ts';

/** The messages of docs/guard-protocol.md, both directions: what each says once it is parsed (wire/guard.ts). */

export const GUARD_VERSION = '1';

export const FILE_OPERATIONS = [
  'write',
  'create',
  'delete',
  'rmdir',
  'rename',
  'mkdir',
  'link',
  'symlink',
  'mode',
  'owner',
  'times',
  'xattr',
  'truncate',
  'node',
] as const;
export type FileOperation = (typeof FILE_OPERATIONS)[number];

/** What every question says: which process asks, what it runs, and under which decision (`scope`, null for the agent itself). */
export interface Asker {
  readonly pid: number;
  readonly program: Octets;
  readonly scope: string | null;
}

export interface ExecQuestion {
  readonly kind: 'exec';
  readonly asker: Asker;
  /** Canonical path of what the kernel will run. */
  readonly program: Octets;
  /** The name it was started by, its directory resolved. */
  readonly called: Octets;
  readonly argv: readonly Octets[];
  /** Null when it has none that can be named. */
  readonly cwd: string | null;
  /** The script that `program` interprets, canonical; null for none. */
  readonly script: Octets | null;
  /** Program or script lies where the session may write: its name says nothing. */
  readonly writable: boolean;
  readonly interactive: boolean;
}

export interface FileQuestion {
  readonly kind: 'file';
  readonly asker: Asker;
  readonly operation: FileOperation;
  readonly path: Octets;
  readonly destination: Octets | null;
  /** Flags or mode as the system call has them. */
  readonly flags: number | null;
}

export interface LateQuestion {
  readonly kind: 'late';
  readonly asker: Asker;
  readonly operation: 'write' | 'replace';
  readonly path: Octets;
  /** Where the new content lies now; null when the file is to be removed, or for `write`. */
  readonly from: Octets | null;
}

export interface ConnectQuestion {
  readonly kind: 'connect';
  readonly asker: Asker;
  readonly to:
    | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
    | { readonly kind: 'unix'; readonly path: Octets };
}

export interface ReadQuestion {
  readonly kind: 'read';
  readonly asker: Asker;
  readonly path: Octets;
}

export type GuardQuestion = ExecQuestion | FileQuestion | LateQuestion | ConnectQuestion | ReadQuestion;

/** One thing that the guard did, or was refused by the kernel; `dropped`: so many reports (`path`, decimal) were lost. */
export interface ReportedEffect {
  readonly operation: FileOperation | 'exec' | 'connect' | 'read' | 'dropped';
  readonly scope: string | null;
  /** 0, or an errno. */
  readonly error: number;
  readonly path: Octets;
  readonly destination: Octets | null;
}

export type GuardMessage =
  | {
      readonly kind: 'hello';
      readonly session: string;
      readonly nonce: Uint8Array;
      readonly role: 'ask' | 'watch';
    }
  | GuardQuestion
  | { readonly kind: 'effects'; readonly effects: readonly ReportedEffect[] }
  | { readonly kind: 'ended'; readonly action: string; readonly how: HowEnded }
  | { readonly kind: 'pong' };

export type HowEnded =
  | { readonly kind: 'exit'; readonly code: number }
  | { readonly kind: 'signal'; readonly number: number }
  | { readonly kind: 'unknown' };

export type RowVerdict = 'allow' | 'deny' | 'ask' | 'late';

/** One file row: the first that matches wins. `operations` is any of `w`, `d`, `c`, `m`, `l`. */
export interface FileRow {
  readonly operations: string;
  readonly verdict: RowVerdict;
  readonly pattern: string;
}

export interface GuardTables {
  readonly programs: readonly string[];
  readonly triggers: readonly string[];
  readonly rows: readonly FileRow[];
  readonly sockets: readonly string[];
  /** `port` null is any. */
  readonly hosts: readonly { readonly host: string; readonly port: number | null }[];
  readonly everyExec: boolean;
}

export interface GuardAnswer {
  readonly kind: 'answer';
  readonly result: 'ALLOW' | 'DENY' | 'MODIFY';
  readonly message: string;
  readonly action: string | null;
  readonly reportEnd: boolean;
  readonly remember: boolean;
  /** For MODIFY. */
  readonly path: string | null;
  readonly argv: readonly string[];
}

export type DaemonMessage =
  | { readonly kind: 'welcome'; readonly nonce: Uint8Array }
  | { readonly kind: 'waiting'; readonly message: string; readonly leftMs: number }
  | GuardAnswer
  | { readonly kind: 'tables'; readonly tables: GuardTables }
  | { readonly kind: 'grant' | 'revoke'; readonly path: Octets }
  | { readonly kind: 'end'; readonly message: string }
  | { readonly kind: 'ping' };
