import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, test } from 'node:test';

/**
 * Imports point down, and a process boundary is a wire: nobody imports across it. This is the table; there is no list of
 * exemptions, and a file that would need one is in the wrong folder.
 *
 * `shims/cli` is the person's own command line and, like the daemon, a place where ports meet implementations: it reads the ledger
 * and the policy directory without the daemon, so it may import edge. `shims/shell` meets the agent and may not.
 */
interface Layer {
  readonly folder: string;
  readonly imports: readonly string[];
  readonly packages: readonly string[];
  /** Node's own modules; a pure layer has none. */
  readonly node: boolean;
}

const LAYERS: readonly Layer[] = [
  {
    folder: 'electron/core',
    imports: [],
    packages: ['@marcbachmann/cel-js', 'canonicalize', 're2js'],
    node: false,
  },
  {
    folder: 'electron/wire',
    imports: ['electron/core'],
    packages: ['canonicalize', 'graphql', 'ipaddr.js', 'unbash', 'yaml', 'zod'],
    node: false,
  },
  {
    folder: 'electron/edge',
    imports: ['electron/core', 'electron/wire'],
    packages: [
      '@aws-crypto/sha256-js',
      '@napi-rs/keyring',
      '@peculiar/x509',
      '@smithy/signature-v4',
      'better-sqlite3',
      'reflect-metadata',
    ],
    node: true,
  },
  {
    folder: 'electron/daemon',
    imports: ['electron/core', 'electron/wire', 'electron/edge'],
    packages: [],
    node: true,
  },
  {
    folder: 'electron/proxy',
    imports: ['electron/core', 'electron/wire', 'electron/edge'],
    packages: [
      '@fastify/busboy',
      '@peculiar/x509',
      '@smithy/signature-v4',
      '@aws-crypto/sha256-js',
      'ipaddr.js',
      'libpg-query',
      'reflect-metadata',
    ],
    node: true,
  },
  { folder: 'shims/shell', imports: ['electron/core', 'electron/wire'], packages: [], node: true },
  {
    folder: 'shims/mcp',
    imports: ['electron/core', 'electron/wire', 'shims/shell'],
    packages: [],
    node: true,
  },
  { folder: 'shims/guard', imports: ['electron/core', 'electron/wire'], packages: [], node: true },
  {
    folder: 'shims/cli',
    imports: ['electron/core', 'electron/wire', 'electron/edge', 'shims/mcp', 'shims/shell'],
    packages: ['node-pty', 'zod'],
    node: true,
  },
];

/** What reads a clock, draws at random, or reaches the world: none of it in a pure layer. */
const IMPURE: readonly (readonly [string, RegExp])[] = [
  ['a clock', /\bDate\.now\b|\bnew Date\s*\(\s*\)|\bDate\s*\(\s*\)|\bperformance\.|\bhrtime\b/],
  ['randomness', /\bMath\.random\b|\bcrypto\.|\bgetRandomValues\b|\brandomUUID\b/],
  ['a timer', /\bset(?:Timeout|Interval|Immediate)\b|\bqueueMicrotask\b/],
  ['the process', /\bprocess\.|\bglobalThis\b|\bBuffer\b/],
  ['the network', /\bfetch\s*\(|\bWebSocket\b|\bXMLHttpRequest\b/],
  ['a promise', /\basync\s|\bawait\s|\bnew Promise\b/],
  ['code from text', /\beval\s*\(|\bnew Function\b/],
  ['state of a module', /^(?:export\s+)?let\s/m],
];

const ROOT = resolve(import.meta.dirname, '..');

function sourcesOf(folder: string): readonly string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name))
    .sort();
}

/** The source without comments and without the insides of strings, which may talk about anything. */
function codeOf(source: string): string {
  return source.replace(
    /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|\/(?![*/])(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[dgimsuvy]*(?=[\s,;.)\]])/g,
    (found) =>
      found.startsWith('/') && !found.startsWith('//') && !found.startsWith('/*')
        ? '/x/'
        : found.startsWith('/')
          ? ''
          : "''",
  );
}

/** Every module that a source names: import, export from, import(), require(). */
export function importsOf(source: string): readonly string[] {
  const bare = source.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/[^\n]*$/gm, '');
  const found = bare.matchAll(
    /(?:^|[\n;}])\s*(?:import|export)\b[^'";]*?\bfrom\s*['"]([^'"]+)['"]|(?:^|[\n;}])\s*import\s*['"]([^'"]+)['"]|\b(?:import|require)\s*\(\s*['"]([^'"]+)['"]/g,
  );
  return [...found].map((m) => m[1] ?? m[2] ?? m[3] ?? '');
}

function packageOf(specifier: string): string {
  const parts = specifier.split('/');
  return specifier.startsWith('@') ? parts.slice(0, 2).join('/') : (parts[0] ?? '');
}

/** What is wrong with the imports of one file; empty when nothing is. */
export function importFaults(layer: Layer, file: string, source: string): readonly string[] {
  const faults: string[] = [];
  for (const specifier of importsOf(source)) {
    if (specifier.startsWith('.')) {
      const target = relative(ROOT, resolve(ROOT, dirname(file), specifier));
      const home = [layer.folder, ...layer.imports].find((folder) => target.startsWith(`${folder}/`));
      if (home === undefined) faults.push(`${file} imports \`${target}\``);
    } else if (specifier.startsWith('node:')) {
      if (!layer.node) faults.push(`${file} imports \`${specifier}\`, and its layer is pure`);
    } else if (!layer.packages.includes(packageOf(specifier))) {
      faults.push(`${file} imports the package \`${specifier}\``);
    }
  }
  return faults;
}

/** What a source uses that a pure layer may not. */
function impurities(source: string): readonly string[] {
  const code = codeOf(source);
  return IMPURE.filter(([, pattern]) => pattern.test(code)).map(([what]) => what);
}

describe('layers', () => {
  for (const layer of LAYERS) {
    test(`${layer.folder} imports only what lies below it`, () => {
      const files = sourcesOf(layer.folder);
      assert.ok(files.length > 0, `no sources in ${layer.folder}`);
      assert.deepEqual(
        files.flatMap((file) => importFaults(layer, file, readFileSync(join(ROOT, file), 'utf8'))),
        [],
      );
    });
  }

  for (const layer of LAYERS.filter((l) => !l.node)) {
    test(`${layer.folder} is pure: no clock, no randomness, no world, nothing asynchronous`, () => {
      const faults = sourcesOf(layer.folder).flatMap((file) =>
        impurities(readFileSync(join(ROOT, file), 'utf8')).map((what) => `${file} uses ${what}`),
      );
      assert.deepEqual(faults, []);
    });
  }

  test('every source folder is in the table', () => {
    const known = LAYERS.map((l) => l.folder);
    const folders = ['electron', 'shims'].flatMap((top) =>
      readdirSync(join(ROOT, top), { withFileTypes: true })
        .filter((entry) => entry.isDirectory() && sourcesOf(join(top, entry.name)).length > 0)
        .map((entry) => join(top, entry.name)),
    );
    assert.deepEqual(
      folders.filter((folder) => !known.includes(folder)),
      [],
    );
  });

  test('every package in the table is a dependency with one exact version', () => {
    const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      readonly dependencies: Readonly<Record<string, string>>;
    };
    for (const name of new Set(LAYERS.flatMap((l) => l.packages)))
      assert.match(manifest.dependencies[name] ?? '', /^\d+\.\d+\.\d+$/, name);
  });
});

describe('the reader of imports', () => {
  const core = LAYERS[0] as Layer;
  for (const [name, source] of [
    ['a world module', "import { readFileSync } from 'node:fs';"],
    ['an import over several lines', "import {\n  a,\n  b,\n} from '../edge/clock.ts';"],
    ['a type import upwards', "import type { X } from '../daemon/main.ts';"],
    ['an export from above', "export * from '../wire/json.ts';"],
    ['an import for its effect', "import '../edge/clock.ts';"],
    ['a late import', "const load = () => import('node:os');"],
    ['a require', "const os = require('node:os');"],
    ['an unlisted package', "import zod from 'zod';"],
    ['a package’s inner file', "import x from 'better-sqlite3/lib/x.js';"],
    ['a way round by dots', "import { x } from './policy/../../edge/clock.ts';"],
  ] as const) {
    test(`finds ${name}`, () => {
      assert.equal(importFaults(core, 'electron/core/probe.ts', source).length, 1, source);
    });
  }

  test('does not take text or comments for imports', () => {
    const source = "// import x from 'zod';\n/* import y from 'node:fs' */\nconst a = 'import';\n";
    assert.deepEqual(importFaults(core, 'electron/core/probe.ts', source), []);
  });
});

describe('the reader of impurities', () => {
  for (const [what, source] of [
    ['a clock', 'const a = 1; const t = Date.now();'],
    ['a clock', "const s = 'text // with'; const t = new Date();"],
    ['randomness', 'const r = /a"b/.test(x); const n = Math.random();'],
    ['a timer', 'setTimeout(f, 1);'],
    ['the process', "const home = process.env['HOME'];"],
    ['the network', 'const r = fetch(url);'],
    ['a promise', 'export async function f() {}'],
    ['code from text', 'return eval(text);'],
    ['state of a module', 'export let counter = 0;'],
  ] as const) {
    test(`finds ${what} in \`${source}\``, () => {
      assert.deepEqual(impurities(source), [what]);
    });
  }

  test('does not take text or comments for code', () => {
    assert.deepEqual(
      impurities("// Date.now()\n/* Math.random() */ const a = 'process.env and fetch(x)';"),
      [],
    );
  });
});
