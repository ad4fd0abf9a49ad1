// The filter installed in the real kernel: it is accepted there, and what it answers is what the tables say.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import {
  ARGUMENT_CASES,
  type Arch,
  compile,
  converse,
  KIND_NAMES,
  KINDS,
  type Kind,
  scratch,
  VERDICTS,
} from './guard-program.ts';

const live = compile('live');
const arch: Arch = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
const errno: Readonly<Record<string, number>> = { ...constants.errno };

/** Makes calls under a filter; an answer is `notify`, `filter ERRNO`, `kernel ERRNO` (0: it succeeded) or `signal NUMBER`. */
function call(kind: Kind, lines: readonly string[], reads = false): readonly string[] {
  const { mode, abi } = KINDS[kind];
  return converse([live, String(mode), reads ? '1' : '0', String(abi)], lines);
}

/** What the table's word looks like from inside a process; what is allowed gets whatever the kernel says. */
const seen = (answer: string) => {
  if (answer === 'notify') return answer;
  return answer === 'allow' ? 'kernel' : `filter ${answer === 'fail:0' ? 0 : errno[answer]}`;
};
const withoutErrno = (line: string) => line.replace(/^kernel -?\d+$/, 'kernel');

const numberOf = (name: string) => VERDICTS.find((row) => row.name === name)?.number[arch] ?? null;

/** Calls that do nothing when they reach the kernel, because they name nothing that exists: all arguments -1 unless said. */
const NOTHING = '-1 -1 -1 -1 -1 -1';
const SPOTS: readonly (readonly [names: string, args?: string])[] = [
  ['getpid getppid getuid read write close fstat lseek stat newfstatat statx access faccessat2 readlinkat'],
  [
    'mmap futex seccomp landlock_create_ruleset memfd_create pidfd_open getrandom mseal listen accept4 fchdir',
  ],
  ['getdents64 membarrier close_range statmount file_getattr getxattrat copy_file_range splice'],
  [
    'ptrace process_vm_readv process_vm_writev process_madvise pidfd_getfd kcmp name_to_handle_at open_by_handle_at',
  ],
  [
    'bpf perf_event_open userfaultfd add_key request_key keyctl kexec_load init_module finit_module delete_module',
  ],
  [
    'swapon swapoff reboot acct quotactl quotactl_fd fanotify_init fanotify_mark iopl ioperm syslog settimeofday',
  ],
  ['clock_settime clock_adjtime adjtimex ustat sysfs modify_ldt migrate_pages move_pages lsm_set_self_attr'],
  ['mount umount2 pivot_root chroot setns move_mount open_tree open_tree_attr fsopen fsmount mount_setattr'],
  ['sethostname setdomainname io_uring_setup io_uring_enter io_uring_register clone3 memfd_secret listns'],
  [
    'execve execveat connect creat openat2 unlink unlinkat rmdir rename renameat2 mkdirat linkat symlinkat mknodat',
  ],
  [
    'chmod fchmodat fchmodat2 fchownat truncate utimes setxattr lsetxattr setxattrat removexattrat file_setattr',
  ],
  ['fchmod fchown fsetxattr fremovexattr bind mq_unlink semop'],
  ['kill tkill tgkill pidfd_send_signal', '2147483632 0 0'],
  ['shmget msgget', '24301 0 0'],
];

describe('the real kernel', () => {
  for (const kind of KIND_NAMES) {
    test(`takes the filter and answers as the table says in ${kind}`, () => {
      const calls = SPOTS.flatMap(([names, args]) =>
        names.split(' ').flatMap((name) => {
          const row = VERDICTS.find((verdict) => verdict.name === name);
          assert.ok(row, name);
          const number = row.number[arch];
          if (number === null) return [];
          return [{ name, line: `${number} ${args ?? NOTHING}`, answer: seen(row.answers[kind]) }];
        }),
      );
      assert.ok(calls.length > 60);
      const got = call(
        kind,
        calls.map(({ line }) => line),
      );
      assert.deepEqual(
        got.map((line, i) => `${calls[i]?.name} ${withoutErrno(line)}`),
        calls.map(({ name, answer }) => `${name} ${answer}`),
      );
    });

    test(`looks at arguments as the table says in ${kind}`, () => {
      for (const reads of [false, true]) {
        const calls = ARGUMENT_CASES.flatMap((row) => {
          const number = numberOf(row.name);
          const answer = row.answers[kind];
          // What would start a process, or change the priority of others, is left to the interpreter.
          const acts = answer === 'allow' && /^(?:clone|setpriority|ioprio_set)$/.test(row.name);
          if (number === null || row.reads !== reads || acts) return [];
          return [{ row, line: [number, ...row.args].join(' '), answer: seen(answer) }];
        });
        assert.ok(calls.length > 4);
        const got = call(
          kind,
          calls.map(({ line }) => line),
          reads,
        );
        assert.deepEqual(
          got.map((line, i) => `${calls[i]?.line} ${calls[i]?.row.why}: ${withoutErrno(line)}`),
          calls.map(({ row, line, answer }) => `${line} ${row.why}: ${answer}`),
        );
      }
    });
  }

  test('has no call past the newest that is known, and none of x32', () => {
    const lines = ['472', '473', '600', '1073741824', '1073741863', '1073742344', '2147483647', '-1'];
    for (const kind of KIND_NAMES)
      assert.deepEqual(
        call(kind, lines),
        lines.map(() => 'filter 38'),
      );
  });

  test('kills a process that calls as a 32-bit program', () => {
    // Elsewhere than on x86-64 no instruction leads there; the interpreter tests the refusal for every architecture.
    const expected = arch === 'x86_64' ? `signal ${constants.signals.SIGSYS}` : 'kernel -1';
    assert.deepEqual(call('full', ['i386']), [expected]);
  });
});

describe('an open', () => {
  const openat = numberOf('openat');
  const [creat, trunc, rdwr, path, tmpfile] = [0x40, 0x200, 0x2, 0x20_0000, 0x40_0000];

  for (const kind of KIND_NAMES)
    for (const reads of [false, true])
      test(`with O_PATH neither creates nor empties in ${kind}${reads ? ' with reads' : ''}, so it need not be asked`, () => {
        const directory = scratch();
        const file = join(directory, 'file');
        const missing = join(directory, 'missing');
        writeFileSync(file, 'kept');
        const flags = path | creat | trunc | rdwr;
        assert.deepEqual(
          call(
            kind,
            [
              `${openat} -100 @${file} ${flags} 0600`,
              `${openat} -100 @${missing} ${flags} 0600`,
              `${openat} -100 @${directory} ${flags | tmpfile} 0600`,
            ],
            reads,
          ),
          ['kernel 0', `kernel ${errno['ENOENT']}`, 'kernel 0'],
        );
        assert.equal(readFileSync(file, 'utf8'), 'kept');
        assert.deepEqual(readdirSync(directory), ['file']);
      });

  test('for reading succeeds, and is asked about when reads are; one that writes never reaches the file', () => {
    const file = join(scratch(), 'file');
    writeFileSync(file, 'kept');
    const read = `${openat} -100 @${file} 0`;
    assert.deepEqual(call('full', [read]), ['kernel 0']);
    assert.deepEqual(call('full', [read], true), ['notify']);
    const writes = [trunc, 1 | trunc, rdwr, creat | rdwr, 0x400, 3].map(
      (flags) => `${openat} -100 @${file} ${flags} 0600`,
    );
    for (const kind of KIND_NAMES)
      assert.deepEqual(
        new Set(call(kind, [...writes, `${numberOf('unlinkat')} -100 @${file} 0`])),
        new Set(['notify']),
      );
    assert.ok(existsSync(file) && readFileSync(file, 'utf8') === 'kept');
  });
});
