// What a kept library finds, ours finds: @secretlint's recommended rules are the measure, on keys put together here so that no scanner takes this file for a leak.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lintSource } from '@secretlint/core';
import { creator } from '@secretlint/secretlint-rule-preset-recommend';
import { detect } from '../../../../electron/core/data/detect.ts';

const ALNUM = 'q7WzK2xL9vBn4TrM8yCh1sJd6FgP3aEu5TiOq7WzK2xL9vBn4TrM8yCh1sJd6FgP3aEu5TiO';
const join = (...parts: readonly string[]) => parts.join('');
const EXAMPLES: Readonly<Record<string, string>> = {
  'AWS secret key': join('aws_secret_access_key = ', ALNUM.slice(0, 40)),
  'GitHub token': join('gh', 'p_', ALNUM.slice(0, 36)),
  'GitHub app token': join('gh', 's_', ALNUM.slice(0, 36)),
  'npm token': join('//registry.npmjs.org/:_authToken=np', 'm_', ALNUM.slice(0, 36)),
  'Slack token': join('xox', 'b-748291503612-748291503612-', ALNUM.slice(0, 24)),
  'SendGrid key': join('SG', '.', ALNUM.slice(0, 22), '.', ALNUM.slice(0, 43)),
  'OpenAI key': join('sk', '-proj-', ALNUM.slice(0, 74), 'T3Blbk', 'FJ', ALNUM.slice(0, 74)),
  'Anthropic key': join('sk', '-ant-api03-', ALNUM.slice(0, 72), ALNUM.slice(0, 21), 'AA'),
  'private key': join(
    '-----BEGIN RSA ',
    'PRIVATE KEY-----\n',
    ALNUM.slice(0, 64),
    '\n-----END RSA PRIVATE KEY-----',
  ),
  'basic auth in a URL': 'https://bob:Xk7pq9Zw2mT4r@git.acme.com/x.git',
  'database URL': 'postgres://app:Xk7pq9Zw2mT4r@db.acme.com:5432/shop',
};

for (const [name, content] of Object.entries(EXAMPLES))
  test(`finds what the library finds: ${name}`, async () => {
    const linted = await lintSource({
      source: { filePath: '/x/notes.txt', content, contentType: 'text', ext: '.txt' },
      options: {
        config: {
          rules: [{ id: '@secretlint/secretlint-rule-preset-recommend', rule: creator, options: {} }],
        },
      },
    });
    const ours = detect(new TextEncoder().encode(content)).filter((finding) => finding.kind === 'secret');
    if (linted.messages.length > 0) assert.ok(ours.length > 0, JSON.stringify(linted.messages[0]?.messageId));
    assert.ok(ours.length > 0, 'and it is one');
  });
