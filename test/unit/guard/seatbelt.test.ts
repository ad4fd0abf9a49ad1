import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type SeatbeltPlan, seatbeltProfile, underSeatbelt } from '../../../shims/guard/seatbelt.ts';

type Node = string | { readonly text: string } | readonly Node[];

/** Reads the profile's language: lists, atoms, strings with `\` escapes, `#"…"` patterns, `;` comments. Throws on anything else. */
function parse(source: string): readonly Node[] {
  let at = 0;
  const fail = (why: string): never => {
    throw new Error(`${why} at ${at}: ${source.slice(at, at + 40)}`);
  };
  const string = (): string => {
    let text = '';
    for (at += 1; source[at] !== '"'; at += 1) {
      if (at >= source.length || source[at] === '\n') fail('a string does not end');
      if (source[at] === '\\') at += 1;
      text += source[at];
    }
    at += 1;
    return text;
  };
  const list = (inside: boolean): readonly Node[] => {
    const items: Node[] = [];
    for (;;) {
      while (/\s/.test(source[at] ?? '')) at += 1;
      const next = source[at];
      if (next === undefined) return inside ? fail('a list does not end') : items;
      if (next === ';') while (at < source.length && source[at] !== '\n') at += 1;
      else if (next === '(') {
        at += 1;
        items.push(list(true));
      } else if (next === ')') {
        if (!inside) fail('a list ends that never began');
        at += 1;
        return items;
      } else if (next === '"') items.push({ text: string() });
      else if (source.startsWith('#"', at)) {
        at += 1;
        items.push({ text: string() });
      } else {
        const atom = /^[\w*.-]+/.exec(source.slice(at))?.[0] ?? fail('no atom');
        at += atom.length;
        items.push(atom);
      }
    }
  };
  return list(false);
}

interface Rule {
  readonly verdict: string;
  readonly operations: readonly string[];
  readonly filters: readonly (readonly [string, string])[];
}

function rulesOf(profile: string): readonly Rule[] {
  return parse(profile)
    .filter(
      (node): node is readonly Node[] => Array.isArray(node) && (node[0] === 'allow' || node[0] === 'deny'),
    )
    .map((node) => ({
      verdict: String(node[0]),
      operations: node.slice(1).filter((item): item is string => typeof item === 'string'),
      filters: node
        .filter((item): item is readonly Node[] => Array.isArray(item))
        .map((item) => {
          const value = item.find((part) => typeof part === 'object' && !Array.isArray(part)) as
            | { text: string }
            | undefined;
          return [String(item[0]), value?.text ?? ''] as const;
        }),
    }));
}

/** What Seatbelt would say: the last rule that fits wins. */
function judge(profile: string, operation: string, path: string): string {
  const fits = (rule: Rule) =>
    rule.operations.some(
      (name) =>
        name === 'default' ||
        name === operation ||
        (name.endsWith('*') && operation.startsWith(name.slice(0, -1))),
    ) &&
    (rule.filters.length === 0 ||
      rule.filters.some(
        ([kind, value]) =>
          (kind === 'subpath' && (path === value || path.startsWith(`${value}/`))) ||
          (kind === 'literal' && path === value) ||
          (kind === 'regex' && new RegExp(value).test(path)),
      ));
  return rulesOf(profile).findLast(fits)?.verdict ?? 'none';
}

const PLAN: SeatbeltPlan = {
  workspace: '/Users/u/work',
  temp: '/tmp/csn-1',
  tools: ['/Users/u/.npm'],
  veiled: ['/Users/u/.ssh', '/Users/u/work/app/.env'],
  hidden: ['/Users/u/Library/Application Support/Countersign'],
  proxyPort: 4711,
  home: '/Users/u',
};

function profileOf(plan: Partial<SeatbeltPlan> = {}): string {
  const made = seatbeltProfile({ ...PLAN, ...plan });
  assert.ok(made.ok, made.ok ? '' : made.error);
  return made.value;
}

describe('the Seatbelt profile', () => {
  for (const [operation, path, verdict] of [
    ['file-write-data', '/Users/u/work/a', 'allow'],
    ['file-write-create', '/private/tmp/csn-1/x', 'allow'],
    ['file-write-create', '/tmp/csn-1/x', 'allow'],
    ['file-write-data', '/Users/u/.npm/_cacache/x', 'allow'],
    ['file-write-data', '/dev/null', 'allow'],
    ['file-write-data', '/dev/ttys003', 'allow'],
    ['file-write-data', '/dev/disk0', 'deny'],
    ['file-write-data', '/Users/u/.zshrc', 'deny'],
    ['file-write-data', '/Users/u/worked', 'deny'],
    ['file-write-unlink', '/Users/u', 'deny'],
    ['file-read-data', '/usr/lib/x', 'allow'],
    ['file-read-data', '/Users/u/.ssh/id_ed25519', 'deny'],
    ['file-read-metadata', '/Users/u/.ssh/id_ed25519', 'allow'],
    ['file-read-metadata', '/Users/u/Library/Application Support/Countersign/x', 'deny'],
    ['file-read-data', '/Users/u/work/app/.env', 'deny'],
    ['file-write-data', '/Users/u/work/app/.env', 'deny'],
    ['file-write-unlink', '/Users/u/work/app', 'deny'],
    ['file-write-unlink', '/Users/u/work/other', 'allow'],
    ['mach-lookup', '', 'deny'],
    ['network-bind', '', 'deny'],
    ['process-exec', '/bin/ls', 'allow'],
    ['iokit-open', '', 'deny'],
    ['appleevent-send', '', 'deny'],
  ] as const)
    test(`${verdict === 'allow' ? 'allows' : 'denies'} ${operation} of ${path || 'anything'}`, () => {
      assert.equal(judge(profileOf(), operation, path), verdict);
    });

  test('reaches the network by our port only, and the keychain and other programs not at all', () => {
    const outbound = rulesOf(profileOf()).filter(
      (rule) => rule.verdict === 'allow' && rule.operations.some((o) => o.startsWith('network')),
    );
    assert.deepEqual(
      outbound.map((rule) => rule.filters),
      [[['remote', 'localhost:4711']]],
    );
    assert.doesNotMatch(
      profileOf(),
      /SecurityServer|appleevent|launchservices|pasteboard|tccd|\(allow default\)|\(allow network\*\)/,
    );
  });

  for (const name of [
    'a b',
    'a"b',
    'a\\b',
    'a\\',
    'a")(allow default)',
    'a;b',
    "a'b",
    '(x)',
    'é',
    '#"',
    '\\"',
    'a|b',
    '$(x)',
    '*',
  ])
    test(`keeps \`${name}\` one path, denied after every allow`, () => {
      const path = `/Users/u/work/${name}`;
      const profile = profileOf({ veiled: [path] });
      const last = rulesOf(profile).findLastIndex((rule) => rule.verdict === 'allow');
      const denials = rulesOf(profile).filter(
        (rule, at) =>
          at > last &&
          rule.verdict === 'deny' &&
          rule.filters.some(([kind, value]) => kind === 'subpath' && value === path),
      );
      assert.equal(denials.length, 2);
      assert.equal(judge(profile, 'file-read-data', `${path}/x`), 'deny');
      assert.equal(judge(profile, 'file-write-data', path), 'deny');
      assert.equal(judge(profile, 'file-write-data', '/Users/u/work/other'), 'allow');
      assert.equal(rulesOf(profile).length, rulesOf(profileOf({ veiled: ['/Users/u/work/plain'] })).length);
    });

  for (const [what, plan] of [
    ['a newline', { veiled: ['/Users/u/a\nb'] }],
    ['a NUL', { workspace: '/Users/u/a\0b' }],
    ['a line separator', { veiled: ['/Users/u/a\u2028b'] }],
    ['half a character', { veiled: ['/Users/u/a\ud800b'] }],
    ['a relative path', { tools: ['x'] }],
    ['dots', { tools: ['/Users/u/work/../.ssh'] }],
    ['a doubled slash', { veiled: ['/Users//u'] }],
    ['the whole disk', { tools: ['/'] }],
    ['the home as a workspace', { workspace: '/Users/u/' }],
    ['what holds the home', { tools: ['/Users'] }],
    ['no port', { proxyPort: 0 }],
    ['a port that is none', { proxyPort: 4711.5 }],
  ] as const)
    test(`refuses ${what}`, () => assert.equal(seatbeltProfile({ ...PLAN, ...plan }).ok, false));

  test('is given to sandbox-exec as a file', () => {
    assert.deepEqual(underSeatbelt('/x/p.sb', ['init', 'a b']), [
      '/usr/bin/sandbox-exec',
      '-f',
      '/x/p.sb',
      'init',
      'a b',
    ]);
  });
});
