/** Files whose content acts later than it is written, as the guard's file rows name them. */
const PATTERNS: readonly string[] = [
  '*/.git/config',
  '*/.git/hooks/',
  '*/.husky/',
  '*/.githooks/',
  '*/.github/workflows/',
  '*/.vscode/tasks.json',
  '*/.envrc',
  '*/package.json',
  '*/Makefile',
  '*/justfile',
];

/** Patterns of the files whose content is judged when it is final (docs/guard-protocol.md, `late`). */
export function latePatterns(): readonly string[] {
  return PATTERNS;
}
