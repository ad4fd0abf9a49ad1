/**
 * What a predicate may read, as data: the names, their static types, and who can fetch what is missing.
 * The view (fact-view.ts), the type check (expression.ts) and docs/policy-format.md follow this table.
 */

/** Static type of a fact, in CEL's spelling; `dyn` where it may also be null (not applicable) or any JSON. */
export type FactType = string;

/** Fields of each object type; a type stands before those that name it. */
export const FACT_TYPES: Readonly<Record<string, Readonly<Record<string, FactType>>>> = {
  Delegation: { from: 'string', to: 'string', scope: 'string' },
  PriorAction: {
    tool: 'string',
    operation: 'string',
    summary: 'string',
    decision: 'string',
    result: 'dyn',
    age_ms: 'dyn',
  },
  Action: {
    tool: 'string',
    operation: 'string',
    parameters: 'dyn',
    cwd: 'dyn',
    surface: 'string',
    parts_follow: 'bool',
    gaps: 'list<string>',
    modified_from: 'dyn',
  },
  Command: {
    program: 'string',
    name: 'string',
    subcommand: 'dyn',
    args: 'list<string>',
    args_known: 'bool',
    flags: 'list<string>',
    operands: 'list<string>',
    assignments: 'list<string>',
    via: 'list<string>',
    places: 'list<string>',
    piped_from: 'dyn',
    piped_to: 'dyn',
    origin: 'string',
    code_language: 'dyn',
    code: 'dyn',
    cwd: 'dyn',
  },
  Effect: {
    kind: 'string',
    value: 'dyn',
    known: 'bool',
    many: 'bool',
    object_kind: 'string',
    labels: 'list<string>',
    recursive: 'bool',
    force: 'bool',
    reversible: 'string',
    tags: 'list<string>',
  },
  Identity: {
    human: 'string',
    uid: 'dyn',
    service: 'string',
    agent: 'string',
    agent_version: 'dyn',
    role: 'string',
    privileges: 'list<string>',
    binding: 'string',
    delegation: 'list<Delegation>',
  },
  Session: {
    assurance: 'string',
    workspace: 'dyn',
    home: 'string',
    action_count: 'dyn',
    age_ms: 'dyn',
    velocity: 'dyn',
  },
  Request: { text: 'string' },
  /** `source` is null while nothing was seen. */
  Untrusted: { seen: 'bool', count: 'dyn', kinds: 'list<string>', source: 'dyn' },
  History: {
    tools: 'list<string>',
    entities: 'list<string>',
    classes: 'list<string>',
    counts: 'map<string, dyn>',
    untrusted: 'Untrusted',
    recent: 'list<PriorAction>',
  },
  Alignment: { scope: 'string', distance: 'dyn', drift: 'dyn', words: 'list<string>' },
  Payload: { level: 'string', kinds: 'list<string>', bytes: 'dyn', inspected: 'string' },
  DataFlow: { source: 'string', level: 'string', because: 'string', age_ms: 'dyn', matches: 'dyn' },
  Data: {
    classes: 'list<string>',
    level: 'dyn',
    payload: 'Payload',
    flows: 'list<DataFlow>',
    flow_level: 'dyn',
    flow_matches: 'dyn',
    placeholder: 'dyn',
  },
  Destination: {
    host: 'string',
    port: 'dyn',
    category: 'dyn',
    first_seen: 'bool',
    accepts: 'string',
    labels: 'list<string>',
  },
  EnvironmentFact: { value: 'dyn', source: 'string', age_ms: 'dyn' },
};

/** The variables, with their types. */
export const FACT_ROOTS = {
  action: 'Action',
  command: 'Command',
  commands: 'list<Command>',
  effect: 'Effect',
  effects: 'list<Effect>',
  identity: 'Identity',
  session: 'Session',
  request: 'Request',
  history: 'History',
  data: 'Data',
  alignment: 'Alignment',
  environment: 'map<string, EnvironmentFact>',
  destination: 'Destination',
} as const satisfies Readonly<Record<string, FactType>>;

export type FactRoot = keyof typeof FACT_ROOTS;

const PERSON = ['person'] as const;
const RESOLVERS: Readonly<Record<string, readonly string[]>> = {
  request: ['intent', 'person'],
  alignment: ['intent', 'person'],
  history: ['prior_action', 'person'],
  environment: ['environment', 'person'],
  destination: ['environment', 'person'],
  data: ['environment', 'person'],
};

/** Names of the resolvers that can find out what stands at `path` (R4.d1); a person can always be asked. */
export function resolversFor(path: string): readonly string[] {
  const end = path.indexOf('.');
  const root = end < 0 ? path : path.slice(0, end);
  return Object.hasOwn(RESOLVERS, root) ? (RESOLVERS[root] ?? PERSON) : PERSON;
}

/** True when what stands at `path` is unknown only because a word of a command line is. */
export function isWordPath(path: string): boolean {
  return /^(commands?|effects?)\b/.test(path);
}

/** True when a predicate that reads `path` judges what the session did rather than this action alone. */
export function isCompositionalPath(path: string): boolean {
  return /^(history|data)\b|^session\.(action_count|age_ms|velocity)\b/.test(path);
}
