import { tmpdir } from 'node:os';
import type { Action } from '../core/action.ts';
import type { ActionId } from '../core/brand.ts';
import type { Decision } from '../core/decision.ts';
import { fitsSubject } from '../core/policy/match.ts';
import type { Rule } from '../core/policy/rule.ts';
import { factsRead, isAboutCarried } from '../core/policy/rule-reading.ts';
import type { Hasher } from '../core/ports.ts';
import type { Knowledge } from '../core/semantic/knowledge.ts';
import { BLOCK_DEVICE, HIDDEN, MASQUERADE } from '../core/semantic/paths.ts';
import { type Calm, NOTHING_CALM } from '../wire/calm.ts';
import { buildFileAction, type FileSubmission } from '../wire/file-action.ts';
import { exactly } from '../wire/octets.ts';
import type { ArmedPolicy } from './mediation.ts';
import type { Session } from './session-store.ts';

const CHANGES = ['write', 'delete', 'move', 'permission'] as const;
const READS = ['read', 'upload'] as const;
/** What a rule may ask of a nameless file without its answer depending on anything but the place that was probed. */
const LOCAL_FACT =
  /^(?:effect\.(?:known|recursive|object_kind|labels|tags|many|reversible|force|kind)|action\.parts_follow)(?:\[\])?$/;
const CARRIED_FACT = /^(?:data\.(?:flows|flow_level|flow_matches|payload)|destination)\b/;
/** `hooks` is made of two other labels (core/semantic/paths.ts). */
const MADE_OF: Readonly<Record<string, string>> = { hooks: 'vcs-internal' };

/**
 * Says where an ordinary file's change is so surely ALLOW that the file shim needs not ask (cooperative sessions only): it evaluates
 * samples in each place, and lists every name that a rule could speak about. Whatever is in doubt is asked. `own`: where our files are.
 * INVARIANT (no wider than policy): a place is calm only when nothing but its labels could decide, and they decide ALLOW without a rule.
 */
export function calmFor(
  session: Pick<Session, 'id' | 'home' | 'workspace' | 'identity'>,
  armed: ArmedPolicy,
  knowledge: Knowledge,
  hasher: Hasher,
  own: readonly string[],
  evaluate: (action: Action) => Decision,
): Calm {
  const rules = armed.set.rules;
  if (armed.set.posture.unmatched !== 'ALLOW') return NOTHING_CALM;
  const sample = (operation: FileSubmission['operation'], path: string): Action =>
    buildFileAction(
      {
        id: 'act_sample' as ActionId,
        sessionId: session.id,
        at: 0,
        surface: 'file',
        place: {
          cwd: session.workspace,
          home: session.home,
          workspace: session.workspace,
          user: session.identity.human.name,
        },
        own,
        by: null,
        modifiedFrom: null,
        operation,
        path: exactly(path),
        destination: null,
        flags: null,
        recursive: false,
        veiled: [],
        byContent: () => false,
        ownUse: false,
      },
      knowledge.paths,
      hasher,
    );
  const isCalm = (operation: FileSubmission['operation'], root: string): boolean =>
    [`${root}/csn-sample`, `${root}/csn-sample/inner`].every((path) => {
      const action = sample(operation, path);
      if (rules.some((rule) => looksFurther(rule, action))) return false;
      const decision = evaluate(action);
      return decision.result === 'ALLOW' && decision.rule === null;
    });
  const roots = rootsOf(session, knowledge);
  const change = sensitive(knowledge, rules, CHANGES, session, own);
  return {
    write: roots.filter((root) => isCalm('write', root) && isCalm('times', root) && isCalm('truncate', root)),
    delete: roots.filter((root) => isCalm('delete', root)),
    move: roots.filter((root) => isCalm('rename', root)),
    change,
    read: sensitive(knowledge, rules, READS, session, own),
  };
}

/** True when a rule fits such an action and asks about more than its place: history, the path's text, the clock … */
function looksFurther(rule: Rule, action: Action): boolean {
  const fits = action.effects.some((_, index) =>
    [{ kind: 'effect', index } as const, { kind: 'action' } as const].some(
      (subject) => fitsSubject(rule.match, action, subject) !== false,
    ),
  );
  if (!fits || isAboutCarried(rule)) return false;
  if (rule.parameters.length > 0) return true;
  // What leaves with an action, and where to, is nothing for one that sends nothing, whatever the session did.
  const read = factsRead(rule);
  return read === null || read.some((path) => !LOCAL_FACT.test(path) && !CARRIED_FACT.test(path));
}

/** Places that tools fill with files of their own: the workspace, folders for temporary files, caches. */
function rootsOf(session: Pick<Session, 'home' | 'workspace'>, knowledge: Knowledge): readonly string[] {
  const found = new Set<string>();
  if (session.workspace !== null) found.add(session.workspace);
  found.add(tmpdir());
  for (const entry of knowledge.paths.entries)
    if (entry.labels.some((label) => label === 'temp' || label === 'build-artifact'))
      for (const path of entry.under) found.add(expanded(path, session.home));
  // What holds the home holds folders of every kind, which no sample stands for.
  return [...found].filter(
    (path) =>
      path.startsWith('/') && path !== '/' && !path.includes('*') && !session.home.startsWith(`${path}/`),
  );
}

function expanded(path: string, home: string): string {
  return path === '~' || path.startsWith('~/') ? home + path.slice(1) : path;
}

/** The lines of the path table whose labels any rule about such effects could be asking for. */
function sensitive(
  knowledge: Knowledge,
  rules: readonly Rule[],
  effects: readonly string[],
  place: Pick<Session, 'home' | 'workspace'>,
  own: readonly string[],
): Calm['read'] {
  const labels = new Set<string>();
  for (const rule of rules) {
    const { match } = rule;
    if (match.effects !== undefined && !match.effects.some((effect) => effects.includes(effect))) continue;
    if (match.surfaces !== undefined && !match.surfaces.includes('file')) continue;
    if (match.tools !== undefined && !match.tools.includes('file')) continue;
    if (match.programs !== undefined) continue;
    const asked = [...(match.labels ?? []), ...(match.tags ?? [])];
    // A rule that names no label may ask for one in its condition.
    const quoted = asked.length > 0 ? [] : [...(rule.when ?? '').matchAll(/["']([\w-]+)["']/g)];
    for (const label of [...asked, ...quoted.map((found) => found[1] ?? '')])
      labels.add(MADE_OF[label] ?? label);
  }
  const names = new Set<string>();
  const folders = new Set<string>();
  // The table cannot know where the person put our files.
  const paths = new Set<string>(labels.has('self') ? own : []);
  const exact = new Set<string>();
  for (const entry of knowledge.paths.entries) {
    if (!entry.labels.some((label) => labels.has(label))) continue;
    for (const name of entry.named) names.add(name.toLowerCase());
    for (const folder of entry.folder) folders.add(folder);
    for (const path of entry.under) paths.add(expanded(path, place.home));
    for (const path of entry.exact) exact.add(expanded(path, place.home));
  }
  // The person's own folders are theirs wherever they lie: nothing is hidden in them.
  const places = [place.home, place.workspace].filter((folder) => folder !== null && folder !== '/');
  const elsewhere = places.map((folder) => `${(folder ?? '').replace(/[^\w/]/g, '\\$&')}/`).join('|');
  const odd = [
    ...(labels.has('masquerade') ? [MASQUERADE.source] : []),
    ...(labels.has('hidden') ? [`^(?!${elsewhere})(?:${HIDDEN.source})`] : []),
    ...(labels.has('block-device') ? [BLOCK_DEVICE.source] : []),
  ];
  return {
    odd,
    names: [...names].sort(),
    folders: [...folders].sort(),
    paths: [...paths].sort(),
    exact: [...exact].sort(),
  };
}
