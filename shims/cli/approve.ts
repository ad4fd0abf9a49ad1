import { spawn } from 'node:child_process';
import { homedir } from 'node:os';
import { createInterface } from 'node:readline/promises';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { unreachable } from '../../electron/core/result.ts';
import { ANSI_STYLE, approvalLine, approvalLines, PLAIN_STYLE } from '../../electron/wire/approval-text.ts';
import { type ApprovalView, approvalViewSchema } from '../../electron/wire/control.ts';
import { placesFrom } from '../../electron/wire/places.ts';
import { visibleLine } from '../../electron/wire/terminal-text.ts';
import { type ControlConnection, callFor, connectControl } from './control-client.ts';

export const HELP = `countersign approve — answer what waits for you

  countersign approve                      live inbox (keys: a allow once, s for this session, e edit,
                                           p preview, d deny, q quit)
  countersign approve --list [--json]      what waits now
  countersign approve HANDLE --preview     run it on a copy of its workspace, without a network, show what it would do, then ask
  countersign approve HANDLE --allow       allow once
  countersign approve HANDLE --session     allow this kind of command for the session
  countersign approve HANDLE --edit 'CMD'  run CMD instead
  countersign approve HANDLE --deny [--note 'why']
  countersign approve HANDLE               show it whole

Answers are taken from a terminal of your own only, never from inside an agent's session.
Exit codes: 0 done, 1 refused, 2 wrong use, 3 the daemon is not running.`;

const listSchema = z.object({ approvals: z.array(approvalViewSchema) });

interface Answer {
  readonly answer: 'allow' | 'deny' | 'edit';
  readonly scope: 'once' | 'session';
  readonly note: string | null;
  readonly commandLine: string | null;
}

/** Runs `countersign approve`; returns the exit code. */
export async function approve(argv: readonly string[]): Promise<number> {
  const parsed = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      list: { type: 'boolean' },
      json: { type: 'boolean' },
      allow: { type: 'boolean' },
      session: { type: 'boolean' },
      deny: { type: 'boolean' },
      preview: { type: 'boolean' },
      edit: { type: 'string' },
      note: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  const { values, positionals } = parsed;
  if (values.help) {
    process.stdout.write(`${HELP}\n`);
    return 0;
  }
  const connected = await connectControl(placesFrom(process.env, homedir()));
  if (!connected.ok) {
    process.stderr.write(`countersign: ${connected.error.message}\n`);
    return connected.error.code === 'not_running' ? 3 : 1;
  }
  const connection = connected.value;
  try {
    const handle = positionals[0];
    if (handle === undefined)
      return values.list || values.json
        ? await list(connection, values.json === true)
        : await inbox(connection);
    const answer: Answer | null =
      values.edit !== undefined
        ? { answer: 'edit', scope: 'once', note: values.note ?? null, commandLine: values.edit }
        : values.deny
          ? { answer: 'deny', scope: 'once', note: values.note ?? null, commandLine: null }
          : values.session || values.allow
            ? {
                answer: 'allow',
                scope: values.session ? 'session' : 'once',
                note: values.note ?? null,
                commandLine: null,
              }
            : null;
    if (values.preview === true) return await previewOne(connection, handle, answer);
    return await answerOne(connection, handle, answer);
  } finally {
    connection.close();
  }
}

const terminalColumns = (): number => process.stdout.columns ?? 80;

async function pending(connection: ControlConnection): Promise<readonly ApprovalView[] | null> {
  const reply = await callFor(connection, { type: 'approvals.list' }, listSchema);
  if (reply.ok) return reply.value.approvals;
  process.stderr.write(`countersign: ${reply.error.message}\n`);
  return null;
}

async function list(connection: ControlConnection, json: boolean): Promise<number> {
  const views = await pending(connection);
  if (views === null) return 1;
  if (json) process.stdout.write(`${JSON.stringify(views, null, 2)}\n`);
  else if (views.length === 0) process.stdout.write('nothing waits for an answer\n');
  else
    for (const view of views)
      process.stdout.write(`${approvalLine(view, Date.now(), process.stdout.columns ?? 120)}\n`);
  return 0;
}

async function answerOne(
  connection: ControlConnection,
  handle: string,
  answer: Answer | null,
): Promise<number> {
  const views = await pending(connection);
  if (views === null) return 1;
  const view = views.find((v) => v.handle === handle || v.id === handle);
  if (view === undefined) {
    process.stderr.write(
      `countersign: no approval \`${handle}\` is pending; it may have been answered or timed out\n`,
    );
    return 1;
  }
  const style = process.stdout.isTTY ? ANSI_STYLE : PLAIN_STYLE;
  const shownAt = Date.now();
  process.stdout.write(
    `${approvalLines(view, shownAt, style, { whole: answer === null, columns: terminalColumns() }).join('\n')}\n`,
  );
  if (answer === null) return 0;
  // What was just printed has to be readable before the answer counts as a person's.
  await new Promise((resolve) => setTimeout(resolve, 450));
  return (await send(connection, view, answer, shownAt)) ? 0 : 1;
}

/** Shows what one waiting command would do, and then takes the answer: the given one, or one that is asked for on a terminal. */
async function previewOne(
  connection: ControlConnection,
  handle: string,
  given: Answer | null,
): Promise<number> {
  const views = await pending(connection);
  if (views === null) return 1;
  const view = views.find((v) => v.handle === handle || v.id === handle);
  if (view === undefined) {
    process.stderr.write(
      `countersign: no approval \`${handle}\` is pending; it may have been answered or timed out\n`,
    );
    return 1;
  }
  const style = process.stdout.isTTY ? ANSI_STYLE : PLAIN_STYLE;
  const shownAt = Date.now();
  process.stdout.write(
    `${approvalLines(view, shownAt, style, { whole: false, columns: terminalColumns() }).join('\n')}\n`,
  );
  if (!(await showPreview(view))) return 1;
  const answer = given ?? (process.stdin.isTTY ? await askAnswer() : null);
  if (answer === null) return 0;
  return (await send(connection, view, answer, shownAt)) ? 0 : 1;
}

async function askAnswer(): Promise<Answer | null> {
  const asking = createInterface({ input: process.stdin, output: process.stdout });
  const once = { scope: 'once', note: null, commandLine: null } as const;
  try {
    const text = (await asking.question('allow once, deny or leave it waiting? [leave] '))
      .trim()
      .toLowerCase();
    if (text === 'allow' || text === 'a') return { answer: 'allow', ...once };
    return text === 'deny' || text === 'd' ? { answer: 'deny', ...once } : null;
  } finally {
    asking.close();
  }
}

/**
 * Runs a waiting command on a copy of its workspace as it is now, in a session of its own that reaches no network and of which nothing is kept. False:
 * it cannot be tried.
 */
async function showPreview(view: ApprovalView): Promise<boolean> {
  const { preview } = view;
  if (preview === null) {
    process.stdout.write(
      'this cannot be tried on a copy: it is no command of a session that the kernel guards\n',
    );
    return false;
  }
  const options = [
    '--preview',
    '--discard',
    '--workspace',
    preview.workspace,
    '--intent',
    `preview of ${view.handle}`,
  ];
  const child = spawn(process.execPath, [process.argv[1] ?? '', 'run', ...options, '--', ...preview.argv], {
    cwd: preview.cwd,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  return new Promise((resolve) => {
    child.once('error', (cause) => {
      process.stdout.write(`this cannot be tried on a copy: ${visibleLine(cause.message)}\n`);
      resolve(false);
    });
    // How it ended is part of what it would do.
    child.once('exit', (code, signal) => {
      process.stdout.write(`(on the copy it ended with ${signal ?? `exit ${code}`})\n`);
      resolve(true);
    });
  });
}

async function send(
  connection: ControlConnection,
  view: ApprovalView,
  answer: Answer,
  shownAt: number,
): Promise<boolean> {
  const reply = await connection.call({
    type: 'approval.answer',
    approval: view.id,
    digest: view.digest,
    answer: answer.answer,
    scope: answer.scope,
    note: answer.note,
    command_line: answer.commandLine,
    shown_at: shownAt,
  });
  process.stdout.write(
    reply.ok ? `${pastTense(answer)} [${view.handle}]\n` : `not taken: ${reply.error.message}\n`,
  );
  return reply.ok;
}

function pastTense(answer: Answer): string {
  switch (answer.answer) {
    case 'allow':
      return answer.scope === 'session' ? 'allowed for this session' : 'allowed once';
    case 'deny':
      return 'denied';
    case 'edit':
      return 'changed and allowed';
    default:
      return unreachable(answer.answer);
  }
}

/** The live inbox: shows the oldest question, answers by one key, follows what others answer. */
async function inbox(connection: ControlConnection): Promise<number> {
  if (!process.stdin.isTTY) {
    process.stderr.write(
      'countersign: the live inbox needs a terminal; `countersign approve --list` prints what waits\n',
    );
    return 2;
  }
  const queue = new Map<string, ApprovalView>();
  let current: { readonly view: ApprovalView; readonly shownAt: number } | null = null;
  let busy = false;
  let finish: (code: number) => void = () => undefined;
  const done = new Promise<number>((resolve) => {
    finish = resolve;
  });

  const show = () => {
    if (busy) return;
    const next = queue.values().next().value;
    if (next === undefined) {
      if (current !== null) process.stdout.write('\nnothing waits for an answer; q quits\n');
      current = null;
      return;
    }
    if (current?.view.id === next.id) return;
    current = { view: next, shownAt: Date.now() };
    const more = queue.size > 1 ? `   (${queue.size - 1} more waiting)` : '';
    const session = next.session_pattern === null ? '' : '  [s] for this session';
    process.stdout.write(
      `\n\u0007${approvalLines(next, Date.now(), ANSI_STYLE, { whole: false, columns: terminalColumns() }).join('\n')}\n\n`,
    );
    process.stdout.write(
      `[d] deny  [a] allow once${session}${next.preview ? '  [p] preview' : ''}${isEditable(next) ? '  [e] edit' : ''}  [n] deny with a note  [q] quit${more}\n`,
    );
  };
  connection.onApproval((view) => {
    if (view.state === 'pending') queue.set(view.id, view);
    else {
      queue.delete(view.id);
      if (current?.view.id === view.id && !busy) {
        process.stdout.write(`[${view.handle}] is ${view.state.replace('_', ' ')}\n`);
        current = null;
      }
    }
    show();
  });
  connection.onClose(() => {
    process.stderr.write('countersign: the daemon went away; everything that waited is denied\n');
    finish(3);
  });
  const watching = await callFor(connection, { type: 'approvals.watch' }, listSchema);
  if (!watching.ok) {
    process.stderr.write(`countersign: ${watching.error.message}\n`);
    return 1;
  }
  for (const view of watching.value.approvals) queue.set(view.id, view);
  if (queue.size === 0) process.stdout.write('nothing waits for an answer; q quits\n');
  show();

  const ask = async (prompt: string): Promise<string> => {
    process.stdin.setRawMode(false);
    const line = createInterface({ input: process.stdin, output: process.stdout });
    try {
      return await line.question(prompt);
    } finally {
      line.close();
      process.stdin.setRawMode(true);
      process.stdin.resume();
    }
  };
  const onKey = async (key: string): Promise<void> => {
    if (key === 'q' || key === '\u0003' || key === '\u0004') return finish(0);
    if (current === null || busy) return;
    const { view, shownAt } = current;
    const once = { scope: 'once', note: null, commandLine: null } as const;
    busy = true;
    try {
      if (key === 'a') await send(connection, view, { answer: 'allow', ...once }, shownAt);
      else if (key === 's' && view.session_pattern !== null)
        await send(connection, view, { answer: 'allow', ...once, scope: 'session' }, shownAt);
      else if (key === 'd') await send(connection, view, { answer: 'deny', ...once }, shownAt);
      else if (key === 'n')
        await send(
          connection,
          view,
          { answer: 'deny', ...once, note: await ask('note for the agent: ') },
          shownAt,
        );
      else if (key === 'p' && view.preview) await showPreview(view);
      else if (key === 'e' && isEditable(view)) {
        const commandLine = await ask('run instead: ');
        if (commandLine.trim() !== '')
          await send(connection, view, { answer: 'edit', ...once, commandLine }, shownAt);
      }
    } finally {
      busy = false;
    }
    if (!queue.has(view.id)) current = null;
    show();
  };
  process.stdin.setRawMode(true);
  process.stdin.resume();
  const listener = (data: Buffer) => {
    const text = data.toString('utf8');
    if ([...text].length === 1) void onKey(text);
  };
  process.stdin.on('data', listener);
  const code = await done;
  process.stdin.off('data', listener);
  process.stdin.setRawMode(false);
  process.stdin.pause();
  return code;
}

/** Only a command can be run in other words: an edit of anything else would deny it. */
function isEditable(view: ApprovalView): boolean {
  return view.action.commands.length > 0;
}
