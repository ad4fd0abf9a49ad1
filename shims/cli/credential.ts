import { homedir } from 'node:os';
import { createInterface } from 'node:readline/promises';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import type { Result } from '../../electron/core/result.ts';
import { loadCredentialTable } from '../../electron/edge/credential-table.ts';
import { type CredentialList, credentialListSchema } from '../../electron/wire/credential-control.ts';
import type { KnownCredential } from '../../electron/wire/credential-table.ts';
import { placesFrom } from '../../electron/wire/places.ts';
import { visibleLine } from '../../electron/wire/terminal-text.ts';
import { type ControlConnection, callFor } from './control-client.ts';
import { type AddRequest, readAdd } from './credential-add.ts';
import { readSecret } from './credential-secret.ts';
import { reachDaemon } from './daemon-process.ts';
import { EXIT } from './exit-codes.ts';
import { findInstallation } from './installation.ts';

export const HELP = `countersign credential — secrets that agents use and never see

  countersign credential add NAME --host HOST [--env VARIABLE] [limits]     a token; its value is asked for, or read from standard
                                                                            input, and kept in your keychain
  countersign credential add NAME --kind aws --access-key-id ID [--role ARN] [--read-only]
  countersign credential add NAME --kind github-app --app-id N --installation-id N [--permission contents:read] < KEY.pem
  countersign credential add NAME --kind postgres --host HOST --database DB --user USER
  countersign credential add NAME --kind ssh --host HOST < KEY
  countersign credential import             what your environment holds, offered one by one
  countersign credential list [--json]      what there is, for what, and when it was used (since the daemon began)
  countersign credential test NAME          tries a harmless use and says what happened
  countersign credential rotate NAME        another value, asked for; a revoked one is good again
  countersign credential revoke NAME        not used again, by any session, from now on
  countersign credential remove NAME        forgotten

  --env VARIABLE     the session's environment has a placeholder there (may be repeated)
  --host HOST        where it may be sent: exact, \`*.example.org\`, with \`:port\` when it is not 443 (may be repeated)
  --method GET --path '/repos/me/**' --graphql query       what it may be used for (may be repeated)
  --place PLACE      where it may stand: \`header\` (default), \`query:key\`, \`body\`
  --ttl SECONDS      how long one use of it lives (default 60)
  --expires DATE     a day, or such as 30d; after it nothing is made of it
  --set KEY=VALUE    a setting of its kind, such as \`api_base\` or \`sts_endpoint\`

An agent's environment holds placeholders only. The real value is put in on its way to the credential's own hosts, for one request that
was allowed, and each use is a receipt: countersign receipts list --kind credential
Exit codes: 0 done, 1 refused, 2 wrong use, 3 the daemon is not running.`;

const doneSchema = z.object({ message: z.string().optional() });
const VERBS = ['add', 'import', 'list', 'test', 'rotate', 'revoke', 'remove'] as const;
type Verb = (typeof VERBS)[number];

/** Runs `countersign credential`; returns the exit code. */
export async function credential(argv: readonly string[]): Promise<number> {
  const [verb, ...rest] = argv;
  const wantsHelp = argv.includes('--help') || argv.includes('-h');
  if (wantsHelp || !isVerb(verb)) {
    (wantsHelp ? process.stdout : process.stderr).write(`${HELP}\n`);
    return wantsHelp ? EXIT.done : EXIT.usage;
  }
  const table = loadCredentialTable();
  if (!table.ok) return complain(table.error, EXIT.refused);
  // What is wrong with the words is said before anything is asked for.
  const adding = verb === 'add' ? readAdd(rest, table.value, Date.now()) : null;
  if (adding !== null && !adding.ok)
    return complain(`${visibleLine(adding.error)}; see \`countersign credential --help\``, EXIT.usage);
  const connected = await reachDaemon(placesFrom(process.env, homedir()), findInstallation(), (line) =>
    process.stderr.write(`countersign: ${line}\n`),
  );
  if (!connected.ok)
    return complain(
      connected.error.message,
      connected.error.code === 'not_running' ? EXIT.notRunning : EXIT.refused,
    );
  const control = connected.value;
  try {
    if (adding !== null) return await add(control, adding.value);
    if (verb === 'list') return await list(control, rest);
    if (verb === 'import') return await importFound(control, table.value);
    return verb === 'add' ? EXIT.usage : await change(control, verb, rest);
  } finally {
    control.close();
  }
}

function isVerb(text: string | undefined): text is Verb {
  return VERBS.some((verb) => verb === text);
}

function complain(message: string, code: number): number {
  process.stderr.write(`countersign: ${message}\n`);
  return code;
}

function say(reply: Result<unknown, { readonly message: string }>, done: string): number {
  if (!reply.ok) return complain(visibleLine(reply.error.message), EXIT.refused);
  process.stdout.write(`${done}\n`);
  return EXIT.done;
}

const SECRET_NAMES: Readonly<Record<AddRequest['kind'], string>> = {
  token: 'token',
  postgres: 'password',
  ssh: 'private key',
  aws: 'secret access key',
  'github-app': 'private key (PEM)',
};

async function add(control: ControlConnection, request: AddRequest): Promise<number> {
  const listed = await callFor(control, { type: 'credential.list' }, credentialListSchema);
  // Nobody types a secret for nothing.
  if (listed.ok && listed.value.credentials.some((one) => one.name === request.name))
    return complain(
      `there is a credential \`${request.name}\` already: rotate it, or remove it first`,
      EXIT.refused,
    );
  if (!listed.ok) return complain(visibleLine(listed.error.message), EXIT.refused);
  const secret = await readSecret(
    `countersign: ${SECRET_NAMES[request.kind]} of \`${request.name}\` (not shown): `,
  );
  if (!secret.ok) return complain(secret.error, EXIT.usage);
  const reply = await control.call({ ...request, secret: secret.value, session_token: null });
  const place =
    listed.value.kept === 'keychain' ? 'in your keychain' : 'in a file that your passphrase opens';
  const variables =
    request.env.length === 0 ? '' : `; new sessions have a placeholder in ${request.env.join(', ')}`;
  return say(
    reply,
    `\`${request.name}\` is kept ${place}, for ${request.limits.hosts.join(', ')}${variables}`,
  );
}

async function list(control: ControlConnection, argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...argv], options: { json: { type: 'boolean' } } });
  const listed = await callFor(control, { type: 'credential.list' }, credentialListSchema);
  if (!listed.ok) return complain(visibleLine(listed.error.message), EXIT.refused);
  const { credentials, fault } = listed.value;
  if (values.json) process.stdout.write(`${JSON.stringify(listed.value, null, 2)}\n`);
  else if (credentials.length === 0 && fault === null)
    process.stdout.write(
      'there is no credential; `countersign credential add --help` says how to give one\n',
    );
  else if (credentials.length > 0) process.stdout.write(`${tableOf(credentials)}\n`);
  return fault === null ? EXIT.done : complain(visibleLine(fault), EXIT.refused);
}

type Listed = CredentialList['credentials'][number];

/** A table that a person reads: name, kind, hosts, limits, variables, last use, end. */
export function tableOf(credentials: readonly Listed[]): string {
  const rows = [
    ['NAME', 'KIND', 'HOSTS', 'LIMITS', 'ENV', 'LAST USED', 'EXPIRES'],
    ...credentials.map((one) => [
      one.name,
      one.kind,
      one.limits.hosts.join(' '),
      limitsText(one),
      one.env.join(' ') || '-',
      one.last_used === null ? '-' : minute(one.last_used),
      one.revoked ? 'revoked' : one.expires_at === null ? 'never' : minute(one.expires_at),
    ]),
  ].map((row) => row.map(visibleLine));
  const widths = rows[0]?.map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0))) ?? [];
  return rows
    .map((row) =>
      row
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function limitsText({ limits, settings }: Listed): string {
  const parts = [
    ...(limits.methods ?? []),
    ...(limits.paths ?? []),
    ...(limits.graphql ?? []).map((operation) => `graphql ${operation}`),
    ...(settings['read_only'] === true ? ['read-only'] : []),
    ...(typeof settings['role'] === 'string' ? [`as ${settings['role']}`] : []),
  ];
  return parts.length === 0 ? 'any' : parts.join(' ');
}

function minute(at: number): string {
  return new Date(at).toISOString().slice(0, 16).replace('T', ' ');
}

async function change(
  control: ControlConnection,
  verb: 'test' | 'rotate' | 'revoke' | 'remove',
  argv: readonly string[],
): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: { 'access-key-id': { type: 'string' } },
  });
  const [name, ...rest] = positionals;
  if (name === undefined || rest.length > 0)
    return complain(
      `\`credential ${verb}\` takes one name; see \`countersign credential --help\``,
      EXIT.usage,
    );
  switch (verb) {
    case 'test': {
      const reply = await callFor(control, { type: 'credential.test', name }, doneSchema, 30_000);
      return say(reply, reply.ok ? visibleLine(reply.value.message ?? 'done') : '');
    }
    case 'rotate': {
      const secret = await readSecret(`countersign: the new value of \`${visibleLine(name)}\` (not shown): `);
      if (!secret.ok) return complain(secret.error, EXIT.usage);
      const reply = await control.call({
        type: 'credential.rotate',
        name,
        secret: secret.value,
        session_token: null,
        access_key_id: values['access-key-id'] ?? null,
      });
      return say(reply, `\`${visibleLine(name)}\` has another value from now on`);
    }
    case 'revoke':
      return say(
        await control.call({ type: 'credential.revoke', name }),
        `\`${visibleLine(name)}\` is not used again; end it at its service too`,
      );
    case 'remove':
      return say(
        await control.call({ type: 'credential.remove', name }),
        `\`${visibleLine(name)}\` is forgotten`,
      );
    default:
      return verb satisfies never;
  }
}

/** Offers what the environment holds under known names; on a terminal each is asked about, else it is only shown. */
async function importFound(control: ControlConnection, table: readonly KnownCredential[]): Promise<number> {
  const listed = await callFor(control, { type: 'credential.list' }, credentialListSchema);
  if (!listed.ok) return complain(visibleLine(listed.error.message), EXIT.refused);
  const taken = new Set(listed.value.credentials.flatMap((one) => [one.name, ...one.env]));
  const found = table.flatMap((row) =>
    proposalsOf(row).filter(({ env }) => !env.some((name) => taken.has(name))),
  );
  if (found.length === 0) {
    process.stdout.write('no variable of a known name holds a secret here that is not kept already\n');
    return EXIT.done;
  }
  const asks = Boolean(process.stdin.isTTY);
  const asking = asks ? createInterface({ input: process.stdin, output: process.stderr }) : null;
  let code: number = EXIT.done;
  try {
    for (const proposal of found) {
      const { request, env, secret, sessionToken } = proposal;
      const text = `${request.name}: ${env.join(', ')} for ${request.limits.hosts.join(', ')}`;
      if (asking === null) {
        process.stdout.write(`${text}\n`);
        continue;
      }
      const answer = (await asking.question(`countersign: keep ${text}? [y/N] `)).trim().toLowerCase();
      if (answer !== 'y' && answer !== 'yes') continue;
      const reply = await control.call({ ...request, secret, session_token: sessionToken });
      code = Math.max(
        code,
        say(reply, `\`${request.name}\` is kept; take ${env.join(', ')} out of your shell's start-up files`),
      );
    }
  } finally {
    asking?.close();
  }
  return code;
}

interface Proposal {
  readonly request: AddRequest;
  readonly env: readonly string[];
  readonly secret: string;
  readonly sessionToken: string | null;
}

function proposalsOf(row: KnownCredential): readonly Proposal[] {
  const value = (name: string | undefined) =>
    name === undefined ? undefined : process.env[name] || undefined;
  const base = (
    name: string,
    kind: 'token' | 'aws',
    env: readonly string[],
    settings: AddRequest['settings'],
  ): AddRequest => ({
    type: 'credential.add',
    name,
    kind,
    env: [...env],
    limits: { hosts: [...row.hosts], methods: null, paths: null, graphql: null, ttl_seconds: 60 },
    settings,
    shape: null,
    expires_at: null,
  });
  if (row.kind === 'aws') {
    const [id, secret, token] = row.env.map(value);
    // Temporary keys end by themselves before a keychain is of use.
    if (id === undefined || secret === undefined || token !== undefined) return [];
    const env = row.env.slice(0, 2);
    return [{ request: base('aws', 'aws', env, { access_key_id: id }), env, secret, sessionToken: null }];
  }
  return row.env.flatMap((name): Proposal[] => {
    const secret = value(name);
    if (secret === undefined || secret.length < 12) return [];
    const settings = { places: [...row.places] };
    const id = name.toLowerCase().replaceAll('_', '-');
    return [{ request: base(id, 'token', [name], settings), env: [name], secret, sessionToken: null }];
  });
}
