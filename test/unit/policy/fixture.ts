import { createHash } from 'node:crypto';
import type { Action } from '../../../electron/core/action.ts';
import type { ActionId, AgentId, Digest, RuleId, SessionId } from '../../../electron/core/brand.ts';
import { type Command, UNKNOWN_TEXT, type Word } from '../../../electron/core/command.ts';
import type { Decision } from '../../../electron/core/decision.ts';
import type { Effect, EffectKind, EffectObject } from '../../../electron/core/effect.ts';
import type { FactSet } from '../../../electron/core/facts.ts';
import { type CompiledPolicy, compile } from '../../../electron/core/policy/compile.ts';
import { evaluate } from '../../../electron/core/policy/evaluate.ts';
import type { Posture, Rule, RuleClass } from '../../../electron/core/policy/rule.ts';
import type { Hasher } from '../../../electron/core/ports.ts';
import { parsePolicyFile } from '../../../electron/wire/policy-file.ts';
import { assemblePolicySet } from '../../../electron/wire/policy-set.ts';

export const hasher: Hasher = {
  sha256: (data) => createHash('sha256').update(data).digest('hex') as Digest,
};

export const HASH = 'a'.repeat(64) as Digest;

export function word(text: string): Word {
  return { text, raw: text, known: true, glob: false };
}

export const unknownWord: Word = { text: UNKNOWN_TEXT, raw: '$X', known: false, glob: false };

/** `git push -f` as a command; `$X` is a word that only running could tell. */
export function command(line: string, over: Partial<Command> = {}): Command {
  const words = line.split(' ').map((text) => (text.startsWith('$') ? unknownWord : word(text)));
  const name = words[0] ?? unknownWord;
  return {
    index: 0,
    program: name.known ? (name.text.split('/').at(-1) ?? '') : '',
    name,
    args: words.slice(1),
    redirects: [],
    assignments: [],
    via: [],
    pipedFrom: null,
    pipedTo: null,
    origin: 'line',
    code: null,
    cwd: '/work/project',
    span: null,
    ...over,
  };
}

/** `effect('delete', '/etc')`; a null value is an unknown object. */
export function effect(
  kind: EffectKind,
  value: string | null,
  over: Partial<Omit<Effect, 'object'>> & { readonly object?: Partial<EffectObject> } = {},
): Effect {
  const { object, ...rest } = over;
  return {
    kind,
    command: 0,
    recursive: false,
    force: false,
    reversible: 'unknown',
    tags: [],
    ...rest,
    object: {
      kind: 'path',
      value: value ?? UNKNOWN_TEXT,
      known: value !== null,
      many: false,
      labels: [],
      ...object,
    },
  };
}

export function action(over: Partial<Action> = {}): Action {
  return {
    id: 'act_00000001' as ActionId,
    sessionId: 'sess_00000001' as SessionId,
    at: 1_000_000,
    surface: 'shell',
    tool: 'shell',
    operation: 'run',
    parameters: {},
    cwd: '/work/project',
    commands: [],
    effects: [],
    gaps: [],
    digest: 'd'.repeat(64) as Digest,
    modifiedFrom: null,
    dependsOn: [],
    partsFollow: false,
    ...over,
  };
}

export function facts(over: Partial<Action> = {}, rest: Partial<FactSet> = {}): FactSet {
  return {
    action: action(over),
    identity: {
      human: { name: 'ada', uid: 1000, source: 'os' },
      service: { name: 'countersign', version: '0.1.0', installation: 'here' },
      agent: {
        id: 'agt_00000001' as AgentId,
        product: 'claude-code',
        version: '2.0.0',
        binaryHash: null,
        publicKey: 'k',
        mintedAt: 0,
        expiresAt: 9_000_000,
      },
      sessionId: 'sess_00000001' as SessionId,
      role: 'developer',
      privileges: ['shell'],
      delegation: [],
      binding: 'signed',
    },
    session: { assurance: 'cooperative', workspace: '/work/project', home: '/home/ada', startedAt: 900_000 },
    now: 1_000_000,
    context: {
      length: 3,
      head: HASH,
      startedAt: 900_000,
      request: null,
      actionCount: 2,
      counts: { DENY: 1 },
      tools: ['shell'],
      entities: [],
      classes: [],
      recent: [],
      untrusted: null,
      recentTimes: [990_000, 995_000],
    },
    environment: [],
    alignment: { scope: 'unknown', distance: null, drift: null, words: [] },
    data: {},
    destination: {},
    ...rest,
  };
}

export function rule(id: string, cls: RuleClass, over: Partial<Rule> = {}): Rule {
  return {
    id: id as RuleId,
    title: `rule ${id}`,
    why: `because of ${id}`,
    class: cls,
    priority: 0,
    risk: 'medium',
    subject: 'action',
    match: {},
    when: null,
    parameters: [],
    modify: cls === 'modify' ? { name: 'dry-run', arguments: {} } : null,
    approvers: [],
    timeoutMs: null,
    resolvers: [],
    instead: null,
    references: [],
    expiresAt: null,
    source: `test:${id}`,
    ...over,
  };
}

export const POSTURE: Posture = { name: 'test', unmatched: 'ALLOW', why: 'tests', minimumConfidence: 0 };

export function policy(rules: readonly Rule[], posture: Partial<Posture> = {}): CompiledPolicy {
  const compiled = compile({ version: 'test', hash: HASH, rules, posture: { ...POSTURE, ...posture } });
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.error));
  return compiled.value;
}

/** Rules as a person writes them, through the real parser: the list under `rules:`. */
export function policyFrom(rules: string, posture = 'unmatched: ALLOW'): CompiledPolicy {
  const text = `pack: test\nversion: 1.0.0\nposture: {name: test, why: tests, ${posture}}\nrules:\n${rules}`;
  const file = parsePolicyFile(text, 'test.yaml');
  if (!file.ok)
    throw new Error(file.error.map((fault) => `${fault.place?.line}: ${fault.message}`).join('\n'));
  const set = assemblePolicySet([file.value], hasher);
  if (!set.ok) throw new Error(JSON.stringify(set.error));
  const compiled = compile(set.value);
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.error));
  return compiled.value;
}

export function decide(rules: readonly Rule[], set: FactSet, posture: Partial<Posture> = {}): Decision {
  return evaluate(policy(rules, posture), set);
}
