import type { JsonObject } from '../core/brand.ts';
import { hostAndPort } from './network-action.ts';
import { shellWords } from './shell-words.ts';

/**
 * What an action on a file, a connection or a database is, in few words and the same everywhere: `delete /home/u/x (by /usr/bin/rm)`. Names are
 * quoted as a shell would need it, so that none of them can pass for more than one. Null for what is about none.
 */
export function objectText(operation: string, parameters: JsonObject): string | null {
  const { path, destination, host, port, socket, by, url, method, database, text, server } = parameters;
  if (typeof server === 'string') return mcpText(operation, server, parameters);
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

/** What is asked of an MCP server, or what its tools have become: `call filesystem/write_file {"path":"/home/u/x"}`. */
function mcpText(operation: string, server: string, parameters: JsonObject): string {
  const { name, inside, arguments: given, uri, prompt, method, params, findings, resolved } = parameters;
  const shown = (value: unknown) => (value === undefined ? '' : ` ${JSON.stringify(value)}`);
  if (typeof name === 'string')
    return `${operation} ${shellWords([`${server}/${name}`])}${shown(given)}${inside === undefined ? '' : `, inside${shown(inside)}`}${resolved === undefined ? '' : `, which is${shown(resolved)}`}`;
  if (typeof uri === 'string') return `${operation} ${shellWords([`${server}: ${uri}`])}`;
  if (typeof prompt === 'string') return `${operation} ${shellWords([`${server}/${prompt}`])}${shown(given)}`;
  if (typeof method === 'string')
    return `${operation} ${shellWords([`${server}: ${method}`])}${shown(params)}`;
  return `${operation} ${shellWords([server])}${shown(findings)}`;
}
