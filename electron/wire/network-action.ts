import type { Action } from '../core/action.ts';
import type { Hasher } from '../core/ports.ts';
import type { Knowledge } from '../core/semantic/knowledge.ts';
import { objectOf } from '../core/semantic/objects.ts';
import { effectOn, type ObjectSubmission, objectAction, pathObject } from './file-action.ts';
import type { ConnectQuestion } from './guard-message.ts';

/**
 * Builds the Action of one connection that is about to be made (AARM R1, R3.k, R5.a): tool `network`, operation `connect`, its one
 * effect labelled as a command's would be.
 */
export function buildConnectAction(
  submission: ObjectSubmission & { readonly to: ConnectQuestion['to'] },
  knowledge: Knowledge,
  hasher: Hasher,
): Action {
  const { to, by } = submission;
  const asked = { exact: by?.exact ?? true, parameters: by === null ? {} : { by: by.text } };
  if (to.kind === 'unix') {
    const object = pathObject(to.path.text, submission, knowledge.paths);
    const exact = to.path.exact && asked.exact;
    const parameters = { socket: to.path.text, ...asked.parameters, ...(exact ? {} : { escaped: true }) };
    const effects = [effectOn('connect', object, ['local-socket'], 'yes')];
    return objectAction(
      submission,
      { tool: 'network', operation: 'connect', parameters, effects },
      exact,
      hasher,
    );
  }
  const text = hostAndPort(to.host, to.port);
  const word = { text, raw: text, known: true, glob: false };
  const object = objectOf(word, 'host', [], 'here', submission.place, knowledge);
  const parameters = {
    host: to.host,
    port: to.port,
    ...asked.parameters,
    ...(asked.exact ? {} : { escaped: true }),
  };
  const effects = [effectOn('connect', object, [], 'unknown')];
  return objectAction(
    submission,
    { tool: 'network', operation: 'connect', parameters, effects },
    asked.exact,
    hasher,
  );
}

/** `host:port`, an address of IPv6 in brackets. */
export function hostAndPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
