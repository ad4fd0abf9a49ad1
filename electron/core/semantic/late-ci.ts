import type { Json } from '../brand.ts';
import {
  type LateEntry,
  type LateReader,
  lateEntry,
  lateScript,
  memberOf,
  membersOf,
} from './late-change.ts';
import { commandsUnder } from './late-scripts.ts';

const STEPS =
  /^(?:run|script|before_script|after_script|command|commands|install|before_install|after_success|after_failure|before_deploy|after_deploy|deploy_script|build_script|test_script|bash|pwsh|powershell|sh|entrypoint)$/;
/** A secret named in a step, in the ways of the larger build servers. */
const SECRET = /\$\{\{\s*(?:secrets\.|toJSON\(\s*secrets)|\bsecrets\.[A-Z_]+\b|\bcredentials\(/i;
const SENDS =
  /\b(?:curl|wget|nc|ncat|netcat|http|https|Invoke-WebRequest|Invoke-RestMethod|iwr|nslookup|dig)\b/;
const ELSEWHERE: Partial<LateEntry> = { what: 'step', machine: 'elsewhere', outside: true };

/** What a build server will run: its steps, who may set them off, and the rights they are given. */
export const readLateWorkflow: LateReader = (text, ports) => {
  const root = ports.yaml(text);
  if (root === null) return text.trim() === '' ? [] : null;
  const steps = commandsUnder(root, STEPS, 'on push', ELSEWHERE).map((step) =>
    withTag(step, SECRET.test(step.value) && SENDS.test(step.value), 'ci-secret'),
  );
  return [...steps, ...secretSteps(root), ...rights(root)];
};

function withTag(entry: LateEntry, when: boolean, tag: string): LateEntry {
  return when ? { ...entry, tags: [...entry.tags, tag] } : entry;
}

/** A step that is given a secret by name and sends something. */
function secretSteps(root: Json): readonly LateEntry[] {
  const entries: LateEntry[] = [];
  const walk = (value: Json, at: string, depth: number): void => {
    if (depth > 16 || typeof value !== 'object' || value === null) return;
    const run = memberOf(value, 'run');
    const given = membersOf(memberOf(value, 'env')).filter(([, v]) => SECRET.test(String(v)));
    // The whole store at once, or a secret in what is sent. A named one for a named tool is ordinary.
    if (typeof run === 'string' && SENDS.test(run)) {
      const used = given.filter(([name]) => new RegExp(`\\$\\{?${name.replace(/\W/g, '')}\\b`).test(run));
      if (used.length > 0)
        entries.push(
          lateEntry({
            ...ELSEWHERE,
            what: 'step',
            name: `${at}: a secret is sent`,
            value: `${used.map(([name]) => name).join()}\n${run}`,
            when: 'on push',
            tags: ['ci-secret'],
          }),
        );
    }
    if (
      /toJSON\(\s*secrets\s*\)/i.test(
        JSON.stringify(membersOf(value).filter(([, v]) => typeof v === 'string')),
      )
    )
      entries.push(
        lateEntry({
          ...ELSEWHERE,
          what: 'step',
          name: `${at}: all secrets`,
          value: 'toJSON(secrets)',
          when: 'on push',
          tags: ['ci-secret'],
        }),
      );
    for (const [key, inner] of Object.entries(value))
      walk(inner as Json, Array.isArray(value) ? at : `${at}.${key}`, depth + 1);
  };
  walk(root, '', 0);
  return entries;
}

function rights(root: Json): readonly LateEntry[] {
  const entries: LateEntry[] = [];
  const say = (name: string, value: string): void => {
    entries.push(
      lateEntry({
        what: 'config-key',
        name,
        value,
        when: 'on push',
        outside: true,
        machine: 'elsewhere',
        tags: ['ci-rights'],
      }),
    );
  };
  const on = memberOf(root, 'on') ?? memberOf(root, 'true');
  const names =
    typeof on === 'string' ? [on] : Array.isArray(on) ? on.map(String) : membersOf(on).map(([key]) => key);
  const text = JSON.stringify(root) ?? '';
  // Strangers' code with the repository's own rights: only together with a checkout of what they sent.
  if (names.includes('pull_request_target') && /github\.(?:event\.pull_request\.head|head_ref)/.test(text))
    say('on: pull_request_target', 'with a checkout of the pull request');
  const walk = (value: Json, at: string, depth: number): void => {
    if (depth > 6 || typeof value !== 'object' || value === null) return;
    for (const [key, inner] of Object.entries(value)) {
      if (key === 'permissions' && inner === 'write-all') say(`${at}permissions`, 'write-all');
      else walk(inner as Json, Array.isArray(value) ? at : `${at}${key}.`, depth + 1);
    }
  };
  walk(root, '', 0);
  return entries;
}

/** A Jenkinsfile's shell steps. */
export const readLateCiScript: LateReader = (text) =>
  [
    ...text.matchAll(
      /\b(?:sh|bat|powershell)\s*(?:\(\s*)?(?:script\s*:\s*)?('''[\s\S]*?'''|"""[\s\S]*?"""|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")/g,
    ),
  ].map((found) => {
    const command = (found[1] ?? '').replace(/^(?:'''|"""|'|")|(?:'''|"""|'|")$/g, '');
    return withTag(
      lateScript(command.slice(0, 60), command, 'on push', ELSEWHERE),
      /credentials\(|withCredentials/.test(text) && SENDS.test(command),
      'ci-secret',
    );
  });

/** A compose file: only what reaches from a container into this machine. */
export const readLateCompose: LateReader = (text, ports) => {
  const root = ports.yaml(text);
  if (root === null) return text.trim() === '' ? [] : null;
  return membersOf(memberOf(root, 'services')).flatMap(([service, value]) =>
    hostReach(`services.${service}`, value),
  );
};

/** Keys of one container that give it this machine. */
function hostReach(at: string, value: Json): readonly LateEntry[] {
  const entries: LateEntry[] = [];
  const say = (key: string, text: string): void => {
    entries.push(
      lateEntry({
        what: 'config-key',
        name: `${at}.${key}`,
        value: text,
        when: 'when it is asked for',
        tags: ['container-reach'],
      }),
    );
  };
  for (const [key, inner] of membersOf(value)) {
    if (key === 'privileged' && inner === true) say(key, 'true');
    if (/^(?:pid|ipc|userns_mode|network_mode)$/.test(key) && inner === 'host' && key !== 'network_mode')
      say(key, 'host');
    if (key === 'cap_add' && /SYS_ADMIN|SYS_PTRACE|SYS_MODULE|ALL/.test(JSON.stringify(inner)))
      say(key, JSON.stringify(inner));
    if (key === 'volumes' && Array.isArray(inner))
      for (const volume of inner) {
        const host =
          typeof volume === 'string'
            ? (volume.split(':')[0] ?? '')
            : String(memberOf(volume, 'source') ?? '');
        if (
          /^\/$|^\/(?:etc|root|home|proc|sys|boot|dev|usr|var\/lib)\/?$|docker\.sock|containerd\.sock|^(?:~|\$\{?HOME\}?)(?:\/?$|\/\.(?:ssh|aws|gnupg|kube|config)\b)/.test(
            host,
          )
        )
          say(`${key}: ${host}`, String(typeof volume === 'string' ? volume : host));
      }
  }
  return entries;
}
