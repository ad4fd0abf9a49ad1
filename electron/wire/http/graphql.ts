import {
  type DocumentNode,
  type FragmentDefinitionNode,
  Kind,
  type OperationDefinitionNode,
  parse,
  type SelectionSetNode,
} from 'graphql';
import type { Json } from '../../core/brand.ts';
import type { GraphqlOperation } from '../../core/http.ts';
import { isJsonObject } from '../json.ts';

const MAX_TOKENS = 20_000;
const MAX_OPERATIONS = 100;
const MAX_FIELDS = 200;
/** A persisted query: the server knows its text, and nobody here does. */
const UNKNOWN: GraphqlOperation = { type: 'unknown', name: null, fields: [] };

/** Operations that a GraphQL document runs; a reason where it cannot be read. With a `name`, only that one runs. */
export function graphqlOperations(text: string, name: string | null): readonly GraphqlOperation[] | string {
  let document: DocumentNode;
  try {
    document = parse(text, { maxTokens: MAX_TOKENS, noLocation: true });
  } catch (cause) {
    // A nesting that overflows the parser's stack ends here too.
    return cause instanceof Error
      ? (cause.message.split('\n')[0] ?? 'no GraphQL').slice(0, 120)
      : 'no GraphQL';
  }
  const fragments = new Map<string, FragmentDefinitionNode>();
  const operations: OperationDefinitionNode[] = [];
  for (const definition of document.definitions)
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
    else if (definition.kind === Kind.OPERATION_DEFINITION) operations.push(definition);
  const named = name === null ? operations : operations.filter((one) => one.name?.value === name);
  // A name that fits none is refused by a server that keeps to the rules; one that does not may run any of them.
  const running = named.length > 0 ? named : operations;
  if (running.length === 0) return 'a document without an operation';
  return running.slice(0, MAX_OPERATIONS).map((one) => ({
    type: one.operation,
    name: one.name?.value ?? null,
    fields: topFields(one.selectionSet, fragments),
  }));
}

function topFields(
  top: SelectionSetNode,
  fragments: ReadonlyMap<string, FragmentDefinitionNode>,
): readonly string[] {
  const fields = new Set<string>();
  const seen = new Set<string>();
  const open: SelectionSetNode[] = [top];
  for (let set = open.pop(); set !== undefined && fields.size < MAX_FIELDS; set = open.pop())
    for (const selection of set.selections) {
      if (selection.kind === Kind.FIELD) fields.add(selection.name.value);
      else if (selection.kind === Kind.INLINE_FRAGMENT) open.push(selection.selectionSet);
      else if (!seen.has(selection.name.value)) {
        seen.add(selection.name.value);
        const fragment = fragments.get(selection.name.value);
        if (fragment !== undefined) open.push(fragment.selectionSet);
      }
    }
  return [...fields];
}

/** True for text that begins like a GraphQL document. */
export function looksLikeGraphql(text: string): boolean {
  return /^(?:\s|#[^\n]*(?:\n|$))*(?:(?:query|mutation|subscription|fragment)\b|\{)/.test(
    text.slice(0, 2000),
  );
}

/**
 * Operations of a JSON body in GraphQL's form, one request or a batch; null when it is none, a reason when it is but cannot be read.
 * `sure`: the address says that it is GraphQL.
 */
export function graphqlOfJson(value: Json, sure: boolean): readonly GraphqlOperation[] | string | null {
  const entries = Array.isArray(value) ? (value as readonly Json[]) : [value];
  if (entries.length === 0 || entries.length > MAX_OPERATIONS) return null;
  const operations: GraphqlOperation[] = [];
  for (const entry of entries) {
    if (!isJsonObject(entry)) return null;
    const { query, operationName } = entry;
    if (typeof query === 'string' && (sure || looksLikeGraphql(query))) {
      const read = graphqlOperations(query, typeof operationName === 'string' ? operationName : null);
      if (typeof read === 'string') return sure ? read : null;
      operations.push(...read);
    } else if (isPersisted(entry, sure))
      operations.push({ ...UNKNOWN, name: typeof operationName === 'string' ? operationName : null });
    else return null;
  }
  return operations.slice(0, MAX_OPERATIONS);
}

function isPersisted(entry: { readonly [key: string]: Json }, sure: boolean): boolean {
  const { extensions, id, documentId, doc_id: shortId } = entry;
  if (isJsonObject(extensions) && isJsonObject(extensions.persistedQuery)) return true;
  return sure && [id, documentId, shortId].some((one) => typeof one === 'string');
}

/** Operations in the fields of a query or a form: `?query=…&operationName=…`. Null when there are none. */
export function graphqlOfPairs(
  pairs: readonly (readonly [string, string])[],
  sure: boolean,
): readonly GraphqlOperation[] | string | null {
  const pairOf = (name: string): string | null => pairs.find(([key]) => key === name)?.[1] ?? null;
  const query = pairOf('query');
  if (query !== null && sure && looksLikeGraphql(query))
    return graphqlOperations(query, pairOf('operationName'));
  if (sure && (pairOf('extensions')?.includes('persistedQuery') === true || pairOf('documentId') !== null))
    return [{ ...UNKNOWN, name: pairOf('operationName') }];
  return null;
}
