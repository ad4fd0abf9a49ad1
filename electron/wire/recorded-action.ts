import type { Action } from '../core/action.ts';
import type { ActionId, SessionId, TimeMs } from '../core/brand.ts';
import { EMPTY_PAYLOAD } from '../core/data/payload.ts';
import type { Hasher } from '../core/ports.ts';
import type { Knowledge } from '../core/semantic/knowledge.ts';
import type { RecordedCase, RecordedRequest } from './case-file.ts';
import { buildHttpAction } from './http/http-action.ts';
import { describeRequest } from './http/request.ts';
import { buildCodeAction, buildShellAction } from './shell-action.ts';

/** Where a recorded case is taken to happen; cases do not say. */
export interface CasePlace {
  readonly id: ActionId;
  readonly sessionId: SessionId;
  readonly at: TimeMs;
  readonly cwd: string;
  readonly home: string;
  readonly workspace: string;
  readonly user: string;
  readonly variables: Readonly<Record<string, string>>;
}

/** A recorded case as an Action, or why there is none; without an Action the answer is DEFER, never ALLOW. */
export type NormalizedCase =
  | { readonly kind: 'action'; readonly action: Action }
  | { readonly kind: 'unsupported'; readonly reason: string }
  | { readonly kind: 'unreadable'; readonly reason: string };

const LANGUAGES: Readonly<Record<string, string>> = {
  python: 'python',
  python3: 'python',
  javascript: 'node',
  typescript: 'node',
  node: 'node',
  js: 'node',
  ruby: 'ruby',
  perl: 'perl',
  php: 'php',
};
const SHELLS: Readonly<Record<string, 'sh' | 'bash' | 'zsh'>> = {
  sh: 'sh',
  bash: 'bash',
  shell: 'bash',
  zsh: 'zsh',
};

/** Builds the Action of a recorded case through the same readers as an intercepted one. Executes nothing. */
export function normalizeCase(
  row: RecordedCase,
  place: CasePlace,
  knowledge: Knowledge,
  hasher: Hasher,
): NormalizedCase {
  const { variables, ...rest } = place;
  const base = { ...rest, partsFollow: false, dependsOn: [], modifiedFrom: null } as const;
  const { action } = row;
  const line = (text: string, dialect: 'sh' | 'bash' | 'zsh'): NormalizedCase => {
    const built = buildShellAction(
      { ...base, surface: 'shell', command: { line: text }, dialect, variables },
      knowledge,
      hasher,
    );
    return built.ok
      ? { kind: 'action', action: built.value }
      : { kind: 'unreadable', reason: built.error.message };
  };
  if (action.kind === 'shell') return line(action.command, action.shell);
  if (action.kind === 'code') {
    const shell = SHELLS[action.language.toLowerCase()];
    if (shell !== undefined) return line(action.code, shell);
    const language = LANGUAGES[action.language.toLowerCase()];
    if (language === undefined)
      return { kind: 'unsupported', reason: `code in \`${action.language}\` is not evaluated by this build` };
    return {
      kind: 'action',
      action: buildCodeAction({ ...base, surface: 'code', language, code: action.code }, knowledge, hasher),
    };
  }
  if (action.kind === 'http') return request(action.request, place, knowledge, hasher);
  return { kind: 'unsupported', reason: `kind \`${action.name}\` is not evaluated by this build` };
}

declare const TextEncoder: { new (): { encode(text: string): Uint8Array } };

/** The request as a proxy would have met it: in the clear for `http`, opened TLS for `https`, the name dialled that the address names. */
function request(
  recorded: RecordedRequest,
  place: CasePlace,
  knowledge: Knowledge,
  hasher: Hasher,
): NormalizedCase {
  const split = /^(https?):\/\/([^/?#]*)(.*)$/is.exec(recorded.url);
  if (split === null) return { kind: 'unreadable', reason: 'its address is no web address' };
  const [, scheme = '', authority = '', rest = ''] = split;
  const at = authority.lastIndexOf('@');
  const window = new TextEncoder().encode(recorded.body);
  const described = describeRequest(
    {
      method: recorded.method,
      scheme: scheme.toLowerCase() === 'https' ? 'https' : 'http',
      authority: authority.slice(at + 1),
      // With a user name in front, the whole address stands in the request line, as a client sends it to a proxy.
      rawTarget: at >= 0 ? recorded.url : rest.startsWith('/') ? rest : `/${rest}`,
      routeHost: null,
      routePort: null,
      sni: null,
      protocol: 'http/1.1',
      headers: recorded.headers,
      window,
      length: recorded.length ?? window.length,
      inspected: recorded.length !== null && recorded.length > window.length ? 'part' : 'whole',
      multipart: null,
    },
    hasher,
  );
  if (!described.ok) return { kind: 'unreadable', reason: described.error.reason };
  const { id, sessionId, at: when, home, workspace, user } = place;
  const action = buildHttpAction(
    {
      id,
      sessionId,
      at: when,
      place: { cwd: null, home, workspace, user },
      request: described.value,
      payload: { ...EMPTY_PAYLOAD, bytes: window.length },
      address: recorded.address,
      modifiedFrom: null,
    },
    knowledge,
    hasher,
  );
  return { kind: 'action', action };
}
