// A request as the proxy would hand it over, read by the real parsers with the real knowledge files.
import assert from 'node:assert/strict';
import type { Action } from '../../../../electron/core/action.ts';
import type { ActionId, SessionId } from '../../../../electron/core/brand.ts';
import { EMPTY_PAYLOAD } from '../../../../electron/core/data/payload.ts';
import type { HttpRequest } from '../../../../electron/core/http.ts';
import { buildHttpAction } from '../../../../electron/wire/http/http-action.ts';
import { describeRequest, type RequestInput } from '../../../../electron/wire/http/request.ts';
import { HOME, hasher, knowledge, WORKSPACE } from '../../semantic/scene.ts';

export interface Sent {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly address?: string;
  readonly input?: Partial<RequestInput>;
}

export function inputOf(line: string, sent: Sent = {}): RequestInput {
  const found = /^(\S+) (https?):\/\/([^/?]+)(.*)$/s.exec(line);
  assert.ok(found !== null, line);
  const [, method = '', scheme = '', authority = '', rest = ''] = found;
  const body = sent.body ?? '';
  const window = typeof body === 'string' ? new TextEncoder().encode(body) : body;
  return {
    method,
    scheme: scheme === 'https' ? 'https' : 'http',
    authority,
    rawTarget: rest.startsWith('/') ? rest : `/${rest}`,
    routeHost: null,
    routePort: null,
    sni: null,
    protocol: 'http/1.1',
    headers: Object.entries(sent.headers ?? {}),
    window,
    length: window.length,
    inspected: 'whole',
    multipart: null,
    ...sent.input,
  };
}

export function requestOf(line: string, sent: Sent = {}): HttpRequest {
  const described = describeRequest(inputOf(line, sent), hasher);
  assert.ok(described.ok, described.ok ? '' : described.error.reason);
  return described.value;
}

export function actionOf(line: string, sent: Sent = {}): Action {
  return buildHttpAction(
    {
      id: 'act_00000000' as ActionId,
      sessionId: 'sess_00000000' as SessionId,
      at: 0,
      place: { cwd: null, home: HOME, workspace: WORKSPACE, user: 'user' },
      request: requestOf(line, sent),
      payload: EMPTY_PAYLOAD,
      address: sent.address ?? null,
      modifiedFrom: null,
    },
    knowledge,
    hasher,
  );
}
