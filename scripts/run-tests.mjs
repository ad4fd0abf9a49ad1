// Runs test files, each in a process of its own, two at a time, each with a limit after which it and all it started end.
// A file that hangs costs its limit and nothing more: no pipe is held open, and what it left running is found by a mark in its environment.
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const FILE_LIMIT_MS = 300_000;
const RUN_LIMIT_MS = 75 * 60_000;
const MARK = 'COUNTERSIGN_TEST_FILE';
/** Files that load the machine or are about time: they run alone, after the others. */
const ALONE = /fault\/daemon|guard\/(faults|races|work|interactive|claude-code)|conformance\/|latency|fuzz/;

/** Ends every process that carries `mark` in its environment; says how many there were. */
function endMarked(mark) {
  if (process.platform !== 'linux') return 0;
  let ended = 0;
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      if (!readFileSync(`/proc/${name}/environ`, 'latin1').includes(`${MARK}=${mark}`)) continue;
      if (!readFileSync(`/proc/${name}/status`, 'latin1').includes('\nState:\tZ')) ended += 1;
      process.kill(Number(name), 'SIGKILL');
    } catch {
      // It ended by itself, or is not ours to read.
    }
  }
  return ended;
}

function testFiles(root) {
  return readdirSync(join(root, 'test'), { recursive: true })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => join('test', name))
    .sort();
}

function rowsOf(path) {
  const rows = [];
  try {
    for (const line of readFileSync(path, 'utf8').split('\n')) if (line !== '') rows.push(JSON.parse(line));
  } catch {
    // No report, or a last line cut by the end of its process: the exit code tells.
  }
  return rows;
}

/** Runs one file. Resolves, never rejects, with its rows; a broken or unfinished file is itself a failed row. */
function runFile(file, { node, root, folder, limitMs }) {
  const mark = randomUUID();
  const report = join(folder, `${mark}.ndjson`);
  const output = join(folder, `${mark}.out`);
  const fd = openSync(output, 'w');
  const started = Date.now();
  const args = [
    '--test-timeout=200000',
    '--test-reporter',
    './scripts/reporter.mjs',
    '--test-reporter-destination',
    report,
  ];
  const child = spawn(node, [...args, file], {
    cwd: root,
    detached: true,
    stdio: ['ignore', fd, fd],
    env: { ...process.env, NODE_TEST_CONTEXT: undefined, [MARK]: mark },
  });
  closeSync(fd);
  return new Promise((resolve) => {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch {
        child.kill('SIGKILL');
      }
    }, limitMs);
    const end = (code, signal) => {
      clearTimeout(timer);
      const left = endMarked(mark);
      const rows = rowsOf(report);
      const tail = () => readFileSync(output, 'utf8').slice(-4000);
      const failed = rows.some((row) => row.result === 'failed');
      if (late)
        rows.push({
          name: file,
          result: 'failed',
          text: `did not end within ${limitMs / 1000} s\n${tail()}`,
        });
      else if (code !== 0 && !failed)
        rows.push({ name: file, result: 'failed', text: `ended with ${signal ?? code}\n${tail()}` });
      else if (rows.length === 0) rows.push({ name: file, result: 'failed', text: `ran no test\n${tail()}` });
      resolve({ file, rows, left, seconds: (Date.now() - started) / 1000 });
    };
    child.on('error', (error) => end(String(error), null));
    child.on('exit', end);
  });
}

/**
 * Runs the test files whose path holds one of `patterns` (all, when there is none), two at a time and then those that want the machine to themselves, printing a line as each ends.
 * @returns the counts; the closing line is the caller's to print
 */
export async function runTests({ node, root, patterns, out }) {
  const all = testFiles(root).filter(
    (file) => patterns.length === 0 || patterns.some((part) => file.includes(part)),
  );
  const folder = mkdtempSync(join(tmpdir(), 'countersign-tests-'));
  const counts = { passed: 0, failed: 0, skipped: 0 };
  const failures = [];
  const stopAt = Date.now() + RUN_LIMIT_MS;
  const runOne = async (file) => {
    const limitMs = Math.min(FILE_LIMIT_MS, stopAt - Date.now());
    const result =
      limitMs > 0
        ? await runFile(file, { node, root, folder, limitMs })
        : {
            file,
            rows: [{ name: file, result: 'failed', text: 'not run: the whole run was over its limit' }],
            left: 0,
            seconds: 0,
          };
    let passed = 0;
    for (const row of result.rows) {
      counts[row.result] += 1;
      if (row.result === 'passed') passed += 1;
      if (row.result !== 'failed') continue;
      failures.push(`FAIL ${file} > ${row.name}\n${row.text}\n`);
    }
    const bad = result.rows.filter((row) => row.result === 'failed');
    const left = result.left > 0 ? ` (${result.left} processes left running, ended)` : '';
    out.write(
      `${bad.length > 0 ? 'FAIL' : 'ok  '} ${file} ${passed}/${result.rows.length} ${result.seconds.toFixed(1)} s${left}\n`,
    );
    // Its first lines now: a run that is cut later has said why.
    for (const row of bad.slice(0, 8))
      out.write(
        `     > ${row.name}\n       ${String(row.text).split('\n').slice(0, 3).join('\n       ').slice(0, 600)}\n`,
      );
  };
  const drain = async (queue) => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) await runOne(file);
  };
  const shared = all.filter((file) => !ALONE.test(file));
  await Promise.all([drain(shared), drain(shared)]);
  await drain(all.filter((file) => ALONE.test(file)));
  for (const text of failures) out.write(`\n${text}`);
  rmSync(folder, { recursive: true, force: true });
  return counts;
}
