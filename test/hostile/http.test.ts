// Where a request goes, from whoever wants it to look otherwise: one row of hostile/http/targets.json each.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { describeRequest, type RequestInput } from '../../electron/wire/http/request.ts';

interface Row {
  readonly name: string;
  readonly input: {
    readonly authority: string | null;
    readonly target: string;
    readonly method?: string;
    readonly routeHost?: string;
    readonly routePort?: number;
    readonly sni?: string;
  };
  readonly refused?: string;
  readonly host?: string;
  readonly port?: number;
  readonly path?: string;
  readonly url?: string;
  readonly odd?: readonly string[];
}

const rows = JSON.parse(
  readFileSync(join(import.meta.dirname, 'http', 'targets.json'), 'utf8'),
) as readonly Row[];

function inputOf(row: Partial<Row['input']>): RequestInput {
  return {
    method: row.method ?? 'GET',
    scheme: 'https',
    authority: row.authority ?? null,
    rawTarget: row.target ?? '/',
    routeHost: row.routeHost ?? null,
    routePort: row.routePort ?? null,
    sni: row.sni ?? null,
    protocol: 'http/1.1',
    headers: [],
    window: new Uint8Array(0),
    length: 0,
    inspected: 'whole',
    multipart: null,
  };
}

describe('targets', () => {
  test('there are at least eighty', () => {
    assert.ok(rows.length >= 80);
  });
  for (const row of rows)
    test(row.name, () => {
      const described = describeRequest(inputOf(row.input));
      if (row.refused !== undefined) {
        assert.ok(!described.ok, described.ok ? described.value.target.url : '');
        assert.equal(described.error.code, row.refused);
        return;
      }
      assert.ok(described.ok, described.ok ? '' : described.error.reason);
      const { target, oddities } = described.value;
      assert.deepEqual(
        { host: target.host, path: target.path, odd: [...oddities].sort() },
        { host: row.host, path: row.path, odd: row.odd },
      );
      if (row.port !== undefined) assert.equal(target.port, row.port);
      if (row.url !== undefined) assert.equal(target.url, row.url);
    });
});

const hostile = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.webUrl(),
  fc.webAuthority(),
  fc.ipV4Extended(),
  fc.ipV6().map((address) => `[${address}]`),
  fc
    .array(
      fc.constantFrom(
        '/',
        '\\',
        '@',
        ':',
        '..',
        '%2e',
        '%2f',
        '%00',
        '#',
        '?',
        'a',
        '0x7f',
        '.',
        '[',
        ']',
        '::1',
        '\t',
        ' ',
        'é',
        '。',
        'https:',
        '*',
      ),
      { maxLength: 12 },
    )
    .map((parts) => parts.join('')),
);

describe('properties', () => {
  test('describing never throws, whatever is sent', () => {
    fc.assert(
      fc.property(
        fc.record({
          method: fc.oneof(fc.constantFrom('GET', 'POST', 'DELETE', 'OPTIONS'), fc.string()),
          scheme: fc.constantFrom('http' as const, 'https' as const),
          authority: fc.option(hostile),
          rawTarget: hostile,
          routeHost: fc.option(hostile),
          routePort: fc.option(fc.integer({ min: 1, max: 65535 })),
          sni: fc.option(hostile),
          protocol: fc.constantFrom('http/1.1' as const, 'h2' as const, 'websocket' as const),
          headers: fc.array(
            fc.tuple(
              fc.oneof(fc.constantFrom('content-type', 'host', 'connection'), fc.string()),
              fc.oneof(
                fc.constantFrom(
                  'application/json',
                  'application/x-git-receive-pack-request',
                  'application/graphql',
                  'text/plain',
                ),
                fc.string(),
              ),
            ),
            { maxLength: 4 },
          ),
          window: fc.oneof(
            fc.uint8Array({ maxLength: 200 }),
            fc.json().map((text) => new TextEncoder().encode(text)),
          ),
          length: fc.option(fc.nat()),
          inspected: fc.constantFrom('whole' as const, 'part' as const),
          multipart: fc.constant(null),
        }),
        (input) => {
          assert.equal(typeof describeRequest(input).ok, 'boolean');
        },
      ),
      { numRuns: 3000 },
    );
  });

  test('the described host is the host that is dialled: read again, it is the same', () => {
    fc.assert(
      fc.property(hostile, hostile, fc.option(hostile), (authority, rawTarget, routeHost) => {
        const first = describeRequest({ ...inputOf({ authority, target: rawTarget }), routeHost });
        if (!first.ok) return;
        const { target } = first.value;
        const url = new URL(target.url);
        assert.equal(url.hostname.replace(/^\[|\]$/g, ''), target.host);
        assert.equal(url.port === '' ? 443 : Number(url.port), target.port);
        assert.equal(url.username + url.password + url.hash, '');
        const again = describeRequest(
          inputOf({
            authority: url.host,
            target: url.pathname + url.search,
            routeHost: target.host,
            routePort: target.port,
          }),
        );
        assert.ok(again.ok, target.url);
        assert.equal(again.value.target.host, target.host);
        assert.equal(again.value.target.url, target.url);
      }),
      { numRuns: 3000 },
    );
  });

  test('a route to a name is never left for another name', () => {
    fc.assert(
      fc.property(hostile, hostile, fc.domain(), (authority, rawTarget, routeHost) => {
        const described = describeRequest({ ...inputOf({ authority, target: rawTarget }), routeHost });
        if (described.ok) assert.equal(described.value.target.host, new URL(`http://${routeHost}/`).hostname);
      }),
      { numRuns: 2000 },
    );
  });
});
