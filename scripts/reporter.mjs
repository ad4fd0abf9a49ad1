// Reporter for `node --test`: failures in full, one line per file, and the plain closing line that .ci/run promises.
import { relative } from 'node:path';

/** Yields text for each event of node's test stream; counts only leaf tests. */
// biome-ignore lint/style/noDefaultExport: `node --test --test-reporter` takes the default export.
export default async function* reporter(source) {
  let passed = 0;
  let failed = 0;
  let skipped = 0;
  const files = new Map();
  const failures = [];
  for await (const { type, data } of source) {
    if (type === 'test:stderr' || type === 'test:stdout') {
      if (process.env.CSN_TEST_OUTPUT) yield data.message;
      continue;
    }
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    const suite = data.details?.type === 'suite';
    // A file whose process broke reports itself as a failed test named after the file; keep that.
    if (suite) continue;
    const file = data.file ? relative(process.cwd(), data.file) : '?';
    const row = files.get(file) ?? { passed: 0, failed: 0 };
    files.set(file, row);
    if (data.skip !== undefined || data.todo !== undefined) skipped += 1;
    else if (type === 'test:pass') {
      passed += 1;
      row.passed += 1;
    } else {
      if (data.details?.error?.failureType === 'subtestsFailed') continue;
      failed += 1;
      row.failed += 1;
      const cause = data.details?.error?.cause ?? data.details?.error;
      failures.push(`FAIL ${file} > ${data.name}\n${cause?.stack ?? cause}\n`);
      yield `FAIL ${file} > ${data.name}\n`;
    }
  }
  for (const text of failures) yield `\n${text}`;
  yield '\n';
  for (const [file, row] of [...files].sort())
    yield `${row.failed ? 'FAIL' : 'ok  '} ${file} ${row.passed}/${row.passed + row.failed}\n`;
  yield `\n${passed} passed, ${failed} failed, ${skipped} skipped\n`;
}
