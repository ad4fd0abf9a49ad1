import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { visible, visibleJson, visibleLine } from '../../../electron/wire/terminal-text.ts';

const hostile: readonly (readonly [name: string, text: string])[] = [
  ['an ANSI colour', '\u001b[31mred\u001b[0m'],
  ['a cursor move and erase', '\u001b[2J\u001b[H'],
  ['an 8-bit CSI', '\u009b31m'],
  ['a carriage return that overwrites the line', 'rm -rf ~\recho hello   '],
  ['a backspace run', 'rm\b\b  '],
  ['a right-to-left override', 'safe\u202e lmth.exe'],
  ['an isolate', '\u2066a\u2069'],
  ['a zero-width space', 'r\u200bm'],
  ['tag characters', 'hi\u{e0041}'],
  ['a byte order mark', '\ufefftext'],
  ['a variation selector', 'a\ufe0f'],
  ['a bell', '\u0007'],
  ['an OSC title', '\u001b]0;title\u0007'],
];

for (const [name, text] of hostile) {
  test(`makes ${name} visible`, () => {
    const shown = visible(text);
    assert.match(shown, /\\u\{[0-9a-f]+\}/);
    assert.equal(visible(shown), shown);
  });
}

test('leaves ordinary text alone', () => {
  assert.equal(visible('git commit -m "été 漢字 🎉"\n\tnext'), 'git commit -m "été 漢字 🎉"\n\tnext');
});

test('one line stays one line', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const line = visibleLine(text);
      for (const character of line) assert.ok((character.codePointAt(0) ?? 0) >= 0x20);
    }),
  );
});

for (const [name, text] of hostile) {
  test(`makes ${name} visible in JSON, which reads back as it was`, () => {
    const json = visibleJson({ text }, 2);
    assert.equal(visible(json), json);
    assert.deepEqual(JSON.parse(json), { text });
  });
}

test('JSON for a terminal reads back as any value that was given', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const json = visibleJson(value);
      assert.equal(visible(json), json);
      assert.deepEqual(JSON.parse(json), JSON.parse(JSON.stringify(value)));
    }),
  );
});
