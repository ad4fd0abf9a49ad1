/**
 * Exit codes of `countersign`. `run` ends exactly as the agent ended (its code or its signal) and uses these only
 * before the agent was started; a shim ends as its program ended, or with 126 and 127.
 */
export const EXIT = {
  done: 0,
  /** Refused, broken or failed: standard error says which and the cure. */
  refused: 1,
  /** Wrong use: an unknown command or option. */
  usage: 2,
  /** The daemon is not running. */
  notRunning: 3,
  /** There is nothing to read: no such file or ledger, or one that cannot be opened. Not the same as a broken seal. */
  unreadable: 4,
  /** Denied, or a program that cannot be executed (as in sh). */
  denied: 126,
  /** No such program (as in sh). */
  notFound: 127,
} as const;
