import type { JsonObject } from '../core/brand.ts';
import { hostAndPort } from './network-action.ts';
import { shellWords } from './shell-words.ts';

/**
 * What an action on a file, a connection or a database is, in few words and the same everywhere: `delete /home/u/x (by /usr/bin/rm)`. Names are
 * quoted as a shell would need it, so that none of them can pass for more than one. Null for what is about none.
 */
export function objectText(operation: string, parameters: JsonObject): string | null {
  const { path, destination, host, port, socket, by, url, method, database, text } = parameters;
  if (typeof url === 'string' && typeof method === 'string') return shellWords([method, url]);
  if (typeof database === 'string' && typeof text === 'string')
    return text === '' ? `connect ${shellWords([database])}` : `${operation} ${shellWords([database, text])}`;
  const what =
    typeof path === 'string'
      ? [path, ...(typeof destination === 'string' ? [destination] : [])]
      : typeof host === 'string'
        ? [typeof port === 'number' ? hostAndPort(host, port) : host]
        : typeof socket === 'string'
          ? [socket]
          : null;
  if (what === null) return null;
  const named = what.map((word) => shellWords([word])).join(' → ');
  return `${operation} ${named}${typeof by === 'string' ? ` (by ${shellWords([by])})` : ''}`.trimStart();
}
