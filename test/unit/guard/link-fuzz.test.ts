import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { encodeFrame, field } from '../../../shims/shell/frame.ts';
import { compileDriver, fields, raw, tables } from './driver.ts';

const driver = compileDriver('fuzz-driver', 'checked');
after(() => driver.remove());

const CASES = 20_000;
const SEED = 0x5eed_2026;

/** mulberry32: the same numbers in every run. */
function numbers(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

const SEAL = field('Z', Buffer.alloc(32, 7));
const SEEDS: readonly Buffer[] = [
  tables({
    names: ['rm', 'a\nb', '\xff'],
    triggers: ['/home/u/.ssh', '-', '\xff\n'],
    files: ['wd deny /home/u', 'w late */.git/hooks/', 'cm ask */x/y', 'w allow /', 'd allow /a/'],
    sockets: ['/run/a', '/run/a/'],
    hosts: ['example.org 443', 'b *'],
    everyExec: true,
  }),
  tables({ files: Array.from({ length: 40 }, (_, n) => `w allow /row/${n}`) }),
  fields(['k', 'answer'], ['D', 'ALLOW'], ['m', 'text'], ['i', 'act_1'], ['x', ''], ['G', '']),
  fields(['k', 'answer'], ['D', 'MODIFY'], ['p', '/bin/echo'], ['a', 'echo'], ['a', ''], ['a', 'b']),
  fields(['k', 'answer'], ['D', 'MODIFY'], ['p', '/trash/1']),
  fields(['k', 'waiting'], ['m', 'for you'], ['d', '1000']),
  [...fields(['k', 'waiting'], ['m', 'for you'], ['d', '1000']), SEAL],
  [...fields(['k', 'answer'], ['D', 'DENY'], ['m', raw('\xff\n')]), SEAL],
].map(encodeFrame);

/** Where the heads of fields are, so that some mutations hit what a parser steers by. */
function heads(frame: Buffer): readonly number[] {
  const found: number[] = [];
  for (let at = 8; at + 5 <= frame.length; at += 5 + frame.readUInt32LE(at + 1)) found.push(at);
  return found;
}

function mutated(from: Buffer, next: (below: number) => number): Buffer {
  let frame = Buffer.from(from);
  const fieldHeads = heads(from);
  for (let n = 1 + next(3); n > 0; n -= 1) {
    const at = next(frame.length);
    const head = fieldHeads[next(fieldHeads.length)] ?? 8;
    switch (next(8)) {
      case 0:
        frame[at] = next(256);
        break;
      case 1:
        frame[at] = (frame[at] ?? 0) ^ (1 << next(8));
        break;
      case 2:
        if (head + 5 <= frame.length)
          frame.writeUInt32LE([0, 1, 5, 2 ** 31, 2 ** 32 - 1, frame.length][next(6)] ?? 0, head + 1);
        break;
      case 3:
        if (head + 5 <= frame.length)
          frame.writeUInt32LE((frame.readUInt32LE(head + 1) + 7 - next(15)) >>> 0, head + 1);
        break;
      case 4:
        if (head < frame.length) frame[head] = 'kegfuhEZDmixGpad'.charCodeAt(next(16));
        break;
      case 5:
        frame = Buffer.concat([frame.subarray(0, at), Buffer.alloc(next(20), next(256)), frame.subarray(at)]);
        break;
      case 6:
        frame = Buffer.concat([frame.subarray(0, at), frame.subarray(Math.min(frame.length, at + next(20)))]);
        break;
      default:
        frame = Buffer.concat([
          frame,
          frame.subarray(Math.min(8, frame.length), Math.min(frame.length, 8 + next(60))),
        ]);
        break;
    }
    if (frame.length === 0) frame = Buffer.from([0]);
  }
  // Three in four say their length rightly: the others are for the frame's own check.
  if (frame.length >= 8 && next(4) > 0) frame.writeUInt32LE(frame.length - 8, 4);
  return frame;
}

test(`survives ${CASES} mutated frames: none reads or writes beyond what it was given, none is taken as sealed`, () => {
  const next = numbers(SEED);
  const cases = Array.from({ length: CASES }, () => mutated(SEEDS[next(SEEDS.length)] as Buffer, next));
  // The unchanged ones show that the driver reaches what it is to try.
  const [line = ''] = driver.lines([...SEEDS, ...cases].map((bytes) => fields(['b', bytes])));
  const count = (word: string) => Number(new RegExp(`${word} ([0-9]+)`).exec(line)?.[1]);
  assert.ok(count('received') > CASES / 3, line);
  assert.ok(count('received') < CASES, line);
  assert.ok(count('replaced') > 100 && count('answered') > 100 && count('waiting') > 10, line);
  assert.equal(count('sealed'), 0, line);
});
