import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

const GUARD = join(import.meta.dirname, '../../../shims/guard');

test('a million hostile DNS messages are read without a byte out of bounds', () => {
  const dir = mkdtempSync(join(tmpdir(), 'csn-dns-'));
  try {
    const program = join(dir, 'dns-fuzz');
    const sources = ['test-csrc/dns-fuzz.c', 'csrc/dns-message.c'].map((file) => join(GUARD, file));
    const flags = ['-std=c11', '-O1', '-g', '-Wall', '-Wextra', '-Werror', '-fsanitize=address,undefined'];
    execFileSync(process.env['CC'] ?? 'cc', [
      ...flags,
      '-fno-sanitize-recover=all',
      '-o',
      program,
      ...sources,
    ]);
    assert.equal(execFileSync(program, { encoding: 'utf8', timeout: 60_000 }), 'fine\n');
  } finally {
    rmSync(dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  }
});
