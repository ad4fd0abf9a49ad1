import type { Action } from '../../core/action.ts';
import type { Hasher } from '../../core/ports.ts';
import type { Knowledge } from '../../core/semantic/knowledge.ts';
import { objectOf } from '../../core/semantic/objects.ts';
import { effectOn, type ObjectSubmission, objectAction } from '../file-action.ts';
import { hostAndPort } from '../network-action.ts';
import type { ProxyQuestion } from '../proxy-message.ts';
import { placeOfEntry } from './known-hosts.ts';

/**
 * Builds the Action of one signature that logs in to a host (AARM R1, R9): tool `ssh`, operation `sign`, its one effect a `connect` to
 * the host with the tag `signs`. What is done once logged in is the connection's own business and not seen here.
 */
export function buildSignAction(
  submission: ObjectSubmission & {
    readonly question: Extract<ProxyQuestion, { readonly kind: 'sign' }>;
  },
  knowledge: Knowledge,
  hasher: Hasher,
): Action {
  const { credential, host, user, key, data, flags } = submission.question;
  const place = placeOfEntry(host);
  const text = place === null ? host : hostAndPort(place.host, place.port);
  const word = { text, raw: text, known: true, glob: false };
  const object = objectOf(word, 'host', [], 'here', submission.place, knowledge);
  const parameters = {
    credential,
    host: text,
    user,
    key: hasher.sha256(key),
    data: hasher.sha256(data),
    flags,
  };
  const effects = [effectOn('connect', object, ['signs'], 'unknown')];
  return objectAction(submission, { tool: 'ssh', operation: 'sign', parameters, effects }, true, hasher);
}
