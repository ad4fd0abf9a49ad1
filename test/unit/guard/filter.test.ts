// The whole seccomp filter against the tables in test/vectors/guard-filter, for both architectures, without installing it.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { constants } from 'node:os';
import { describe, test } from 'node:test';
import {
  ARCHES,
  ARGUMENT_CASES,
  type Arch,
  compile,
  converse,
  KIND_NAMES,
  KINDS,
  type Kind,
  VERDICTS,
} from './guard-program.ts';

const BPF_MAXINSNS = 4096;
const FILTER_ROOM = 2048;
const HIGHEST = 600;
const KILL = 'kill';

const verdicts = compile('verdicts');
const arches = Object.keys(ARCHES) as readonly Arch[];
const ERRNO_NAMES = new Map(Object.entries(constants.errno).map(([name, value]) => [value, name]));

/** What a line of the program's answer means, in the words of the tables. */
function meaning(line: string): { answer: string; loads: number } {
  const [hex = '', loads = ''] = line.split(' ');
  const action = Number.parseInt(hex, 16);
  const data = action % 0x10000;
  const kind = (action - data) / 0x10000;
  const answers: Readonly<Record<number, string>> = { 32767: 'allow', 32704: 'notify', 32768: KILL };
  const answer = kind === 5 ? (data === 0 ? 'fail:0' : (ERRNO_NAMES.get(data) ?? line)) : answers[kind];
  return { answer: answer ?? line, loads: Number(loads) };
}

interface Call {
  readonly number: number;
  readonly args: readonly bigint[];
  readonly arch?: number;
}

interface Filter {
  readonly arch: Arch;
  readonly kind: Kind;
  readonly reads?: boolean;
}

const hex = (value: bigint | number) => value.toString(16);
const filterLine = ({ arch, kind, reads }: Filter) =>
  `filter ${KINDS[kind].mode} ${hex(ARCHES[arch])} ${reads === true ? 1 : 0} ${KINDS[kind].abi}`;

/** Asks the interpreter about many calls to one filter. */
function ask(filter: Filter, calls: readonly Call[], command: readonly string[] = [verdicts]) {
  const lines = converse(command, [
    filterLine(filter),
    ...calls.map((call) => {
      const args = [0, 1, 2, 3, 4, 5].map((i) => hex(call.args[i] ?? 0n));
      return `call ${hex(call.arch ?? ARCHES[filter.arch])} ${hex(call.number)} ${args.join(' ')}`;
    }),
  ]);
  assert.equal(lines.length, calls.length + 2);
  return lines.slice(2).map(meaning);
}

const same = (value: bigint) => Array.from({ length: 6 }, () => value);
const ONES = 0xffff_ffff_ffff_ffffn;
/** For answers that must not depend on arguments. */
const ANYTHING = [
  same(0n),
  same(ONES),
  same(1n),
  same(0x7e02_0000n),
  [3n, 0x5412n, 0x241n, 0x2000_0000n, 0n, 0n],
];

describe('each system call', () => {
  for (const arch of arches) {
    for (const kind of KIND_NAMES) {
      test(`is answered as the table says on ${arch} in ${kind}, whatever its arguments are`, () => {
        const calls: Call[] = [];
        const expected: string[] = [];
        const known = new Map(VERDICTS.map((row) => [row.number[arch], row]));
        for (let number = 0; number <= HIGHEST; number += 1) {
          const row = known.get(number);
          const answer = row?.answers[kind] ?? 'ENOSYS';
          if (answer === 'arguments') continue;
          for (const args of ANYTHING) {
            calls.push({ number, args });
            expected.push(`${number} ${row?.name ?? 'unknown'} ${answer}`);
          }
        }
        const got = ask({ arch, kind }, calls);
        assert.ok(calls.length > 2000);
        assert.deepEqual(
          got.map(({ answer }, i) => (expected[i] ?? '').replace(/\S+$/, answer)),
          expected,
        );
        // The kernel remembers that a call is always allowed only when no argument was looked at.
        const looked = got.flatMap(({ loads }, i) => (loads > 0 ? [expected[i]] : []));
        assert.deepEqual(looked, []);
      });
    }
  }
});

describe('arguments', () => {
  for (const arch of arches) {
    for (const kind of KIND_NAMES) {
      test(`decide as the table says on ${arch} in ${kind}, whatever the other arguments are`, () => {
        for (const reads of [false, true]) {
          const cases = ARGUMENT_CASES.flatMap((row) => {
            const number = VERDICTS.find(({ name }) => name === row.name)?.number[arch];
            assert.ok(number !== undefined, `${row.name} is not in verdicts.tsv`);
            if (number === null || row.reads !== reads) return [];
            return [0n, ONES].map((rest) => ({
              call: { number, args: same(rest).map((other, i) => row.args[i] ?? other) },
              says: (answer: string) => `${row.name}(${row.args.join(', ')}) ${row.why}: ${answer}`,
              answer: row.answers[kind],
            }));
          });
          const got = ask(
            { arch, kind, reads },
            cases.map(({ call }) => call),
          );
          assert.deepEqual(
            got.map(({ answer }, i) => cases[i]?.says(answer)),
            cases.map(({ says, answer }) => says(answer)),
          );
        }
      });
    }
  }

  test('are in the table for each call that is said to depend on them, with more than one outcome', () => {
    for (const kind of KIND_NAMES) {
      for (const { name, answers } of VERDICTS) {
        if (answers[kind] !== 'arguments') continue;
        const outcomes = new Set(
          ARGUMENT_CASES.filter((row) => row.name === name).map((row) => row.answers[kind]),
        );
        assert.ok(outcomes.size > 1, `${name} in ${kind}`);
      }
    }
  });

  test('of the low half alone decide where the kernel takes an int, for every bit of an open', () => {
    const writes = 0x3n | 0x40n | 0x200n | 0x400n | 0x40_0000n;
    const flags = Array.from({ length: 64 }, (_, bit) => 1n << BigInt(bit));
    for (const arch of arches) {
      const number = VERDICTS.find(({ name }) => name === 'openat')?.number[arch] ?? -1;
      const got = ask(
        { arch, kind: 'full' },
        flags.map((flag) => ({ number, args: [0n, 0n, flag, 0n, 0n, 0n] })),
      );
      assert.deepEqual(
        got.map(({ answer }) => answer),
        flags.map((flag) => ((flag & writes) === 0n ? 'allow' : 'notify')),
      );
    }
  });
});

describe('calls from elsewhere', () => {
  for (const arch of arches) {
    test(`kill the process when they are of another architecture than ${arch}`, () => {
      // i386, arm, the other one of ours, none, all ones.
      const others = [0x4000_0003, 0x4000_0028, ...Object.values(ARCHES), 0, 0xffff_ffff];
      const calls = others
        .filter((other) => other !== ARCHES[arch])
        .flatMap((other) =>
          [0, 1, 39, 20, 0x4000_0001].map((number) => ({ number, args: same(0n), arch: other })),
        );
      for (const kind of KIND_NAMES)
        assert.deepEqual(new Set(ask({ arch, kind }, calls).map(({ answer }) => answer)), new Set([KILL]));
    });

    test(`do not exist when they are of x32, or any number past the newest that is known, on ${arch}`, () => {
      const x32 = Array.from({ length: HIGHEST }, (_, i) => 0x4000_0000 + i);
      const odd = [472, 1000, 0x7fff_ffff, 0x8000_0000, 0xbfff_ffff, 0xc000_0001, 0xffff_ffff];
      const calls = [...x32, ...odd].map((number) => ({ number, args: same(0n) }));
      for (const kind of KIND_NAMES)
        assert.deepEqual(
          new Set(ask({ arch, kind }, calls).map(({ answer }) => answer)),
          new Set(['ENOSYS']),
        );
    });
  }
});

describe('the filter', () => {
  test('fits into what the kernel takes, in every mode', (t) => {
    for (const arch of arches) {
      for (const kind of KIND_NAMES) {
        for (const reads of [false, true]) {
          const [, line = ''] = converse([verdicts], [filterLine({ arch, kind, reads })]);
          const length = Number(/^length (\d+)$/.exec(line)?.[1]);
          t.diagnostic(`${arch} ${kind}${reads ? ' with reads' : ''}: ${length} instructions`);
          assert.ok(length > 100 && length <= FILTER_ROOM && length < BPF_MAXINSNS, line);
        }
      }
    }
  });

  test('is not built for an architecture or a mode that is not known', () => {
    const lines = ['filter 0 40000003 0 7', 'filter 3 c000003e 0 7', 'filter 4294967295 c00000b7 0 7'];
    assert.deepEqual(converse([verdicts], lines).slice(1), ['length 0', 'length 0', 'length 0']);
  });

  test("has the numbers of the machine's own headers, for each call that they know", () => {
    const done = spawnSync(process.env['CC'] ?? 'cc', ['-E', '-dM', '-'], {
      input: '#include <sys/syscall.h>\n',
      encoding: 'utf8',
    });
    assert.equal(done.status, 0, done.stderr);
    const defined = new Map(
      [...done.stdout.matchAll(/^#define (\w+) (\w+)$/gm)].map((m) => [m[1] ?? '', m[2] ?? '']),
    );
    const numberOf = (name: string): number | null => {
      const value = defined.get(name);
      if (value === undefined) return null;
      return /^\d+$/.test(value) ? Number(value) : numberOf(value);
    };
    const arch: Arch = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
    const known = VERDICTS.filter(({ name }) => numberOf(`__NR_${name}`) !== null);
    assert.ok(known.length > 250, `the headers know ${known.length}`);
    assert.deepEqual(
      known.map(({ name, number }) => `${name} ${number[arch]}`),
      known.map(({ name }) => `${name} ${numberOf(`__NR_${name}`)}`),
    );
    // And nothing up to the newest that we know is missing from the table.
    const names = new Set(VERDICTS.map(({ name }) => `__NR_${name}`));
    const newest = Math.max(...VERDICTS.map(({ number }) => number[arch] ?? 0));
    const ours = [...defined.keys()].filter((name) => /^__NR_(?!syscalls$|arch_specific)/.test(name));
    assert.deepEqual(
      ours.filter((name) => !names.has(name) && (numberOf(name) ?? newest + 1) <= newest),
      [],
    );
  });

  test('compiles for each architecture that there is a compiler for, and says the same wherever it runs', () => {
    const calls = Array.from({ length: HIGHEST }, (_, number) => ({ number, args: same(0x20_0241n) }));
    const cross = 'aarch64-linux-gnu-gcc';
    const programs: string[][] = [
      [compile('verdicts', undefined, ['-O0', '-fsanitize=undefined', '-fsanitize-undefined-trap-on-error'])],
    ];
    if (spawnSync(cross, ['--version']).status === 0) {
      const built = compile('verdicts', cross, ['-static']);
      if (spawnSync('qemu-aarch64-static', ['--version']).status === 0)
        programs.push(['qemu-aarch64-static', built]);
    }
    for (const arch of arches)
      for (const kind of KIND_NAMES)
        for (const program of programs)
          assert.deepEqual(ask({ arch, kind }, calls, program), ask({ arch, kind }, calls));
  });
});
