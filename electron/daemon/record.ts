import type { Action } from '../core/action.ts';
import type { Approval } from '../core/approval.ts';
import type { Json, JsonObject } from '../core/brand.ts';
import type { Command } from '../core/command.ts';
import type { ContextSummary } from '../core/context.ts';
import { clipped } from '../core/data/clip.ts';
import type { Decision } from '../core/decision.ts';
import type { Deferral } from '../core/deferral.ts';
import type { Effect } from '../core/effect.ts';
import type { Identity } from '../core/identity.ts';
import type { Intent } from '../core/intent.ts';
import type { Outcome } from '../core/outcome.ts';
import { objectText } from '../wire/object-text.ts';
import { shellWords } from '../wire/shell-words.ts';

/** The signed parts of receipts (AARM R5.a–g), snake_case. Pure: what goes in is what was decided. */

const MAX_LISTED = 64;
/** A person must recognise the command; a megabyte of it is in the digest, not in every receipt. */
const MAX_TEXT = 16 * 1024;

/** One command as a person would read it. */
export function commandText(command: Command): string {
  const words = [command.name, ...command.args].map((word) =>
    word.raw === '' && word.text !== '' ? word.text : word.raw,
  );
  const redirects = command.redirects.map(
    (r) => `${r.descriptor ?? ''}${r.operator}${r.target ? ` ${r.target.raw}` : ''}`,
  );
  return [...words, ...redirects].join(' ');
}

/** One effect in few words: `delete path /home/u/x (recursive, home)`. */
export function effectText(effect: Effect): string {
  const marks = [
    ...(effect.recursive ? ['recursive'] : []),
    ...(effect.force ? ['force'] : []),
    ...(effect.object.known ? [] : ['unknown']),
    ...effect.object.labels,
    ...effect.tags,
  ];
  const suffix = marks.length > 0 ? ` (${marks.join(', ')})` : '';
  return `${effect.kind} ${effect.object.kind}${effect.object.value ? ` ${effect.object.value}` : ''}${suffix}`;
}

/** The line a person sees for an action: the command line, or the words of an exec. */
export function actionText(action: Action): string {
  const { command, argv } = action.parameters;
  if (typeof command === 'string') return command;
  if (Array.isArray(argv)) return shellWords(argv.filter((word): word is string => typeof word === 'string'));
  return objectText(action.operation, action.parameters) ?? `${action.tool} ${action.operation}`;
}

function clippedJson(value: Json): Json {
  if (typeof value === 'string' && value.length > MAX_TEXT)
    return `${clipped(value, MAX_TEXT)}… [${value.length} characters]`;
  if (!Array.isArray(value)) return value;
  let room = MAX_TEXT;
  const kept: Json[] = [];
  for (const item of value as readonly Json[]) {
    const shown = clippedJson(item);
    room -= typeof shown === 'string' ? shown.length + 8 : 8;
    if (room < 0) {
      kept.push(`… [${value.length} items]`);
      break;
    }
    kept.push(shown);
  }
  return kept;
}

/** R5.a */
export function actionPart(action: Action): JsonObject {
  const parameters: Record<string, Json> = {};
  for (const [key, value] of Object.entries(action.parameters)) parameters[key] = clippedJson(value);
  return {
    id: action.id,
    at: action.at,
    surface: action.surface,
    tool: action.tool,
    operation: action.operation,
    parameters,
    cwd: action.cwd,
    digest: action.digest,
    modified_from: action.modifiedFrom,
    depends_on: action.dependsOn,
    parts_follow: action.partsFollow,
    gaps: action.gaps.slice(0, MAX_LISTED),
    commands: action.commands.slice(0, MAX_LISTED).map((command) => ({
      program: command.program,
      text: clippedJson(commandText(command)),
      via: command.via.map((wrapper) => wrapper.program),
    })),
    command_count: action.commands.length,
    effects: action.effects.slice(0, MAX_LISTED).map((effect) => ({
      kind: effect.kind,
      object: effect.object.kind,
      value: clippedJson(effect.object.value),
      known: effect.object.known,
      labels: effect.object.labels,
      tags: effect.tags,
      recursive: effect.recursive,
    })),
    effect_count: action.effects.length,
  };
}

/** R5.b: the context by hash and length; its entries are stored beside the receipts. */
export function contextPart(context: ContextSummary): JsonObject {
  return {
    hash: context.head,
    length: context.length,
    actions: context.actionCount,
    classes: context.classes,
  };
}

/** R5.c */
export function identityPart(identity: Identity): JsonObject {
  return {
    human: { name: identity.human.name, uid: identity.human.uid, source: identity.human.source },
    service: { ...identity.service },
    agent: {
      id: identity.agent.id,
      product: identity.agent.product,
      version: identity.agent.version,
      binary_hash: identity.agent.binaryHash,
      public_key: identity.agent.publicKey,
      minted_at: identity.agent.mintedAt,
      expires_at: identity.agent.expiresAt,
    },
    session: identity.sessionId,
    role: identity.role,
    privileges: identity.privileges,
    delegation: identity.delegation.map((d) => ({
      from: d.from,
      to: d.to,
      scope: d.scope,
      expires_at: d.expiresAt,
    })),
    binding: identity.binding,
  };
}

/** R5.d */
export function decisionPart(decision: Decision): JsonObject {
  return {
    result: decision.result,
    rank: decision.rank,
    policy_id: decision.rule,
    policy_version: decision.policy.version,
    policy_hash: decision.policy.hash,
    reason: decision.reason,
    instead: decision.instead,
    risk: decision.risk,
    confidence: decision.confidence,
    ranks: decision.ranks
      .filter((rank) => rank.result !== 'silent')
      .map((rank) => ({
        rank: rank.rank,
        result: rank.result,
        rules: rank.rules,
        // The deciding rank's words are the decision's own: said once.
        reason: rank.reason === decision.reason ? null : rank.reason,
      })),
    missing: decision.missing.map((m) => ({ path: m.path, resolvers: m.resolvers })),
    modify:
      decision.modify === null ? null : { name: decision.modify.name, arguments: decision.modify.arguments },
  };
}

/** R5.e */
export function approvalPart(approval: Approval): JsonObject {
  const { state } = approval;
  return {
    id: approval.id,
    origin: approval.origin,
    digest: approval.digest,
    policy_hash: approval.policyHash,
    asked_at: approval.createdAt,
    deadline: approval.deadline,
    answer: state.kind,
    approver: 'approver' in state ? state.approver : null,
    at: 'at' in state ? state.at : null,
    note: 'note' in state ? state.note : state.kind === 'withdrawn' ? state.reason : null,
    scope: state.kind === 'allowed' ? scopePart(state.scope) : null,
  };
}

function scopePart(scope: Extract<Approval['state'], { kind: 'allowed' }>['scope']): JsonObject {
  if (scope.kind === 'once') return { kind: 'once' };
  const { program, subcommand, flags, operands, rule, object } = scope.pattern;
  if (object !== undefined) return { kind: 'session', ...object, rule };
  return { kind: 'session', program, subcommand, flags, operands, rule };
}

/** R5.f */
export function deferralPart(deferral: Deferral): JsonObject {
  const { state } = deferral;
  return {
    id: deferral.id,
    reason: deferral.reason,
    missing: deferral.missing.map((m) => ({ path: m.path, resolvers: m.resolvers })),
    depends_on: deferral.dependsOn,
    depth: deferral.depth,
    parked_at: deferral.createdAt,
    deadline: deferral.deadline,
    resolution: state.kind,
    method: state.kind === 'resolved' ? state.method : null,
    resolved_at: 'at' in state ? state.at : null,
  };
}

/** R5.g */
export function outcomePart(outcome: Outcome): JsonObject {
  return {
    result: outcome.result,
    exit_code: outcome.exitCode,
    signal: outcome.signal,
    ...(outcome.status === undefined || outcome.status === null ? {} : { status: outcome.status }),
    error: outcome.error,
    output_hash: outcome.outputHash,
    bytes: outcome.bytes,
    started_at: outcome.startedAt,
    ended_at: outcome.endedAt,
    effects: effectsPart(outcome.effects),
  };
}

/** The original request as the receipt keeps it (R2.d). */
export function intentPart(intent: Intent | null): JsonObject | null {
  return intent === null ? null : { text: intent.text, source: intent.source, at: intent.at };
}

/** What was seen inside a decision, counted. */
export function effectsPart(effects: Outcome['effects']): readonly JsonObject[] {
  return effects.map(({ kind, count, sample, digest }) => ({
    kind,
    count,
    sample,
    ...(digest === undefined ? {} : { digest }),
  }));
}
