// Reporter for one test file run by `scripts/test.mjs`: one JSON line for each leaf test, for the runner to count.

/** Yields `{name, result: 'passed' | 'failed' | 'skipped', text?}` as JSON lines; suites and files are not tests. */
// biome-ignore lint/style/noDefaultExport: `--test-reporter` takes the default export.
export default async function* reporter(source) {
  for await (const { type, data } of source) {
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    if (data.details?.type === 'suite') continue;
    if (data.details?.error?.failureType === 'subtestsFailed') continue;
    const skipped = data.skip !== undefined || data.todo !== undefined;
    const row = { name: data.name, result: skipped ? 'skipped' : type === 'test:pass' ? 'passed' : 'failed' };
    if (row.result === 'failed') {
      const cause = data.details?.error?.cause ?? data.details?.error;
      row.text = String(cause?.stack ?? cause);
    }
    yield `${JSON.stringify(row)}\n`;
  }
}
