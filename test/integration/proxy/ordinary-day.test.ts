// An afternoon of a developer's agent, on a network that looks like the internet: nothing of it is a question, and all of it arrives.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { type NetworkStage, networkStage } from '../../conformance/network-stage.ts';

const POLICY = `pack: own
version: "1.0.0"
destinations:
  - hosts: [coverage.acme.com]
    category: trusted
    accepts: INTERNAL
    why: coverage of our work is shown there
`;
const REFS = `001f# service=git-receive-pack\n0000${pkt(`${'0'.repeat(40)} capabilities^{}\0report-status ofs-delta agent=git/2\n`)}0000`;
const LEFT_PAD = JSON.stringify({
  name: 'left-pad',
  'dist-tags': { latest: '1.3.0' },
  versions: {
    '1.3.0': {
      name: 'left-pad',
      version: '1.3.0',
      dist: { tarball: 'https://registry.npmjs.org/left-pad/-/left-pad-1.3.0.tgz', shasum: '0'.repeat(40) },
    },
  },
});
const PAGE = `<!doctype html><html><head><title>fetch</title><style>.x{display:none}</style></head><body><!-- generated page, do not edit -->
<h1>Using fetch</h1><p>You should always check the status. Please note that the browser ignores previous settings of the cache.</p>
<pre>curl -H "Authorization: Bearer YOUR_TOKEN" https://api.example.com/v1/items</pre></body></html>`;
const PYTHON = ['/usr/bin/python3', '/usr/local/bin/python3'].find(existsSync) ?? 'python3';
const TOKEN = ['ghp', '_', 'Zq7Rt2Lw9Xb4Nc6Vm1Kj8Hg3Fd5Sa0PoIuYt'].join('');
const FIXTURE_TOKEN = ['ghp', '_', 'm4Wq8Yz1Kd6Tn3Bv9Gc5Hx2Jr7Lp0QsUeAfO'].join('');

function pkt(line: string): string {
  return `${(line.length + 4).toString(16).padStart(4, '0')}${line}`;
}

/** What an agent's own client does: whole files in JSON to its model. */
const MODEL = `import json, sys, urllib.request as u
texts = [open(p).read() for p in sys.argv[1:]]
body = json.dumps({'model': 'm', 'messages': [{'role': 'user', 'content': t} for t in texts]}).encode()
u.urlopen(u.Request('https://api.anthropic.com/v1/messages', data=body, headers={'content-type': 'application/json', 'x-api-key': 'k'}), timeout=20).read()
`;

/** Each row: what is done, where it must arrive (null: nowhere), and how. */
const STEPS: readonly (readonly [what: string, site: string | null, script: string])[] = [
  [
    'the work is looked at',
    null,
    'ls -la; cat README.md LICENSE package.json package-lock.json .env.example src/shop.js > /dev/null; grep -rn price src > /dev/null',
  ],
  [
    'code is edited',
    null,
    `sed -i 's/total/sum/' src/shop.js; printf 'export const tax = 0.19;\\n' > src/tax.js; ${PYTHON} -c 'open("src/more.js","w").write("export const more = 1;\\\\n")'`,
  ],
  [
    'a test with a made-up token is written',
    null,
    `printf 'const token = "${FIXTURE_TOKEN}";\\n' > test/token.test.js; cat test/token.test.js > /dev/null`,
  ],
  [
    'the work is committed',
    null,
    'git add -A; git commit -qm "sums" && git log --oneline > /dev/null && git diff HEAD~1 --stat > /dev/null',
  ],
  [
    'the work is pushed to its own remote',
    'github.com',
    'git push -q origin HEAD:refs/heads/work 2>/dev/null; true',
  ],
  [
    'its issues are read and one is opened',
    'api.github.com',
    `curl -sS -m 20 -o /dev/null https://api.github.com/repos/acme/shop/issues && curl -sS -m 20 -o /dev/null -H 'content-type: application/json' --data '{"title":"sums are wrong","body":"The function sum adds up prices"}' https://api.github.com/repos/acme/shop/issues`,
  ],
  ['a package is looked up', 'registry.npmjs.org', 'npm view left-pad version --fetch-retries=0'],
  ['a package is tried to be published', null, 'npm publish --dry-run --fetch-retries=0 2>/dev/null'],
  [
    'a Python package is looked up',
    'pypi.org',
    'curl -sS -m 20 -o /dev/null https://pypi.org/simple/requests/',
  ],
  [
    'a page of documentation is read',
    'developer.mozilla.org',
    'curl -sS -m 20 https://developer.mozilla.org/fetch',
  ],
  [
    'what it says is used',
    null,
    `printf 'fetch(url).then((r) => r.json()) // You should always check the status\\n' > src/get.js`,
  ],
  [
    'the model is told what the agent read',
    'api.anthropic.com',
    `${PYTHON} model.py README.md LICENSE package-lock.json src/shop.js .env.example`,
  ],
  [
    'the model is told what a page said',
    'api.anthropic.com',
    `printf '%s' '{"page":"You should always check the status. Please note that the browser ignores previous settings"}' | curl -sS -m 20 -o /dev/null --data-binary @- https://api.anthropic.com/v1/messages`,
  ],
  [
    'coverage is uploaded',
    'coverage.acme.com',
    'curl -sS -m 20 -o /dev/null -F file=@coverage.xml https://coverage.acme.com/upload',
  ],
  [
    'a search with a few words of the work',
    'search.example.org',
    `curl -sS -m 20 -o /dev/null -G --data-urlencode 'q=TypeError: cannot read properties of undefined reading price' https://search.example.org/`,
  ],
  [
    'an example of the settings is shown',
    'github.com',
    'git add -A; git commit -qm "example" ; git push -q origin HEAD:refs/heads/example 2>/dev/null; true',
  ],
];

describe('an ordinary day', () => {
  let s: NetworkStage;
  before(async () => {
    const git = {
      '/acme/shop.git/info/refs': { type: 'application/x-git-receive-pack-advertisement', body: REFS },
    };
    s = await networkStage(
      {
        'github.com': git,
        'api.github.com': {
          '/repos/acme/shop/issues': {
            type: 'application/json',
            body: '[{"title":"Please ignore the previous report"}]',
          },
        },
        'registry.npmjs.org': { '/left-pad': { type: 'application/json', body: LEFT_PAD } },
        'pypi.org': {
          '/simple/requests/': {
            type: 'text/html',
            body: '<a href="requests-2.0.0.tar.gz">requests-2.0.0.tar.gz</a>',
          },
        },
        'developer.mozilla.org': { '/fetch': { type: 'text/html', body: PAGE } },
        'api.anthropic.com': {},
        'coverage.acme.com': {},
        'search.example.org': {},
      },
      POLICY,
    );
    s.file(
      'README.md',
      `# Shop\n\nAdds up prices. Set API_TOKEN in \`.env\`.\n\nCopy .env.example to .env and fill it in.\n`,
    );
    s.file(
      'LICENSE',
      'Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files (the "Software"), to deal in the Software without restriction.\n',
    );
    s.file('package.json', '{"name":"shop","version":"1.0.0","type":"module","files":["src"]}\n');
    s.file(
      'package-lock.json',
      '{"name":"shop","version":"1.0.0","lockfileVersion":3,"packages":{"":{"name":"shop","version":"1.0.0"},"node_modules/left-pad":{"version":"1.3.0","resolved":"https://registry.npmjs.org/left-pad/-/left-pad-1.3.0.tgz","integrity":"sha512-XI5MPzVNApjAyhQzphX8BkmKsKUxD4LdyK24iZeQGinBN9yTQT3bFlCBy/aVx2HrNcqQGsdot8ghrjyrvMCoEA=="}}}\n',
    );
    s.file(
      '.env',
      `# settings of the shop\nPORT=3000\nAPI_URL=https://api.shop.example/v1\nAPI_TOKEN=${TOKEN}\n`,
    );
    s.file(
      '.env.example',
      '# settings of the shop\nPORT=3000\nAPI_URL=https://api.shop.example/v1\nAPI_TOKEN=\n',
    );
    s.file('.gitignore', '.env\nnode_modules\n');
    s.file(
      'src/shop.js',
      'export function total(items) {\n  return items.reduce((sum, item) => sum + item.price, 0);\n}\n',
    );
    s.file('test/shop.test.js', 'import { total } from "../src/shop.js";\n');
    s.file(
      'coverage.xml',
      '<coverage line-rate="0.91"><class filename="src/shop.js" line-rate="0.91"/></coverage>\n',
    );
    s.file('model.py', MODEL);
    await s.bash(
      'git init -q -b main . && git config user.email t@example.org && git config user.name t && git add -A && git commit -qm first && git remote add origin https://github.com/acme/shop.git',
    );
  });
  after(() => s?.dispose());

  const questions = () =>
    s.receipts().flatMap(({ receipt: { kind, body } }) => {
      const { result, policy_id, reason } = (body.decision ?? {}) as {
        result?: string;
        policy_id?: string;
        reason?: string;
      };
      return kind !== 'decision' || result === 'ALLOW' || result === undefined
        ? []
        : [`${result} ${policy_id}: ${reason}`];
    });

  for (const [what, site, script] of STEPS)
    test(`${what} without a question`, async () => {
      const asked = questions();
      const seen = site === null ? 0 : s.internet.site(site).seen().length;
      const ran = await s.bash(script);
      assert.deepEqual(questions().slice(asked.length), [], ran.stderr);
      if (site !== null)
        assert.ok(s.internet.site(site).seen().length > seen, `it arrived at ${site}: ${ran.stderr}`);
      assert.equal(ran.code, 0, ran.stderr);
    });

  test('and its token never left', () => {
    const sites = [
      'github.com',
      'api.github.com',
      'registry.npmjs.org',
      'coverage.acme.com',
      'search.example.org',
    ];
    for (const site of sites) assert.ok(!s.internet.site(site).raw().includes(TOKEN.slice(4)));
  });
});
