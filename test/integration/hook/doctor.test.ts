import assert from 'node:assert/strict';
import {
  existsSync,
  lstatSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { HOOK_FILES } from '../../../electron/wire/hook/config.ts';
import { HOOK_AGENTS } from '../../../electron/wire/hook/event.ts';
import { type GuardStage, guardStage } from '../guard/stage.ts';
import { collect } from '../surface-double.ts';

/** `countersign connect`, `disconnect` and `doctor`, as a person runs them; the hooks run as the agents would run them. */

let stage: GuardStage;

before(async () => {
  stage = guardStage();
  await stage.startDaemon();
});

after(() => stage.close());

interface Examined {
  readonly proven: boolean;
  readonly agents: readonly {
    readonly agent: string;
    readonly proven: boolean;
    readonly reasons: readonly string[];
  }[];
}

async function doctor(): Promise<{ readonly code: number | null; readonly said: Examined }> {
  const done = await stage.cli(['doctor', '--json']);
  assert.notEqual(done.stdout, '', done.stderr);
  return { code: done.code, said: JSON.parse(done.stdout) as Examined };
}

const project = (agent: string) => (HOOK_FILES[agent as 'copilot'].user === null ? ['--project'] : []);

test('every agent is connected, proven by a pretend call that its own hook denies, and as before afterwards', async () => {
  for (const agent of HOOK_AGENTS) {
    const done = await stage.cli(['connect', agent, ...project(agent)]);
    assert.equal(done.code, 0, `${agent}: ${done.stderr}`);
  }
  const { code, said } = await doctor();
  assert.deepEqual(
    said.agents.filter(({ proven }) => !proven),
    [],
  );
  assert.equal(said.agents.length, HOOK_AGENTS.length);
  assert.equal(code, 0);
  const listed = await stage.cli(['status']);
  assert.match(listed.stdout, /claude-code {2}proven 0 min ago/);
  const canaries = (await stage.receipts()).filter(({ rule }) => rule === 'countersign.canary');
  assert.equal(canaries.length, HOOK_AGENTS.length);
  const out = await stage.cli(['disconnect', '--all']);
  assert.equal(out.code, 0, out.stderr);
  // Nothing was there before, so nothing is there now: not even the folders.
  for (const folder of ['.claude', '.codex', '.gemini', '.cursor', '.codeium'])
    assert.equal(existsSync(join(stage.home, folder)), false, folder);
  assert.equal(existsSync(join(stage.work, '.github')), false);
});

const FILE = () => join(stage.home, '.claude/settings.json');

/** Ways in which a connected agent is no longer stopped, or was never. */
const SABOTAGE: readonly (readonly [string, (text: string) => string, RegExp])[] = [
  ['the hook is taken out', () => '{}', /our hook is gone from PreToolUse/],
  [
    'another program stands in its place',
    (text) =>
      text.replace(/"[^"]*countersign-hook claude-code PreToolUse[^"]*"/, '"true # countersign-hook"'),
    /let a call through that must be denied|another installation/,
  ],
  ['all hooks are turned off', (text) => text.replace('{', '{"disableAllHooks": true,'), /no hooks at all/],
  [
    'the agent gives up before we do',
    (text) => text.replace(/"timeout": \d+/, '"timeout": 5'),
    /waits only 5 s/,
  ],
  [
    'the daemon cannot be reached',
    (text) =>
      text.replaceAll(/--socket \S+/g, '--socket /nowhere').replaceAll(/--start \S+/g, '--start /nowhere'),
    /denied by itself, because nobody judged/,
  ],
  [
    'the hook is not there',
    (text) => text.replaceAll('countersign-hook claude-code', 'countersign-hook-gone claude-code'),
    /another installation/,
  ],
  ['the file is broken', (text) => text.slice(0, -10), /cannot be understood/],
];

for (const [what, spoil, expected] of SABOTAGE) {
  test(`doctor says that nothing is proven when ${what}`, async () => {
    assert.equal((await stage.cli(['connect', 'claude-code'])).code, 0);
    const text = readFileSync(FILE(), 'utf8');
    stage.put(FILE(), spoil(text), 0o600);
    try {
      const { code, said } = await doctor();
      assert.equal(code, 1);
      assert.equal(said.agents[0]?.proven, false);
      assert.match(said.agents[0]?.reasons.join('\n') ?? '', expected);
    } finally {
      stage.put(FILE(), text, 0o600);
      assert.equal((await stage.cli(['disconnect', 'claude-code'])).code, 0);
    }
  });
}

test('doctor says that nothing is proven when the hook may not be executed', async () => {
  assert.equal((await stage.cli(['connect', 'claude-code'])).code, 0);
  const text = readFileSync(FILE(), 'utf8');
  const copy = join(stage.tools, 'countersign-hook');
  stage.put(copy, 'not a program\n', 0o644);
  stage.put(FILE(), text.replaceAll(/"command": "\S+countersign-hook/g, `"command": "${copy}`), 0o600);
  const { said } = await doctor();
  assert.match(
    said.agents[0]?.reasons.join('\n') ?? '',
    /let a call through that must be denied \(it ended with 126/,
  );
  stage.put(FILE(), text, 0o600);
  await stage.cli(['disconnect', 'claude-code']);
});

/** Files that people have; each is connected, connected again and disconnected. */
const FILES: readonly string[] = [
  '{}',
  '{"hooks":{}}',
  '{\n\t"model": "x",\n\t"hooks": {"PreToolUse": [{"matcher":"Bash","hooks":[{"type":"command","command":"./mine.sh"}]}]}\n}',
  '{\r\n  "a": [1,2,\r\n3]\r\n}\r\n',
  '   {"odd":   "spaces", "u": "\\u00e9 é"}   \n\n',
  '\uFEFF{"bom": true}\n',
  '',
];

test('disconnecting puts back every byte and the mode, however often it was connected', async () => {
  for (const [index, text] of FILES.entries()) {
    const mode = index % 2 === 0 ? 0o600 : 0o664;
    stage.put(FILE(), text, mode);
    for (let times = 0; times < 2; times += 1) {
      const done = await stage.cli(['connect', 'claude-code']);
      assert.equal(done.code, 0, done.stderr);
    }
    assert.match(readFileSync(FILE(), 'utf8'), /countersign-hook/);
    assert.equal((await stage.cli(['disconnect', 'claude-code'])).code, 0);
    assert.equal(readFileSync(FILE(), 'utf8'), text);
    assert.equal(statSync(FILE()).mode & 0o777, mode);
  }
});

test('a dry run shows the change and makes none', async () => {
  stage.put(FILE(), '{"a": 1}\n');
  const done = await stage.cli(['connect', 'claude-code', '--dry-run']);
  assert.equal(done.code, 0);
  assert.match(done.stdout, /^-\{"a": 1\}$/m);
  assert.match(done.stdout, /^\+.*countersign-hook/m);
  assert.equal(readFileSync(FILE(), 'utf8'), '{"a": 1}\n');
});

test('what the person changed meanwhile stays; only our entries go', async () => {
  stage.put(FILE(), '{"a": 1}\n');
  assert.equal((await stage.cli(['connect', 'claude-code'])).code, 0);
  stage.put(FILE(), readFileSync(FILE(), 'utf8').replace('"a": 1', '"a": 2'));
  const done = await stage.cli(['disconnect', 'claude-code']);
  assert.equal(done.code, 0);
  assert.match(done.stderr, /only our entries/);
  assert.deepEqual(JSON.parse(readFileSync(FILE(), 'utf8')), { a: 2 });
});

test('a link stays a link, and what it leads to is changed and put back', async () => {
  const real = join(stage.home, 'dotfiles/claude.json');
  stage.put(real, '{"a": 1}\n');
  renameSync(FILE(), `${FILE()}.old`);
  symlinkSync(real, FILE());
  assert.equal((await stage.cli(['connect', 'claude-code'])).code, 0);
  assert.ok(lstatSync(FILE()).isSymbolicLink());
  assert.match(readFileSync(real, 'utf8'), /countersign-hook/);
  assert.equal((await stage.cli(['disconnect', 'claude-code'])).code, 0);
  assert.equal(readFileSync(real, 'utf8'), '{"a": 1}\n');
  renameSync(`${FILE()}.old`, FILE());
});

test('a file that cannot be understood, is no file or may not be written is left as it is, and it is said', async () => {
  for (const text of ['{ // mine\n "a": 1 }\n', '{"a":']) {
    stage.put(FILE(), text);
    const done = await stage.cli(['connect', 'claude-code']);
    assert.equal(done.code, 1);
    assert.match(done.stderr, /is left as it is/);
    assert.equal(readFileSync(FILE(), 'utf8'), text);
  }
  stage.put(FILE(), '{"a": 1}\n', 0o444);
  const refused = await stage.cli(['connect', 'claude-code']);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /cannot be written/);
  assert.equal(readFileSync(FILE(), 'utf8'), '{"a": 1}\n');
  assert.match((await stage.cli(['doctor'])).stdout, /no agent is connected/);
});

const HOOK = () => join(stage.countersign[1] ?? '', '../../shell/countersign-hook');
const bash = (command: string) =>
  JSON.stringify({
    session_id: 's1',
    cwd: stage.work,
    hook_event_name: 'PreToolUse',
    tool_name: 'Bash',
    tool_input: { command },
    tool_use_id: 't1',
  });

test('a hook whose daemon dies while it waits denies in the words of its agent', async () => {
  for (const [agent, event, denies] of [
    ['claude-code', 'PreToolUse', (out: string, code: number | null) => out === '' && code === 2],
    ['cursor', 'preToolUse', (out: string) => out.includes('"permission":"deny"')],
    [
      'copilot',
      'preToolUse',
      (out: string, code: number | null) => out.includes('"permissionDecision":"deny"') && code === 0,
    ],
  ] as const) {
    const child = stage.outside([HOOK(), agent, event, '--socket', '/nowhere/hook.sock']);
    const done = await collect(child, bash('ls'));
    assert.ok(denies(done.stdout, done.code), JSON.stringify(done));
    const after = await collect(
      stage.outside([HOOK(), agent, 'SessionEnd', '--socket', '/nowhere/hook.sock']),
      '{}',
    );
    assert.equal(after.code, 0);
    assert.equal(after.stdout, '');
  }
});

test('inside `countersign run` a hook speaks for that session', async () => {
  const script = join(stage.work, 'agent.sh');
  writeFileSync(
    script,
    `printf '%s' '${bash('rm -rf /')}' | ${HOOK()} claude-code PreToolUse --socket /nowhere\necho "$?"\n` +
      `printf '%s' '{"hook_event_name":"UserPromptSubmit","prompt":"tidy up my folder"}' | ${HOOK()} claude-code UserPromptSubmit --socket /nowhere\n`,
  );
  for (const mode of ['off', 'auto']) {
    const done = await stage.cli(['run', '--guard', mode, '--', 'sh', script]);
    assert.match(
      done.stdout,
      /"permissionDecision":"deny".*shell\.delete-root/,
      `${mode}: ${done.stdout}${done.stderr}`,
    );
    const rows = await stage.receipts();
    const denied = rows.filter(({ surface, result }) => surface === 'hook' && result === 'DENY').at(-1);
    assert.ok(denied?.session);
    const own = await stage.receipts(denied.session);
    assert.ok(own.some(({ kind, text }) => kind === 'session' && text.includes('opened sh')));
    assert.ok(own.some(({ kind, text }) => kind === 'session' && text.includes('intent')));
  }
});
