import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clipped, clippedEnd } from '../../../../electron/core/data/clip.ts';
import { redactText } from '../../../../electron/core/data/redact.ts';

const TOKEN = ['ghp', '_', 'Zq7Rt2Lw9Xb4Nc6Vm1Kj8Hg3Fd5Sa0PoIuYt'].join('');

test('no part of a token is left wherever a text is cut', () => {
  for (const text of [
    `curl -H "authorization: Bearer ${TOKEN}" https://a.example/`,
    `https://a.example/?key=${TOKEN}&x=1`,
  ])
    for (let most = 1; most < text.length; most++) {
      const shown = redactText(clipped(text, most)).value;
      assert.ok(shown.length <= most + 40);
      for (let size = 6; size <= TOKEN.length; size++)
        assert.ok(!shown.includes(TOKEN.slice(0, size)), shown);
      const end = redactText(clippedEnd(text, most)).value;
      for (let size = 6; size <= TOKEN.length; size++) assert.ok(!end.includes(TOKEN.slice(-size)), end);
    }
});

test('a short text stays as it is, and a cut one keeps its whole words', () => {
  assert.equal(clipped('one two', 7), 'one two');
  assert.equal(clipped('one two three', 9), 'one two ');
  assert.equal(clippedEnd('one two three', 7), ' three');
});
