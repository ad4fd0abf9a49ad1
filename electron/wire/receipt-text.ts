import type { Json, JsonObject } from '../core/brand.ts';
import type { Receipt } from '../core/receipt/receipt.ts';
import type { TextStyle } from './approval-text.ts';
import type { Screen } from './receipt-line.ts';
import {
  actionTextOf,
  decisionText,
  listAt,
  objectAt,
  outcomeText,
  type Relatives,
  receiptRow,
  resultOf,
  textAt,
} from './receipt-view.ts';
import { visible, visibleLine } from './terminal-text.ts';

/** A receipt with everything that is shown of it. */
export interface WholeReceipt {
  readonly receipt: Receipt;
  readonly relatives: Relatives;
  /** What it answers, the oldest first. */
  readonly origins: readonly Receipt[];
  readonly seal: {
    readonly verdict: 'verified' | 'broken';
    readonly faults: readonly string[];
    readonly key: { readonly id: string; readonly kept: string } | null;
  };
}

const MAX_TEXT_LINES = 200;
type Row = readonly [label: string, ...values: string[]];

function rowLines(rows: readonly (Row | null)[]): readonly string[] {
  return rows.flatMap((row) => {
    if (row === null || row.length < 2) return [];
    const [label, first = '', ...more] = row;
    return [`  ${label.padEnd(12)} ${first}`, ...more.map((value) => `  ${''.padEnd(12)} ${value}`)];
  });
}

function section(title: string, rows: readonly (Row | null)[], style: TextStyle): readonly string[] {
  const lines = rowLines(rows);
  return lines.length === 0 ? [] : ['', style.bold(title), ...lines];
}

const shownText = (value: JsonObject | null, key: string): string | null => {
  const text = textAt(value, key);
  return text === null ? null : visibleLine(text);
};

function row(label: string, value: string | null): Row | null {
  return value === null || value === '' ? null : [label, value];
}

/** A value of any shape as one safe line. */
function jsonLine(value: Json | undefined): string {
  return value === undefined ? '' : visibleLine(typeof value === 'string' ? value : JSON.stringify(value));
}

function timeAt(value: JsonObject | null, key: string, clock: Screen['clock']): string | null {
  const at = value?.[key];
  return typeof at === 'number' ? clock(at) : null;
}

const isObject = (value: Json): value is JsonObject =>
  value !== null && typeof value === 'object' && !Array.isArray(value);

function objectsAt(value: JsonObject | null, key: string): readonly JsonObject[] {
  return listAt(value, key).filter(isObject);
}

function names(value: JsonObject | null, key: string): string {
  return listAt(value, key)
    .map((item) => jsonLine(item))
    .join(', ');
}

function actionLines(action: JsonObject, style: TextStyle): readonly string[] {
  const text = visible(actionTextOf(action)).split('\n');
  const shown = text.slice(0, MAX_TEXT_LINES).map((line) => `  │ ${line}`);
  const cut = text.length > MAX_TEXT_LINES ? [`  │ … ${text.length - MAX_TEXT_LINES} more lines`] : [];
  const commands = objectsAt(action, 'commands').map((command) => {
    const via = names(command, 'via');
    return `${jsonLine(command.text)}${via === '' ? '' : `  (through ${via})`}`;
  });
  const effects = objectsAt(action, 'effects').map((effect) => {
    const marks = [
      names(effect, 'labels'),
      names(effect, 'tags'),
      effect.recursive === true ? 'recursive' : '',
      effect.known === false ? 'unknown' : '',
    ]
      .filter((mark) => mark !== '')
      .join(', ');
    return `${jsonLine(effect.kind)} ${jsonLine(effect.object)} ${jsonLine(effect.value)}${marks === '' ? '' : ` (${marks})`}`;
  });
  const more = (label: string, shownCount: number, total: Json | undefined): readonly string[] =>
    typeof total === 'number' && total > shownCount ? [`… and ${total - shownCount} more ${label}`] : [];
  const gaps = listAt(action, 'gaps').map((gap) => jsonLine(gap));
  const parameters = Object.entries(objectAt(action, 'parameters') ?? {}).filter(
    ([name]) => name !== 'command' && name !== 'argv',
  );
  return [
    '',
    style.bold('Action'),
    ...shown,
    ...cut,
    ...rowLines([
      row('id', shownText(action, 'id')),
      row(
        'seen by',
        `${jsonLine(action.surface)}, tool ${jsonLine(action.tool)}, ${jsonLine(action.operation)}`,
      ),
      // A request comes from no directory.
      action.surface === 'http' && textAt(action, 'cwd') === null
        ? null
        : row('in', shownText(action, 'cwd') ?? 'an unknown directory'),
      ...parameters.map(([name, value]) => row(visibleLine(name), jsonLine(value))),
      row('digest', shownText(action, 'digest')),
      row('made from', shownText(action, 'modified_from')),
      row('depends on', names(action, 'depends_on')),
      action.parts_follow === true ? ['parts', 'each command is intercepted once more when it starts'] : null,
      commands.length === 0
        ? null
        : ['commands', ...commands, ...more('commands', commands.length, action.command_count)],
      effects.length === 0
        ? null
        : ['effects', ...effects, ...more('effects', effects.length, action.effect_count)],
      gaps.length === 0 ? null : ['not understood', ...gaps],
    ]),
  ];
}

/** Where a change of a file was carried out instead; null for what was not turned elsewhere. */
function redirectedTo(body: JsonObject): string | null {
  const to = textAt(objectAt(body, 'modified') ?? null, 'to');
  return to?.startsWith('/') ? visibleLine(to) : null;
}

function decisionLines(body: JsonObject, decision: JsonObject, style: TextStyle): readonly string[] {
  const ranks = objectsAt(decision, 'ranks').map((rank) => {
    const rules = names(rank, 'rules');
    return `${jsonLine(rank.rank).padEnd(14)} ${jsonLine(rank.result).padEnd(8)}${rules === '' ? '' : ` [${rules}]`} ${jsonLine(rank.reason)}`;
  });
  const missing = objectsAt(decision, 'missing').map(
    (fact) => `${jsonLine(fact.path)} (${names(fact, 'resolvers')})`,
  );
  const decided = textAt(body, 'decided');
  const result = jsonLine(decision.result);
  return section(
    'Decision',
    [
      row(
        'result',
        decided !== null && decided !== result
          ? `${result}, decided ${visibleLine(decided)} at first`
          : result,
      ),
      row('rule', shownText(decision, 'policy_id') ?? shownText(decision, 'rule') ?? 'none'),
      row('rank', shownText(decision, 'rank')),
      row('because', shownText(decision, 'reason')),
      row('instead', shownText(decision, 'instead')),
      row('risk', shownText(decision, 'risk')),
      row('confidence', decision.confidence === undefined ? null : jsonLine(decision.confidence)),
      ranks.length === 0 ? null : ['ranks', ...ranks],
      missing.length === 0 ? null : ['missing', ...missing],
      decision.modify === undefined || decision.modify === null
        ? null
        : ['changed by', jsonLine(decision.modify)],
      row('instead at', redirectedTo(body)),
      row(
        'policy',
        [shownText(decision, 'policy_version'), shownText(decision, 'policy_hash')]
          .filter((t) => t !== null)
          .join(' '),
      ),
    ],
    style,
  );
}

function identityLines(identity: JsonObject, { style, clock }: Screen): readonly string[] {
  const human = objectAt(identity, 'human');
  const agent = objectAt(identity, 'agent');
  const service = objectAt(identity, 'service');
  const chain = objectsAt(identity, 'delegation').map((link) => {
    const until = timeAt(link, 'expires_at', clock);
    return `${jsonLine(link.from)} → ${jsonLine(link.to)}, ${jsonLine(link.scope)}${until === null ? '' : `, until ${until}`}`;
  });
  return section(
    'Identity',
    [
      row(
        'person',
        human === null
          ? null
          : `${jsonLine(human.name)}, uid ${jsonLine(human.uid)} (${jsonLine(human.source)})`,
      ),
      row(
        'agent',
        agent === null
          ? null
          : `${jsonLine(agent.product)} ${shownText(agent, 'version') ?? ''} ${jsonLine(agent.id)}`,
      ),
      row('agent key', shownText(agent, 'public_key')),
      row(
        'valid',
        agent === null
          ? null
          : `${timeAt(agent, 'minted_at', clock) ?? '?'} to ${timeAt(agent, 'expires_at', clock) ?? '?'}`,
      ),
      row('binary', shownText(agent, 'binary_hash')),
      row(
        'service',
        service === null
          ? null
          : `${jsonLine(service.name)} ${jsonLine(service.version)}, installation ${jsonLine(service.installation)}`,
      ),
      row('role', shownText(identity, 'role')),
      row('privileges', names(identity, 'privileges')),
      chain.length === 0 ? null : ['delegation', ...chain],
      row('binding', shownText(identity, 'binding')),
    ],
    style,
  );
}

function approvalPartLines(approval: JsonObject, { style, clock }: Screen): readonly string[] {
  return section(
    'Approval',
    [
      row('answer', shownText(approval, 'answer')),
      row('by', shownText(approval, 'approver')),
      row('note', shownText(approval, 'note')),
      row('scope', approval.scope === null || approval.scope === undefined ? null : jsonLine(approval.scope)),
      row('asked', timeAt(approval, 'asked_at', clock)),
      row('answered', timeAt(approval, 'at', clock)),
      row('deadline', timeAt(approval, 'deadline', clock)),
      row('origin', shownText(approval, 'origin')),
      row('digest', shownText(approval, 'digest')),
      row('id', shownText(approval, 'id')),
    ],
    style,
  );
}

function deferralPartLines(deferral: JsonObject, { style, clock }: Screen): readonly string[] {
  const missing = objectsAt(deferral, 'missing').map(
    (fact) => `${jsonLine(fact.path)} (${names(fact, 'resolvers')})`,
  );
  return section(
    'Deferral',
    [
      row('resolution', shownText(deferral, 'resolution')),
      row('method', shownText(deferral, 'method')),
      row('because', shownText(deferral, 'reason')),
      missing.length === 0 ? null : ['waits for', ...missing],
      row('depends on', names(deferral, 'depends_on')),
      row('depth', deferral.depth === undefined ? null : jsonLine(deferral.depth)),
      row('parked', timeAt(deferral, 'parked_at', clock)),
      row('resolved', timeAt(deferral, 'resolved_at', clock)),
      row('deadline', timeAt(deferral, 'deadline', clock)),
      row('id', shownText(deferral, 'id')),
    ],
    style,
  );
}

function outcomeLines(outcome: JsonObject, from: Receipt, { style, clock }: Screen): readonly string[] {
  const effects = objectsAt(outcome, 'effects').map(
    (effect) => `${jsonLine(effect.count)} × ${jsonLine(effect.kind)}: ${names(effect, 'sample')}`,
  );
  return section(
    'Outcome',
    [
      row('result', `${jsonLine(outcome.result)} (${visibleLine(outcomeText(outcome))})`),
      row('status', shownText(outcome, 'status')),
      row('error', shownText(outcome, 'error')),
      row('output', shownText(outcome, 'output_hash')),
      row('bytes', typeof outcome.bytes === 'number' ? String(outcome.bytes) : null),
      row('started', timeAt(outcome, 'started_at', clock)),
      row('ended', timeAt(outcome, 'ended_at', clock)),
      effects.length === 0 ? null : ['effects', ...effects],
      row('receipt', `#${from.receipt.seq} ${visibleLine(from.receipt.id)}`),
    ],
    style,
  );
}

/** How a receipt is named from another one. */
function linkText(receipt: Receipt): string {
  const { seq, id, kind } = receipt.receipt;
  const result = resultOf(receipt);
  return `#${seq} ${visibleLine(id)} ${visibleLine(kind)}${result === null ? '' : ` ${visibleLine(result)}`}`;
}

/** Members with a section of their own; the rest of a body is shown as it is, so that nothing signed stays unseen. */
const SHOWN = new Set([
  'action',
  'decision',
  'decided',
  'identity',
  'context',
  'request',
  'claim',
  'approval',
  'deferral',
  'outcome',
  'decision_receipt',
  'deferral_receipt',
]);

/** All lines of one receipt for people (AARM R5.a–g). */
export function receiptLines(whole: WholeReceipt, screen: Screen): readonly string[] {
  const { receipt, relatives, origins, seal } = whole;
  const { style, clock } = screen;
  const { seq, id, kind, at, session, key, prev, context, body } = receipt.receipt;
  const summary = receiptRow(receipt, relatives);
  const action = objectAt(body, 'action');
  const decision = objectAt(body, 'decision');
  const identity = objectAt(body, 'identity');
  const approval = objectAt(body, 'approval');
  const deferral = objectAt(body, 'deferral');
  const request = objectAt(body, 'request');
  const said = objectAt(body, 'context');
  const ownOutcome = kind === 'outcome' ? receipt : relatives.outcome;
  const outcome = ownOutcome === null ? null : objectAt(ownOutcome.receipt.body, 'outcome');
  const rest = Object.entries(body).filter(([name]) => !SHOWN.has(name));
  const head = `#${seq} ${visibleLine(id)}  ${visibleLine(decisionText(summary))}`;
  const good = seal.verdict === 'verified';
  return [
    style.bold(head),
    ...rowLines([
      row('kind', visibleLine(kind)),
      row('at', clock(at)),
      row('session', session === null ? 'none' : visibleLine(session)),
      row(
        'seal',
        good
          ? 'verified: hash, signature and links'
          : style.alarm(`BROKEN: ${seal.faults.map(visibleLine).join('; ')}`),
      ),
    ]),
    ...(action === null ? [] : actionLines(action, style)),
    ...(decision === null ? [] : decisionLines(body, decision, style)),
    ...(approval === null ? [] : approvalPartLines(approval, screen)),
    ...(deferral === null ? [] : deferralPartLines(deferral, screen)),
    ...(outcome === null || ownOutcome === null ? [] : outcomeLines(outcome, ownOutcome, screen)),
    ...section(
      'Asked for',
      [
        row('request', request === null ? null : `“${jsonLine(request.text)}” (${jsonLine(request.source)})`),
        row('claim', textAt(body, 'claim') === null ? null : `the agent says: “${jsonLine(body.claim)}”`),
      ],
      style,
    ),
    ...(identity === null ? [] : identityLines(identity, screen)),
    ...section(
      'Context',
      [
        row(
          'chain',
          context === undefined ? null : `${context.length} entries, ${visibleLine(context.head)}`,
        ),
        row('judged with', said === null ? null : `${jsonLine(said.length)} entries, ${jsonLine(said.hash)}`),
        row('data read', names(said, 'classes')),
      ],
      style,
    ),
    ...section(
      'Further',
      rest.map(([name, value]) => row(visibleLine(name), jsonLine(value))),
      style,
    ),
    ...section(
      'Links',
      [
        origins.length === 0 ? null : ['answers', ...origins.map(linkText)],
        relatives.endings.length === 0 ? null : ['answered by', ...relatives.endings.map(linkText)],
        row('outcome', relatives.outcome === null ? null : linkText(relatives.outcome)),
        ['previous', visibleLine(prev)],
        ['hash', visibleLine(receipt.hash)],
      ],
      style,
    ),
    ...section(
      'Seal',
      [
        ['key', `${visibleLine(key)}${seal.key === null ? '' : `, kept in ${visibleLine(seal.key.kept)}`}`],
        ['signature', visibleLine(receipt.signature)],
      ],
      style,
    ),
  ];
}
