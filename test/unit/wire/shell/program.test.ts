import assert from 'node:assert/strict';
import { test } from 'node:test';
import { programOf } from '../../../../electron/wire/shell/program.ts';

const ROWS: readonly (readonly [string, string])[] = [
  ['rm', 'rm'],
  ['/bin/rm', 'rm'],
  ['/usr/bin/Python3.11', 'python3'],
  ['python3', 'python3'],
  ['python2.7', 'python2'],
  ['pip3.11', 'pip3'],
  ['gcc-12', 'gcc'],
  ['clang-15.0.1', 'clang'],
  ['perl5.34.0', 'perl'],
  ['ruby3.1', 'ruby'],
  ['php8.2', 'php'],
  ['lua5.4', 'lua'],
  ['md5sum', 'md5sum'],
  ['sha256sum', 'sha256sum'],
  ['base64', 'base64'],
  ['7z', '7z'],
  ['mkfs.ext4', 'mkfs.ext4'],
  ['x86_64-linux-gnu-gcc-12', 'x86_64-linux-gnu-gcc'],
  ['ntfs-3g', 'ntfs-3g'],
  ['CMD.EXE', 'cmd'],
  ['C:\\Windows\\System32\\cmd.exe', 'cmd'],
  ['./deploy.sh', 'deploy.sh'],
  ['RM', 'rm'],
  ['[', '['],
  ['.', '.'],
  ['', ''],
  ['/', '/'],
];

for (const [name, program] of ROWS)
  test(`names \`${name}\` as \`${program}\``, () => {
    assert.equal(programOf(name), program);
  });
