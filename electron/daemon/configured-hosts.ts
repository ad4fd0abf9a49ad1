import type { Session } from './session-store.ts';

/**
 * Whether the person configured this host for the session (a URL in the environment that it started with): connecting there is no
 * question. What is then sent is judged like everything that leaves.
 */
export function isConfiguredHost(session: Session, host: string, port: number): boolean {
  const asked = nameOf(host);
  return (session.guard?.hosts ?? []).some((text) => {
    const found = /^(?:\[([^\]]+)\]|([^:]+)):(\*|\d+)$/.exec(text);
    const named = found?.[1] ?? found?.[2];
    if (named === undefined || nameOf(named) !== asked) return false;
    return found?.[3] === '*' || Number(found?.[3]) === port;
  });
}

/** Names are compared without regard to case and to a dot at the end. */
function nameOf(host: string): string {
  return host.toLowerCase().replace(/\.$/, '');
}
