import { parseArgs } from 'node:util';
import { CREDENTIAL_KINDS, type CredentialKind } from '../../electron/core/credential.ts';
import { err, ok, type Result } from '../../electron/core/result.ts';
import { credentialAddSchema } from '../../electron/wire/credential-control.ts';
import type { KnownCredential } from '../../electron/wire/credential-table.ts';
import type { ControlCall } from './control-client.ts';

type AddCall = Extract<ControlCall, { type: 'credential.add' }>;
/** An `add` that lacks its secret alone. */
export type AddRequest = Omit<AddCall, 'secret' | 'session_token'>;

const DEFAULT_TTL_SECONDS = 60;

const OPTIONS = {
  kind: { type: 'string' },
  host: { type: 'string', multiple: true },
  env: { type: 'string', multiple: true },
  method: { type: 'string', multiple: true },
  path: { type: 'string', multiple: true },
  graphql: { type: 'string', multiple: true },
  place: { type: 'string', multiple: true },
  ttl: { type: 'string' },
  expires: { type: 'string' },
  set: { type: 'string', multiple: true },
  permission: { type: 'string', multiple: true },
  'access-key-id': { type: 'string' },
  region: { type: 'string' },
  role: { type: 'string' },
  'read-only': { type: 'boolean' },
  'app-id': { type: 'string' },
  'installation-id': { type: 'string' },
  database: { type: 'string' },
  user: { type: 'string' },
  port: { type: 'string' },
} as const;

/** Reads the words after `credential add`; what is wrong is said in one line. */
export function readAdd(
  argv: readonly string[],
  table: readonly KnownCredential[],
  now: number,
): Result<AddRequest, string> {
  const { values, positionals } = parseArgs({ args: [...argv], allowPositionals: true, options: OPTIONS });
  const [name, ...rest] = positionals;
  if (name === undefined) return err('a credential needs a name');
  // Somebody may have meant to give the secret here; it is not repeated.
  if (rest.length > 0)
    return err('one name is all that is given here; the secret is asked for, or read from standard input');
  const kind = values.kind ?? 'token';
  if (!isKind(kind)) return err(`\`--kind\` is ${CREDENTIAL_KINDS.join(', ')}, not \`${kind}\``);
  const settings = settingsOf(kind, values);
  if (!settings.ok) return settings;
  const expires = values.expires === undefined ? null : dateOf(values.expires, now);
  if (expires !== null && Number.isNaN(expires))
    return err('`--expires` takes a date such as 2027-01-31, or 30d');
  const row = table.find(({ env }) => values.env?.some((variable) => env.includes(variable)));
  const hosts = values.host ?? defaultHosts(kind, settings.value, row);
  if (hosts.length === 0) return err('`--host` says where it may be sent; name at least one');
  const request = {
    type: 'credential.add' as const,
    name,
    kind,
    env: values.env ?? [],
    limits: {
      hosts: kind === 'postgres' ? hosts.map((host) => withPort(host, settings.value['port'])) : hosts,
      methods: values.method?.map((method) => method.toUpperCase()) ?? null,
      paths: values.path ?? null,
      graphql: values.graphql ?? null,
      ttl_seconds: Number(values.ttl ?? DEFAULT_TTL_SECONDS),
    },
    settings: settings.value,
    shape: null,
    expires_at: expires,
  };
  const checked = credentialAddSchema
    .omit({ request: true, secret: true, session_token: true })
    .safeParse(request);
  if (checked.success) return ok(checked.data);
  const issue = checked.error.issues[0];
  return err(`\`${issue?.path.join('.') ?? ''}\`: ${(issue?.message ?? 'not understood').toLowerCase()}`);
}

type Settings = Record<string, AddCall['settings'][string]>;
type Values = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>['values'];

function isKind(text: string): text is CredentialKind {
  return (CREDENTIAL_KINDS as readonly string[]).includes(text);
}

function settingsOf(kind: CredentialKind, values: Values): Result<Settings, string> {
  const settings: Settings = {};
  for (const word of values.set ?? []) {
    const equals = word.indexOf('=');
    if (equals <= 0) return err('`--set` takes KEY=VALUE');
    settings[word.slice(0, equals)] = settingValue(word.slice(equals + 1));
  }
  const given: readonly (readonly [string, string | undefined])[] = [
    ['access_key_id', values['access-key-id']],
    ['region', values.region],
    ['role', values.role],
    ['app_id', values['app-id']],
    ['installation_id', values['installation-id']],
    ['database', values.database],
    ['user', values.user],
  ];
  for (const [key, value] of given) if (value !== undefined) settings[key] = value;
  if (values['read-only']) settings['read_only'] = true;
  if (values.place !== undefined) settings['places'] = [...values.place];
  if (values.permission !== undefined) {
    const permissions: Record<string, string> = {};
    for (const word of values.permission) {
      const found = /^([a-z_]+):(read|write)$/.exec(word);
      if (found === null) return err('`--permission` is such as `contents:read`');
      permissions[found[1] ?? ''] = found[2] ?? '';
    }
    settings['permissions'] = permissions;
  }
  if (kind === 'postgres') {
    const port = Number(values.port ?? 5432);
    if (!Number.isInteger(port) || port < 1 || port > 65_535) return err('`--port` is a number up to 65535');
    const host = values.host?.[0];
    if (host !== undefined) settings['host'] = host.replace(/:\d+$/, '');
    settings['port'] = Number(/:(\d+)$/.exec(host ?? '')?.[1] ?? port);
  }
  return ok(settings);
}

/** `true`, `30` and `{"a":1}` are what they look like; the rest is text. */
function settingValue(text: string): AddCall['settings'][string] {
  if (!/^(?:true|false|-?\d{1,15}|[[{].*[\]}])$/s.test(text)) return text;
  try {
    return JSON.parse(text) as AddCall['settings'][string];
  } catch {
    return text;
  }
}

function defaultHosts(kind: CredentialKind, settings: Settings, row: KnownCredential | undefined): string[] {
  if (kind === 'aws') return ['*.amazonaws.com'];
  if (kind === 'github-app') {
    const base = settings['api_base'];
    if (typeof base !== 'string')
      return ['api.github.com', 'github.com', 'uploads.github.com', 'codeload.github.com'];
    return URL.canParse(base) ? [new URL(base).host] : [];
  }
  return row === undefined ? [] : [...row.hosts];
}

function withPort(host: string, port: AddCall['settings'][string] | undefined): string {
  return /:\d+$/.test(host) ? host : `${host}:${String(port ?? 5432)}`;
}

/** A day, an instant, or `30d`; NaN when it is none of them. */
function dateOf(text: string, now: number): number {
  const days = /^(\d{1,4})d$/.exec(text);
  return days === null ? Date.parse(text) : now + Number(days[1]) * 86_400_000;
}
