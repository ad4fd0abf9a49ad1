import assert from 'node:assert/strict';
import { test } from 'node:test';
import { detect } from '../../../../electron/core/data/detect.ts';
import { utf8Of } from '../../../../electron/core/data/normal.ts';

const found = (text: string): readonly string[] => detect(utf8Of(text)).map(({ detector }) => detector);

/** Letters and digits in no order, made here so that no file of this repository holds anything of a secret's shape. */
function drawn(length: number, alphabet: string, seed = 7): string {
  let state = seed;
  let text = '';
  while (text.length < length) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    text += alphabet[(state >>> 16) % alphabet.length];
  }
  return text;
}
const LOWER = 'abcdefghijklmnopqrstuvwxyz';
const ALNUM = `${LOWER}${LOWER.toUpperCase()}0123456789`;
const HEX = '0123456789abcdef';
const UPPER32 = `${LOWER.toUpperCase()}234567`;

const SECRETS: readonly (readonly [detector: string, text: string])[] = [
  ['github-token', `ghp_${drawn(36, ALNUM)}`],
  ['github-token', `github_pat_${drawn(22, ALNUM)}_${drawn(59, ALNUM)}`],
  ['gitlab-token', `glpat-${drawn(20, ALNUM)}`],
  ['aws-access-key', `AKIA${drawn(16, UPPER32)}`],
  ['google-api-key', `AIza${drawn(35, ALNUM)}`],
  ['azure-storage-key', `AccountName=x;AccountKey=${drawn(86, ALNUM)}==`],
  ['slack-token', `xoxb-${drawn(12, '0123456789')}-${drawn(24, ALNUM)}`],
  [
    'slack-webhook',
    `https://hooks.slack.com/services/T${drawn(8, UPPER32)}/B${drawn(8, UPPER32)}/${drawn(24, ALNUM)}`,
  ],
  ['stripe-key', `sk_live_${drawn(24, ALNUM)}`],
  ['openai-key', `sk-proj-${drawn(48, ALNUM)}`],
  ['anthropic-key', `sk-ant-api03-${drawn(60, ALNUM)}`],
  ['npm-token', `npm_${drawn(36, ALNUM)}`],
  ['pypi-token', `pypi-${drawn(80, ALNUM)}`],
  ['sendgrid-key', `SG.${drawn(22, ALNUM)}.${drawn(43, ALNUM)}`],
  ['twilio-key', `SK${drawn(32, HEX)}`],
  ['json-web-token', `eyJ${drawn(30, ALNUM)}.eyJ${drawn(60, ALNUM)}.${drawn(43, ALNUM)}`],
  [
    'private-key',
    `-----BEGIN RSA PRIVATE KEY-----\n${drawn(64, ALNUM)}\n${drawn(64, ALNUM)}\n-----END RSA PRIVATE KEY-----`,
  ],
  [
    'private-key',
    `{"private_key": "-----BEGIN PRIVATE KEY-----\\n${drawn(64, ALNUM)}\\n-----END PRIVATE KEY-----\\n"}`,
  ],
  ['url-password', `postgres://app:${drawn(14, ALNUM)}@db.internal:5432/shop`],
  ['netrc-password', `machine git.internal login anna password ${drawn(14, ALNUM)}`],
  ['named-secret', `DB_PASSWORD="${drawn(18, ALNUM)}"`],
  ['named-secret', `{"client_secret": "${drawn(32, ALNUM)}"}`],
];

for (const [detector, text] of SECRETS)
  test(`finds ${detector} in the middle of a text, and says its place: ${text.slice(0, 12)}…`, () => {
    const all = detect(utf8Of(`before\n${text}\nafter`));
    const one = all.find((entry) => entry.detector === detector);
    assert.equal(one?.kind, 'secret', all.map((entry) => entry.detector).join(', '));
    const place = one?.places[0];
    assert.ok(place !== undefined && place.start >= 7 && place.end <= 7 + text.length);
  });

const NOTHING: readonly string[] = [
  `AWS_ACCESS_KEY_ID=AKIA${'IOSFODNN7'}EXAMPLE`,
  `aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCY${'EXAMPLE'}KEY`,
  'card 4242 4242 4242 4242, 4111-1111-1111-1111',
  'password = process.env.DB_PASSWORD',
  'const token = await getToken(request, options2);',
  'postgres://user:password@localhost/db',
  'GITHUB_TOKEN: ${{ secrets.GITHUB_TOKEN }}',
  'apiKey: "your-api-key-goes-here-1234"',
  'git@github.com:a/b.git and left-pad@1.3.0 and anna@example.com',
  'sha512-Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYg==',
  '1111 2222 3333 4444 is no card and 2026-11-21 12:30:45.123456 no number',
  'one mail address: kim@posteo.de',
  'author: Kim <kim@posteo.de>, tel. +49 30 1234567',
  'commit 3f786850e387550fdab836ed7e6dc881de23001b',
  'task-sk-learn-preprocessing-module-standard-scaler-implementation',
];
for (const text of NOTHING)
  test(`finds nothing in \`${text.slice(0, 50)}\``, () => {
    assert.deepEqual(found(text), []);
  });

test('finds a list of people by its addresses, telephone numbers, cards and accounts', () => {
  const rows = ['mia', 'noah', 'lena', 'paul', 'emma', 'ben'].map(
    (name, i) => `${name}.meyer${i}@posteo.de,+4930${7654321 + i * 1001}`,
  );
  assert.deepEqual([...found(rows.join('\n'))].sort(), ['email-address', 'phone-number']);
  assert.deepEqual(found('paid with 4929 1234 5678 9012? no: 4539 1488 0343 6467'), ['card-number']);
  assert.deepEqual(found('to DE02 1203 0000 0000 2020 51 please'), ['iban']);
  assert.deepEqual(found('to DE03 1203 0000 0000 2020 51 please'), []);
  assert.deepEqual(found('756.9217.0769.85 and 756.1234.5678.97'), ['national-id']);
});

test('takes time in proportion to the text, whatever the text', () => {
  for (const piece of [
    'eyJ',
    '-----BEGIN ',
    'password=',
    'a@',
    '://a:b',
    '1 2-3.',
    'xoxb-',
    'AB12 '.repeat(2),
    'machine ',
  ]) {
    const small = utf8Of(piece.repeat(Math.floor(60_000 / piece.length)));
    const started = performance.now();
    detect(small);
    // Quadratic work would be minutes.
    assert.ok(performance.now() - started < 3000, piece);
  }
});
