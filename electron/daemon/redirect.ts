import { err, type Result } from '../core/result.ts';
import { isBelow } from '../wire/file-action.ts';
import { hostPath } from './guard-normalize.ts';
import type { MediationPorts, Passage, Redirection } from './mediation.ts';

/**
 * Makes the place that a change of a file is carried out in instead (AARM R4, MODIFY), or says why there is none; the caller then asks a
 * person about the original.
 */
export function redirect(
  ports: MediationPorts,
  { envelope, session, action }: Passage,
  kind: 'trash' | 'copy',
): Result<Redirection, string> {
  if (envelope.surface !== 'guard' || envelope.question.kind !== 'file')
    return err('only what the kernel guard holds can be carried out elsewhere');
  if (session.guard?.preview === true) return err('a preview carries nothing out');
  const { path } = envelope.question;
  if (!path.exact) return err('its name is not valid UTF-8');
  const place = hostPath(session, path.text);
  if (kind === 'trash') return ports.redirections.trash(place, { action: action.id, digest: action.digest });
  // INVARIANT (no read through a copy): who opens a copy may read it, and a secret is only read when that was asked.
  const isSecret =
    action.effects.some(({ object }) => object.labels.includes('secret')) ||
    (session.guard?.veiled ?? []).some((veiled) => isBelow(path.text, veiled));
  return isSecret ? err('it is a secret, which is not copied') : ports.redirections.copy(place, session.id);
}
