import type { Action } from '../../core/action.ts';
import type { Json } from '../../core/brand.ts';
import type { Effect, EffectKind, EffectObject } from '../../core/effect.ts';
import type { Hasher } from '../../core/ports.ts';
import { fixedObject } from '../../core/semantic/objects.ts';
import { effectOn, type ObjectSubmission, objectAction } from '../file-action.ts';
import { hostAndPort } from '../network-action.ts';
import type { ProxyQuestion, StatementView } from '../proxy-message.ts';
import { isCatalog } from './gathering.ts';
import { maskLiterals } from './mask.ts';

export type StatementQuestion = Extract<ProxyQuestion, { readonly kind: 'statement' }>;

const MAX_TEXT = 32_768;

/**
 * Builds the Action of what is about to be sent to a database (AARM R1, R3.k, R5.a): tool `database`, operation the verb (`batch` for several
 * statements), effects on its tables. Literals are masked in `text`; `digest` and `values` bind an approval to what they are.
 */
export function buildStatementAction(
  submission: ObjectSubmission & { readonly question: StatementQuestion },
  hasher: Hasher,
): Action {
  const { question } = submission;
  const { statements } = question;
  const place = `${hostAndPort(question.host, question.port)}/${question.database}`;
  const masked = maskLiterals(question.text);
  const parameters: Record<string, Json> = {
    database: place,
    user: question.user,
    credential: question.credential,
    text: masked.length > MAX_TEXT ? `${masked.slice(0, MAX_TEXT)} …` : masked,
    text_digest: hasher.sha256(question.text),
    verbs: statements.map((statement) => statement.verb),
    tables_read: [...new Set(statements.flatMap((statement) => statement.reads))],
    tables_written: [...new Set(statements.flatMap((statement) => statement.writes))],
    functions: [...new Set(statements.flatMap((statement) => statement.calls ?? []))],
    ...(question.values === undefined || question.values === null ? {} : { values_digest: question.values }),
    ...(question.searchPath === undefined || question.searchPath === null
      ? {}
      : { search_path: question.searchPath }),
  };
  const effects = statements.flatMap((statement) => effectsOf(statement, place));
  const verbs = new Set(statements.map((statement) => statement.verb));
  const operation = verbs.size === 1 ? ([...verbs][0] ?? 'connect') : verbs.size === 0 ? 'connect' : 'batch';
  const meaning = { tool: 'database', operation, parameters, effects };
  const action = objectAction(submission, meaning, true, hasher);
  const unknown = statements.filter((statement) => statement.tags.includes('unknown-statement'));
  const gaps = unknown.map((statement) => `what \`${statement.verb}\` does is not known`);
  return { ...action, gaps, carries: question.payload };
}

/** Tags that say what kind of deed a statement is, whatever tables it names. */
const DEEDS: readonly (readonly [tag: string, kind: EffectKind])[] = [
  ['server-takeover', 'configure'],
  ['from-database', 'execute'],
  ['unknown-code', 'execute'],
  ['unknown-function', 'execute'],
  ['code-in-database', 'execute'],
  ['unknown-statement', 'configure'],
  ['database-role', 'account'],
  ['set-role', 'privilege'],
  ['guard-setting', 'configure'],
  ['row-policy', 'permission'],
  ['database-grant', 'permission'],
  ['disruptive', 'kill'],
  ['two-phase', 'configure'],
  ['large-object', 'write'],
  ['notify', 'send'],
];

function effectsOf(view: StatementView, place: string): readonly Effect[] {
  const found: Effect[] = [];
  const server = fixedObject('database', place, ['database']);
  const tags = ['statement', ...view.tags];
  for (const [tag, kind] of DEEDS)
    if (view.tags.includes(tag)) found.push(effectOn(kind, server, tags, 'unknown'));
  for (const name of view.reads)
    found.push(
      isCatalog(name)
        ? effectOn('discover', table(place, name, []), ['statement', 'catalog', ...secretTag(view)], 'yes')
        : effectOn('read', table(place, name, []), ['statement', ...secretTag(view)], 'yes'),
    );
  for (const name of view.writes) found.push(effectOn(changeOf(view), table(place, name, []), tags, 'no'));
  if (view.tags.includes('destructive') && view.writes.length === 0)
    found.push(effectOn('delete', server, tags, 'no'));
  if (view.tags.includes('structure') && view.writes.length === 0)
    found.push(effectOn('configure', server, tags, 'unknown'));
  if (found.length === 0)
    found.push(effectOn(view.verb === 'connect' ? 'connect' : 'discover', server, tags, 'yes'));
  return found;
}

function secretTag(view: StatementView): readonly string[] {
  return view.tags.filter((tag) => tag === 'secret');
}

function changeOf(view: StatementView): EffectKind {
  if (view.tags.includes('destructive') || view.tags.includes('deletes')) return 'delete';
  if (view.tags.includes('structure') || view.tags.includes('maintenance')) return 'configure';
  return 'write';
}

/** `host:port/db.schema.table`: what is known of the schema is what was written. */
function table(place: string, name: string, labels: readonly string[]): EffectObject {
  return fixedObject('table', `${place}.${name}`, ['database', ...labels]);
}
