/**
 * The command table: one line a command. A module is loaded only when its command is given; it exports `run`-like
 * functions that take the words after the command's name and return the exit code.
 */
export interface CliCommand {
  readonly name: string;
  /** Shown after the name in the list. */
  readonly words: string;
  readonly what: string;
  readonly load: () => Promise<(argv: readonly string[]) => Promise<number>>;
}

export const COMMANDS: readonly CliCommand[] = [
  {
    name: 'run',
    words: '-- CMD…',
    what: 'start an agent under the firewall',
    load: async () => (await import('./run.ts')).run,
  },
  {
    name: 'connect',
    words: 'AGENT [--dry-run]',
    what: 'put an agent that you start by yourself under the firewall',
    load: async () => (await import('./connect.ts')).connect,
  },
  {
    name: 'disconnect',
    words: 'AGENT|--all',
    what: 'take the firewall out of an agent again',
    load: async () => (await import('./connect.ts')).disconnect,
  },
  {
    name: 'doctor',
    words: '[--json]',
    what: 'prove that connected agents are really stopped',
    load: async () => (await import('./doctor.ts')).doctor,
  },
  {
    name: 'mcp',
    words: '-- SERVER…',
    what: 'stand between an MCP client and a server',
    load: async () => (await import('./mcp.ts')).mcp,
  },
  {
    name: 'approve',
    words: '[HANDLE]',
    what: 'answer what waits for you',
    load: async () => (await import('./approve.ts')).approve,
  },
  {
    name: 'status',
    words: '[--json]',
    what: 'what is armed, what runs, what waits',
    load: async () => (await import('./status.ts')).status,
  },
  {
    name: 'guard',
    words: '[--json]',
    what: 'how far the kernel can hold a session here',
    load: async () => (await import('./guard.ts')).guard,
  },
  {
    name: 'receipts',
    words: 'list|show|follow',
    what: 'what was decided and what came of it',
    load: async () => (await import('./receipts.ts')).receipts,
  },
  {
    name: 'verify',
    words: '[FILE]',
    what: 'is the ledger, or an exported bundle, whole and unchanged',
    load: async () => (await import('./verify.ts')).verify,
  },
  {
    name: 'export',
    words: '[--out FILE]',
    what: 'evidence that a stranger can verify',
    load: async () => (await import('./export.ts')).exportCommand,
  },
  {
    name: 'policy',
    words: 'check|explain|test|backtest',
    what: 'what the rules say, and why',
    load: async () => (await import('./policy.ts')).policy,
  },
  {
    name: 'intent',
    words: 'show|set TEXT',
    what: 'what a session is for, in your words',
    load: async () => (await import('./intent.ts')).intent,
  },
  {
    name: 'credential',
    words: 'add|list|remove|test',
    what: 'secrets that agents use and never see',
    load: async () => (await import('./credential.ts')).credential,
  },
  {
    name: 'preview',
    words: 'list|finish|undo ID',
    what: 'previews that were left behind',
    load: async () => (await import('./preview.ts')).preview,
  },
  {
    name: 'trash',
    words: 'PATH…',
    what: 'move files to the trash instead of deleting them',
    load: async () => (await import('./trash.ts')).trash,
  },
  {
    name: 'restore',
    words: 'PATH…',
    what: 'put back what is in the trash',
    load: async () => (await import('./trash.ts')).restore,
  },
  {
    name: 'daemon',
    words: 'start|stop|status',
    what: 'the process that decides',
    load: async () => (await import('./daemon.ts')).daemon,
  },
];

/** The known name nearest to a mistyped one, or null when none is near. */
export function nearestName(name: string, names: readonly string[]): string | null {
  let best: string | null = null;
  let least = Math.max(1, Math.floor(name.length / 3)) + 1;
  for (const candidate of names) {
    const begun =
      (candidate.startsWith(name) && name.length > 1) || (name.startsWith(candidate) && candidate.length > 2);
    const distance = begun ? 1 : editDistance(name, candidate);
    if (distance < least) {
      least = distance;
      best = candidate;
    }
  }
  return best;
}

/** Insertions, deletions, replacements and swaps of neighbours between two short words. */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, (before[j - 2] ?? 0) + 1);
      row.push(cost);
    }
    before = last;
    last = row;
  }
  return last[b.length] ?? 0;
}
