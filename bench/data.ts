import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { SessionId } from '../electron/core/brand.ts';
import type { DataSource } from '../electron/core/data/flow.ts';
import { marksOf, scanPayload } from '../electron/core/data/scan.ts';
import { readCommonText } from '../electron/edge/common-text.ts';
import { openFingerprintStore } from '../electron/edge/fingerprint-store.ts';
import { inflate } from '../electron/edge/inflate.ts';

/**
 * What looking at data costs, and how often it is wrong: `node bench/data.ts [MEGABYTES [FOLDER…]]`. The texts are real: those below the folders
 * (by default the packages of this checkout and the libraries of Python and Perl on this machine), each read as one file. False matches are measured between texts
 * that the filter of common text was not made from.
 */
const KEY = new Uint8Array(16).map((_, i) => i * 11 + 3);
const TEXT =
  /\.(?:js|mjs|cjs|ts|mts|cts|json|md|txt|py|pyi|pm|pl|pod|rst|html|css|c|h|hpp|sh|yaml|yml|xml|csv|tcl|el|rb|go|rs|java)$/;
const megabytes = Number(process.argv[2] ?? 100);
const root = join(import.meta.dirname, '..').replace(/\/build$/, '');
const given = process.argv.slice(3);
const FOLDERS =
  given.length > 0
    ? given
    : [
        '/usr/lib/python3',
        '/usr/share/perl',
        '/usr/lib/python3.11',
        '/usr/share/doc',
        '/usr/include',
        join(root, 'node_modules'),
        '/usr/share',
      ];
const { filter, digest } = readCommonText();

function* textsBelow(folder: string, depth = 0): Generator<string> {
  let entries: ReturnType<typeof list>;
  try {
    entries = list(folder);
  } catch {
    return;
  }
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && depth < 12) yield* textsBelow(path, depth + 1);
    else if (entry.isFile() && TEXT.test(entry.name)) yield path;
  }
}
function list(folder: string) {
  return readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Processor time of one run in milliseconds, the median of some: what else the machine does hardly counts. */
function costOf(times: number, run: () => unknown): number {
  const samples: number[] = [];
  for (let i = 0; i < times; i++) {
    const before = process.cpuUsage();
    run();
    const { user, system } = process.cpuUsage(before);
    samples.push((user + system) / 1000);
  }
  return samples.sort((x, y) => x - y)[times >> 1] ?? 0;
}
const row = (what: string, value: string, bar = ''): void =>
  console.log(`${what.padEnd(46)} ${value.padStart(14)}  ${bar}`);
const scan = (bytes: Uint8Array) =>
  scanPayload(bytes, { key: KEY, inflate, inspected: 'whole', common: filter });

/** Some text of this machine, `bytes` long. */
function sample(bytes: number): Buffer {
  const parts: Buffer[] = [];
  let total = 0;
  for (const path of textsBelow(join(root, 'electron'))) {
    const part = readFileSync(path);
    parts.push(part);
    total += part.length;
    if (total >= bytes) break;
  }
  let all = Buffer.concat(parts);
  while (all.length < bytes) all = Buffer.concat([all, all]);
  return all.subarray(0, bytes);
}

const ten = sample(10_000);
const million = sample(1_000_000);
for (let i = 0; i < 30; i++) scan(ten);
row('scan of 10 KB', `${costOf(50, () => scan(ten)).toFixed(2)} ms`, 'bar 1 ms');
row('scan of 1 MB', `${costOf(7, () => scan(million)).toFixed(1)} ms`, 'bar 60 ms');
const encoded = Buffer.from(JSON.stringify({ content: ten.toString('base64') }));
row('scan of 10 KB in base64 in JSON', `${costOf(30, () => scan(encoded)).toFixed(2)} ms`);
row('marks of 1 MB read', `${costOf(5, () => marksOf(million, KEY, filter)).toFixed(1)} ms`);

const directory = mkdtempSync(join(tmpdir(), 'csn-bench-data-'));
try {
  const opened = openFingerprintStore({ directory, key: KEY, common: digest, say: console.log });
  if (!opened.ok) throw new Error(opened.error.message);
  const store = opened.value;
  const source = (path: string): DataSource => ({
    name: `path:${path}`,
    level: 'CONFIDENTIAL',
    because: 'bench',
    session: 'sess_bench000' as SessionId,
    action: null,
    at: 1,
  });
  let bytes = 0;
  let files = 0;
  let remembering = 0;
  const seen = new Set<string>();
  reading: for (const folder of FOLDERS)
    for (const path of textsBelow(folder)) {
      const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
      if (seen.has(path) || size < 200 || size > 4 << 20) continue;
      seen.add(path);
      const marks = marksOf(readFileSync(path), KEY, filter);
      const started = performance.now();
      store.remember(source(path), marks);
      remembering += performance.now() - started;
      bytes += size;
      files += 1;
      if (bytes > megabytes * 1e6) break reading;
    }
  await store.compact();
  store.flush();
  await store.compact();
  const disk = readdirSync(directory).reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);
  row('text read', `${(bytes / 1e6).toFixed(1)} MB`, `${files} files, ${store.size().marks} marks`);
  row('store on disk', `${(disk / 1e6).toFixed(1)} MB`, 'bar 50 MB for 100 MB');
  row('store in memory, its index', `${((store.size().marks * 7) / 1e6).toFixed(1)} MB`);
  row('remembering 1 MB of text', `${(remembering / (bytes / 1e6)).toFixed(2)} ms`);
  const own = scan(ten).marks;
  row(
    'lookup of 10 KB',
    `${costOf(50, () => store.lookup(own)).toFixed(3)} ms`,
    `bar 1 ms; ${own.length / 8} marks`,
  );
  await store.close();
  const opening = performance.now();
  const again = openFingerprintStore({ directory, key: KEY, common: digest });
  const returned = performance.now();
  if (again.ok) {
    let stall = 0;
    let last = performance.now();
    let loading = true;
    const tick = (): void => {
      stall = Math.max(stall, performance.now() - last);
      last = performance.now();
      if (loading) setImmediate(tick);
    };
    setImmediate(tick);
    await again.value.loaded();
    loading = false;
    row(
      'opening it',
      `${(returned - opening).toFixed(0)} ms`,
      `known after ${(performance.now() - opening).toFixed(0)} ms, the loop stood at most ${stall.toFixed(0)} ms`,
    );
    await again.value.close();
  }
} finally {
  rmSync(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
}

/** Marks of everything below a folder, at most 4 MB of it. */
function marksBelow(folder: string): Set<bigint> {
  const found = new Set<bigint>();
  let read = 0;
  for (const path of textsBelow(folder)) {
    const text = readFileSync(path);
    if (text.length > 1 << 20) continue;
    read += text.length;
    const marks = marksOf(text, KEY, filter);
    const view = new DataView(marks.buffer, marks.byteOffset, marks.byteLength);
    for (let i = 0; i < marks.length; i += 8) found.add(view.getBigUint64(i));
    if (read > 4e6) break;
  }
  return found;
}

// This project's sources against libraries that have nothing to do with it, and against each other.
const pairs: readonly (readonly [string, string, string])[] = [
  ['this project × Python', join(root, 'electron'), '/usr/lib/python3.11'],
  ['Python × Perl', '/usr/lib/python3.11', '/usr/share/perl'],
  ['fast-check × undici', join(root, 'node_modules/fast-check'), join(root, 'node_modules/undici')],
  ['yaml × zod', join(root, 'node_modules/yaml'), join(root, 'node_modules/zod')],
  ['pg × ws', join(root, 'node_modules/pg'), join(root, 'node_modules/ws')],
  ['licences × this project', '/usr/share/common-licenses', join(root, 'electron')],
];
for (const [name, a, b] of pairs) {
  const [one, two] = [marksBelow(a), marksBelow(b)];
  if (one.size === 0 || two.size === 0) continue;
  let both = 0;
  for (const mark of one) if (two.has(mark)) both += 1;
  row(`shared marks: ${name}`, `${both}`, `of ${one.size} and ${two.size}`);
}
const lock = scan(readFileSync(join(root, 'package-lock.json')));
row(
  'findings in our own lock file',
  `${lock.findings.length}`,
  lock.findings.map(({ detector }) => detector).join(' '),
);
const licence = readdirSync(dirname('/usr/share/common-licenses/x')).filter(
  (name) => marksOf(readFileSync(join('/usr/share/common-licenses', name)), KEY, filter).length > 0,
);
row('licences that have any mark', `${licence.length}`, licence.join(' '));
