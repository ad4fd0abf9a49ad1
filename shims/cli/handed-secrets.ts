import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isSecretName, type KnownCredential } from '../../electron/wire/credential-table.ts';

/** What the person's environment holds of secrets, as it is handed to the daemon for one session. */
export interface HandedSecrets {
  readonly secrets: readonly { readonly name: string; readonly value: string }[];
  /** Variables that say where a provider is. */
  readonly settings: Readonly<Record<string, string>>;
  /** Variables that look like secrets and that no table knows: they stay as they are. */
  readonly unknown: readonly string[];
  /** Those with their values: the daemon makes marks of them, by which they are known again in what leaves (T3). */
  readonly exposed: readonly { readonly name: string; readonly value: string }[];
  /** npm's configuration, when it holds tokens. */
  readonly npmrc: string | null;
}

const MAX_VALUE = 65_536;
const MAX_SECRETS = 192;
const MAX_EXPOSED = 64;
/** Shorter ones are no secrets. */
const MIN_VALUE = 12;
const MAX_NPMRC = 256 * 1024;
/** `//registry.npmjs.org/:_authToken=…`; a value that refers to a variable is that variable's matter. */
const NPM_TOKEN = /^(\s*\/\/([^\s=]+?)\/?:_authToken\s*=\s*)("?)([^\s"'$]+)\3\s*$/;

/** Ours, and what only looks like a secret by its name. */
const NO_SECRETS =
  /^(?:COUNTERSIGN_|SSH_AUTH_SOCK$|XAUTHORITY$|DBUS_|GPG_AGENT|GIT_ASKPASS$|SSH_ASKPASS$|SUDO_ASKPASS$)/;

/** Finds the secrets of an environment and of npm's configuration. */
export function findSecrets(
  env: Readonly<Record<string, string | undefined>>,
  home: string,
  table: readonly KnownCredential[],
): HandedSecrets {
  const known = new Set(table.flatMap((row) => row.env));
  const places = new Set(table.flatMap((row) => row.baseUrl));
  const secrets: { name: string; value: string }[] = [];
  const settings: Record<string, string> = {};
  const unknown: string[] = [];
  const exposed: { name: string; value: string }[] = [];
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined || value === '') continue;
    if (known.has(name)) {
      if (value.length >= MIN_VALUE && value.length <= MAX_VALUE && secrets.length < MAX_SECRETS)
        secrets.push({ name, value });
      else if (value.length >= MIN_VALUE) unknown.push(name);
    } else if (places.has(name)) settings[name] = value.slice(0, 4096);
    else if (value.length >= MIN_VALUE && isSecretName(name) && !NO_SECRETS.test(name)) {
      unknown.push(name);
      if (value.length <= MAX_VALUE && exposed.length < MAX_EXPOSED) exposed.push({ name, value });
    }
  }
  const npmrc = readNpmrc(
    env['NPM_CONFIG_USERCONFIG'] ?? env['npm_config_userconfig'] ?? join(home, '.npmrc'),
  );
  const tokens = npmrc === null ? [] : npmTokens(npmrc).slice(0, MAX_SECRETS - secrets.length);
  return {
    secrets: [...secrets, ...tokens],
    settings,
    unknown,
    exposed,
    npmrc: tokens.length === 0 ? null : npmrc,
  };
}

function readNpmrc(path: string): string | null {
  try {
    const text = readFileSync(path, 'utf8');
    return text.length > MAX_NPMRC ? null : text;
  } catch {
    // There is none, or none that npm could read either.
    return null;
  }
}

function npmTokens(npmrc: string): readonly { readonly name: string; readonly value: string }[] {
  const found = new Map<string, string>();
  for (const line of npmrc.split(/\r?\n/)) {
    const token = NPM_TOKEN.exec(line);
    const [, , place = '', , value = ''] = token ?? [];
    if (token !== null && /^[A-Za-z0-9.:[\]_/@%~-]+$/.test(place)) found.set(`npmrc:${place}`, value);
  }
  return [...found].map(([name, value]) => ({ name, value }));
}

/** npm's configuration with placeholders where tokens were. */
export function maskedNpmrc(npmrc: string, environment: Readonly<Record<string, string>>): string {
  return npmrc
    .split(/\r?\n/)
    .map((line) => {
      const token = NPM_TOKEN.exec(line);
      if (token === null) return line;
      const placeholder = environment[`npmrc:${token[2] ?? ''}`];
      // What got no placeholder is left out: a token in a copy would be a token more.
      return placeholder === undefined ? `; left out: ${token[2] ?? ''}` : `${token[1] ?? ''}${placeholder}`;
    })
    .join('\n');
}

/** What a session's environment gets in the place of secrets; npm's configuration becomes a copy in the session's own folder. */
export function placeholderEnvironment(
  directory: string,
  handed: HandedSecrets,
  environment: Readonly<Record<string, string>>,
): Record<string, string> {
  const variables = Object.fromEntries(
    Object.entries(environment).filter(([name]) => !name.startsWith('npmrc:')),
  );
  if (handed.npmrc === null) return variables;
  // Among what the session trusts: every program of it may read that (docs/guard-protocol.md).
  const folder = join(directory, 'trust');
  mkdirSync(folder, { recursive: true });
  const path = join(folder, 'npmrc');
  writeFileSync(path, maskedNpmrc(handed.npmrc, environment), { mode: 0o600 });
  return { ...variables, NPM_CONFIG_USERCONFIG: path };
}

/** One line for the start of a session about what stays as it is; null when there is nothing to say. */
export function unknownSecretsNotice(unknown: readonly string[]): string | null {
  if (unknown.length === 0) return null;
  const shown = [...unknown].sort().slice(0, 3).join(', ');
  const more = unknown.length > 3 ? `, and ${unknown.length - 3} more` : '';
  return `${unknown.length} variable${unknown.length === 1 ? ' looks' : 's look'} like a secret that the agent can read (${shown}${more}); \`countersign credential add\` keeps one from it`;
}
