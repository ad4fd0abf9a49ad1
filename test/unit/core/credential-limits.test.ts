import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CredentialLimits } from '../../../electron/core/credential.ts';
import { hostAllowed, limitFault, placeAllowed } from '../../../electron/core/credential-limits.ts';
import { requestOf } from '../../support/credential-stage.ts';

const ANY: CredentialLimits = {
  hosts: ['api.example'],
  methods: null,
  paths: null,
  graphql: null,
  ttlSeconds: 60,
};

describe('hosts', () => {
  const rows: readonly (readonly [string, readonly string[], string, number, boolean, boolean])[] = [
    ['the host itself over TLS', ['api.example'], 'api.example', 443, true, true],
    ['the host in another case', ['API.example'], 'api.EXAMPLE', 443, true, true],
    ['the host in the clear', ['api.example'], 'api.example', 80, false, false],
    ['the host in the clear on the port of TLS', ['api.example:443'], 'api.example', 443, false, false],
    ['another port of the host', ['api.example'], 'api.example', 8443, true, false],
    ['a named port', ['api.example:8443'], 'api.example', 8443, true, true],
    ['a named port in the clear', ['127.0.0.1:8080'], '127.0.0.1', 8080, false, true],
    ['a host that ends in the name', ['api.example'], 'evilapi.example', 443, true, false],
    ['a host that begins with the name', ['api.example'], 'api.example.evil', 443, true, false],
    ['a host below a pattern', ['*.example'], 'a.b.example', 443, true, true],
    ['the pattern without what is below it', ['*.example'], 'example', 443, true, false],
    ['a host that ends in the pattern without its dot', ['*.example'], 'evilexample', 443, true, false],
    ['only a dot before the pattern', ['*.example'], '.example', 443, true, false],
    ['an address of IPv6 in brackets', ['[::1]:9000'], '::1', 9000, false, true],
    ['the trailing dot of a name', ['api.example'], 'api.example.', 443, true, false],
  ];
  for (const [what, hosts, host, port, secure, allowed] of rows)
    test(`${allowed ? 'allow' : 'refuse'} ${what}`, () => {
      assert.equal(hostAllowed(hosts, { host, port, secure }), allowed);
    });
});

describe('limits', () => {
  const read = { ...ANY, methods: ['GET'] };
  const query = { ...ANY, graphql: ['query', 'mutation:addStar'] };
  const mine = { ...ANY, paths: ['/repos/me/**'] };
  const graphql = (type: 'query' | 'mutation' | 'subscription', ...fields: string[]) => ({
    method: 'POST',
    path: '/graphql',
    body: { kind: 'graphql', operations: [{ type, name: null, fields }] } as const,
  });

  for (const [what, limits, request] of [
    ['a GET of one that reads', read, { method: 'GET' }],
    ['anything of one without limits', ANY, { method: 'DELETE', path: '/everything' }],
    ['a path below the pattern', mine, { method: 'PUT', path: '/repos/me/site/contents' }],
    ['a query of one for queries', query, graphql('query', 'viewer')],
    ['the one mutation that is named', query, graphql('mutation', 'addStar')],
    ['a plain GET of one for queries', query, { method: 'GET' }],
  ] as const)
    test(`allow ${what}`, () => {
      assert.equal(limitFault(limits, requestOf(request)), null);
    });

  for (const [what, limits, request, why] of [
    ['a write of one that reads', read, { method: 'POST' }, /limited to GET, and this is a POST/],
    ['a delete of one that reads', read, { method: 'DELETE' }, /DELETE/],
    [
      'a GET that asks to be taken for a delete',
      read,
      { method: 'GET', headers: [['x-http-method-override', 'DELETE']] },
      /take this for another/,
    ],
    [
      'one that asks in the spelling of CGI',
      read,
      { method: 'GET', headers: [['x_http_method_override', 'DELETE']] },
      /take this for another/,
    ],
    [
      'one that asks in its query',
      read,
      { method: 'GET', query: [['_method', 'DELETE']] },
      /take this for another/,
    ],
    [
      'a path that a header puts in the place of another',
      mine,
      { method: 'GET', path: '/repos/me/site', headers: [['x-original-url', '/repos/you/site']] },
      /take this for another/,
    ],
    ['a WebSocket of one that reads', read, { method: 'GET', protocol: 'websocket' }, /WebSocket/],
    ['a path of somebody else', mine, { method: 'GET', path: '/repos/you/site' }, /\/repos\/you\/site/],
    ['a path with a hidden slash', mine, { method: 'GET', path: '/repos/me/..%2fyou' }, /two ways/],
    ['a path that is encoded twice', mine, { method: 'GET', path: '/repos/me/%252e%252e/you' }, /two ways/],
    ['a path of Java’s servers', mine, { method: 'GET', path: '/repos/me/..;/you' }, /two ways/],
    [
      'a mutation of one for queries',
      query,
      graphql('mutation', 'deleteRepository'),
      /mutation:deleteRepository/,
    ],
    [
      'a mutation hidden behind one that is named',
      query,
      graphql('mutation', 'addStar', 'deleteRepository'),
      /deleteRepository/,
    ],
    ['a mutation without fields', query, graphql('mutation'), /mutation/],
    ['a GraphQL request cut short', query, { ...graphql('query', 'viewer'), inspected: 'part' }, /too long/],
    [
      'a GraphQL request without operations',
      query,
      { ...graphql('query'), body: { kind: 'graphql', operations: [] } },
      /names none/,
    ],
    [
      'what goes to GraphQL and is not readable as such',
      query,
      { method: 'POST', path: '/graphql', body: { kind: 'malformed', claimed: 'graphql', why: 'x' } },
      /could not be read/,
    ],
    ['a write beside GraphQL', query, { method: 'POST', path: '/repos' }, /POST/],
  ] as const)
    test(`refuse ${what}`, () => {
      assert.match(limitFault(limits, requestOf(request as never)) ?? 'nothing', why);
    });
});

describe('places', () => {
  const token = { kind: 'token', settings: {} } as const;
  for (const [where, record, allowed] of [
    ['header:authorization', token, true],
    ['header:x-api-key', token, true],
    ['query:key', token, false],
    ['body', token, false],
    ['path', token, false],
    ['header:referer', token, false],
    ['header:host', token, false],
    ['header:user-agent', token, false],
    ['query:key', { kind: 'token', settings: { places: ['query:key'] } }, true],
    ['query:other', { kind: 'token', settings: { places: ['query:key'] } }, false],
    ['body', { kind: 'token', settings: { places: ['header', 'body'] } }, true],
    ['password', { kind: 'postgres', settings: {} }, true],
    ['header:authorization', { kind: 'postgres', settings: {} }, false],
    ['query:X-Amz-Credential', { kind: 'aws', settings: {} }, true],
    ['body', { kind: 'aws', settings: {} }, false],
  ] as const)
    test(`${allowed ? 'allow' : 'refuse'} a ${record.kind} in ${where} with ${JSON.stringify(record.settings)}`, () => {
      assert.equal(placeAllowed(record, where), allowed);
    });
});
