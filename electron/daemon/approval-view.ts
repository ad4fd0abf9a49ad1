import type { Approval, CommandPattern, RequestPattern } from '../core/approval.ts';
import type { Decision } from '../core/decision.ts';
import type { ApprovalView } from '../wire/control.ts';
import type { Carried } from './carried.ts';
import type { ArmedPolicy, Passage } from './mediation.ts';
import { actionText, commandText, effectText } from './record.ts';
import { agentLine } from './session-store.ts';

const MAX_SHOWN = 64;

/** Everything that R4.s4 says an approver must see, at the moment of asking. */
export function approvalView(
  policy: ArmedPolicy,
  passage: Passage,
  decision: Decision,
  approval: Approval,
  handle: string,
  pattern: CommandPattern | null,
  carried: Carried | null = null,
): ApprovalView {
  const { session, action } = passage;
  const { identity, context } = session;
  const rule = policy.set.rules.find((r) => r.id === decision.rule) ?? null;
  const flagged = new Set(decision.commands);
  return {
    id: approval.id,
    handle,
    session: session.id,
    origin: approval.origin,
    state: 'pending',
    digest: approval.digest,
    created_at: approval.createdAt,
    deadline: approval.deadline,
    request: session.intent?.text ?? null,
    claim: session.claim?.text ?? null,
    action: {
      id: action.id,
      surface: action.surface,
      tool: action.tool,
      operation: action.operation,
      text: actionText(action),
      cwd: action.cwd,
      commands: action.commands.slice(0, MAX_SHOWN).map((command) => ({
        text: commandText(command),
        via: command.via.map((wrapper) => wrapper.program),
        flagged: flagged.has(command.index),
      })),
      effects: action.effects.slice(0, MAX_SHOWN).map(effectText),
    },
    prior_actions: context.recent
      .filter((prior) => prior.id !== action.id)
      .map((prior) => ({
        at: prior.at,
        summary: prior.summary,
        decision: prior.decision,
        result: prior.result,
      })),
    flows: (carried?.flows ?? []).map(({ source, matches }) => ({
      source: source.name,
      level: source.level,
      matches,
    })),
    data_classes: [...context.classes],
    distance: null,
    risk: decision.risk,
    confidence: decision.confidence,
    identity: {
      human: identity.human.name,
      agent: agentLine(identity.agent.id, identity.agent.product, identity.agent.version),
      session: session.id,
      chain: identity.delegation.map((d) => `${d.from} → ${d.to} (${d.scope})`),
      binding: identity.binding,
    },
    policy: {
      rule: decision.rule,
      title: rule?.title ?? null,
      reason: decision.reason,
      instead: decision.instead,
      version: decision.policy.version,
      hash: decision.policy.hash,
      source: rule?.source ?? null,
    },
    question: approval.origin === 'deferral' ? questionFor(decision) : null,
    session_pattern: pattern === null ? null : patternText(pattern),
    preview: previewOf(passage),
  };
}

const MAX_PREVIEW_BYTES = 128 * 1024;

/** What waits, as it could be run on a copy of its workspace: only a command whose every word is known exactly. */
function previewOf({ session, action }: Passage): ApprovalView['preview'] {
  const { argv, command } = action.parameters;
  if (action.tool !== 'shell' || action.cwd === null || session.workspace === null || session.guard === null)
    return null;
  const words =
    typeof command === 'string'
      ? ['bash', '-c', command]
      : Array.isArray(argv)
        ? argv.filter((word): word is string => typeof word === 'string')
        : [];
  const whole =
    words.length > 0 && (typeof command === 'string' || words.length === (argv as unknown[]).length);
  const size = words.reduce((sum, word) => sum + word.length, 0);
  // With a word that is no UTF-8, what would run is not what is shown.
  if (
    !whole ||
    action.parameters.escaped === true ||
    size > MAX_PREVIEW_BYTES ||
    session.guard.preview === true
  )
    return null;
  return { argv: words, cwd: action.cwd, workspace: session.workspace };
}

/** The one question that is missing, in plain words. */
function questionFor(decision: Decision): string {
  const paths = decision.missing.map((m) => m.path);
  if (paths.some((path) => path.startsWith('request'))) return 'What is this session for?';
  if (paths.length > 0) return `May it run although this cannot be known beforehand: ${paths.join(', ')}?`;
  return 'May it run although policy gives no clear answer?';
}

/** What "allow for this session" would cover, in words. */
export function patternText(pattern: CommandPattern): string {
  const flows = pattern.flows ?? [];
  const carrying =
    flows.length === 0 ? '' : `, carrying nothing classified but what was read from ${flows.join(', ')}`;
  return `${coveredText(pattern)}${carrying}`;
}

function coveredText(pattern: CommandPattern): string {
  if (pattern.request !== undefined) return requestText(pattern.request);
  if (pattern.object !== undefined)
    return `${pattern.object.tool} ${pattern.object.operation} of ${pattern.object.value}`;
  const flags = pattern.flags.length > 0 ? ` with exactly ${pattern.flags.join(' ')}` : ' without flags';
  const operands =
    pattern.operands === null ? ' on anything' : ` on ${pattern.operands.join(' ') || 'nothing else'}`;
  return `${pattern.program}${pattern.subcommand ? ` ${pattern.subcommand}` : ''}${flags}${operands}`;
}

function requestText({ tool, operation, method, place, what, says, exact }: RequestPattern): string {
  if (tool === 'database') {
    const tables = what === '' ? '' : ` on ${what}`;
    const which = exact === null ? 'any' : 'this very';
    return `${which} \`${operation}\` statement${tables} in ${place}`;
  }
  const named = operation === method.toLowerCase() ? '' : ` (${operation})`;
  const asked = says.length === 0 ? '' : ` asking for ${says.join(', ')}`;
  const usual = place.replace(/^(https?:\/\/.*?):(443|80)$/, (whole, host: string, port: string) =>
    (port === '443') === host.startsWith('https:') ? host : whole,
  );
  if (exact !== null) return `this very ${method} request${named} to ${usual}${what}${asked}, again`;
  return `${method} requests${named} to ${usual}${what}${asked}, whatever they say`;
}
