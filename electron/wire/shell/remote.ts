import type { Word } from '../../core/command.ts';
import { type Call, emit, type Frame, type Machine, type Output, through } from './machine.ts';
import { hasOption, type Options, optionValue, scanOptions, tail } from './options.ts';
import { type Handler, plain, wrapped } from './plain.ts';
import { childScope } from './scope.ts';
import { shell, shellText } from './shells.ts';
import { joinText, literalWord, textAt } from './word.ts';

const SSH_SHAPE = { short: 'BbcDEeFIiJLlmOopPQRSWw' };

/** `ssh options host code`: itself, and the code on the other machine; `ProxyCommand` is code on this one (AARM R3.k). */
export const ssh: Handler = (m, f, call, program) => {
  const { words } = call;
  emit(m, f, call, null);
  let at = 1;
  let host: string | null = null;
  for (let rounds = 0; rounds < 4; rounds++) {
    const scanned = scanOptions(m, words, at, SSH_SHAPE);
    for (const option of scanned.options)
      if (option.name === 'o' && option.value !== null) proxy(m, f, call, program, option.value);
    at = scanned.at;
    // Options may also follow the host.
    if (host !== null || at >= words.length) break;
    host = textAt(words, at++);
    if (!textAt(words, at).startsWith('-')) break;
  }
  const rest = words.slice(at);
  return onHost(m, f, call, program, host ?? '', rest);
};

function onHost(
  m: Machine,
  f: Frame,
  call: Call,
  program: string,
  host: string,
  rest: readonly Word[],
): Output {
  const local = {
    ...call,
    redirects: call.redirects.filter((redirect) => redirect.body !== null),
    assignments: [],
  };
  const frame: Frame = { ...f, redirects: [] };
  const detail = host.slice(host.lastIndexOf('@') + 1);
  if (rest.length > 0) return remoteCode(m, frame, local, program, detail, rest);
  if (f.input.kind === 'inherited' || f.input.kind === 'file') return null;
  const inner = through({ ...frame, scope: childScope(f.scope, null, 'away') }, program, detail, 'remote');
  return shell(m, inner, { ...local, words: [literalWord('sh')] }, 'sh');
}

function remoteCode(
  m: Machine,
  f: Frame,
  call: Call,
  program: string,
  detail: string,
  rest: readonly Word[],
): Output {
  const text = joinText(rest, 0);
  const plainWords = rest.every((word) => word.known && /^[A-Za-z0-9_./:=@%+,-]*$/.test(word.text));
  if (!plainWords) {
    const known = rest.every((word) => word.known);
    return shellText(m, f, { ...call, words: [literalWord('sh'), literalWord('-c'), ...rest] }, text, {
      program,
      words: rest,
      detail,
      place: 'remote',
      distance: 'away',
      known,
    });
  }
  return wrapped(m, f, call, program, rest, { detail, place: 'remote', distance: 'away' });
}

function proxy(m: Machine, f: Frame, call: Call, program: string, option: Word): void {
  const match = /^\s*(?:ProxyCommand|LocalCommand|KnownHostsCommand)\s*[= ]\s*/i.exec(option.text);
  if (match === null) return;
  const code = tail(m, option, match[0].length);
  if (code.text === 'none') return;
  shellText(m, { ...f, stage: null }, { ...call, redirects: [], assignments: [] }, code.text, {
    program,
    words: [code],
    detail: 'ProxyCommand',
    known: code.known,
    input: { kind: 'inherited' },
  });
}

/** `mosh host -- cmd`, `rsh host cmd`, `autossh`. */
export const mosh: Handler = (m, f, call, program) => {
  emit(m, f, call, null);
  const scanned = scanOptions(m, call.words, 1, { short: 'p', long: 'ssh predict server port family' });
  const agent = optionValue(scanned, 'ssh');
  if (agent !== undefined && agent !== null)
    shellText(m, { ...f, stage: null }, { ...call, redirects: [], assignments: [] }, agent.text, {
      program,
      words: [agent],
      detail: '--ssh',
    });
  let at = scanned.at + 1;
  if (textAt(call.words, at) === '--') at++;
  return onHost(m, f, call, program, textAt(call.words, scanned.at), call.words.slice(at));
};

/** `scp -o ProxyCommand=…`, `scp -S program`, `sftp`. */
export const copy: Handler = (m, f, call, program) => {
  const output = plain(m, f, call);
  const scanned = scanOptions(m, call.words, 1, { short: 'cDFiJloPSX' });
  for (const option of scanned.options) {
    if (option.value === null) continue;
    if (option.name === 'o') proxy(m, f, call, program, option.value);
    // The program that carries the connection: it runs here.
    if (option.name === 'S')
      shellText(m, { ...f, stage: null }, { ...call, redirects: [], assignments: [] }, option.value.text, {
        program,
        words: [option.value],
        detail: '-S',
        known: option.value.known,
      });
  }
  return output;
};

/** `adb shell code`: on the device. */
export const android: Handler = (m, f, call, program) => {
  emit(m, f, call, null);
  const at = scanOptions(m, call.words, 1, { short: 'stHPL' }).at;
  if (textAt(call.words, at) !== 'shell') return null;
  return onHost(
    m,
    f,
    call,
    program,
    'device',
    call.words.slice(scanOptions(m, call.words, at + 1, { short: 'e' }).at),
  );
};

const RUN_LONG =
  'add-host annotation attach blkio-weight cap-add cap-drop cgroup-parent cgroupns cidfile cpu-period cpu-quota cpu-shares cpus cpuset-cpus cpuset-mems detach-keys device device-cgroup-rule dns dns-option dns-search domainname entrypoint env env-file expose gpus group-add health-cmd health-interval hostname init-path ip ip6 ipc isolation kernel-memory label label-file link log-driver log-opt mac-address memory memory-reservation memory-swap mount name network net network-alias oom-score-adj pid pids-limit platform publish pull restart runtime security-opt shm-size stop-signal stop-timeout storage-opt sysctl tmpfs ulimit user userns uts volume volume-driver volumes-from workdir';
const RUN_SHAPE = { short: 'acehlmpuvw', long: RUN_LONG };
const EXEC_SHAPE = { short: 'euw', long: 'env env-file user workdir detach-keys index' };

/** `docker exec`, `docker run image cmd`, `docker compose exec|run`, the same for podman and nerdctl (AARM R3.k). */
export const docker: Handler = (m, f, call, program) => {
  const { words } = call;
  let at = scanOptions(m, words, 1, {
    short: 'cHlf',
    long: 'config context host log-level file project-name profile env-file project-directory connection url identity namespace',
  }).at;
  let compose = program === 'docker-compose' || program === 'podman-compose';
  if (textAt(words, at) === 'compose') {
    compose = true;
    at = scanOptions(m, words, at + 1, {
      short: 'fp',
      long: 'file project-name profile env-file project-directory',
    }).at;
  }
  if (textAt(words, at) === 'container') at++;
  const verb = textAt(words, at);
  if (verb !== 'exec' && verb !== 'run' && verb !== 'create') return plain(m, f, call);
  const scanned = scanOptions(
    m,
    words,
    at + 1,
    verb === 'exec' || compose
      ? {
          ...EXEC_SHAPE,
          long: `${EXEC_SHAPE.long} name publish volume label entrypoint`,
          short: `${EXEC_SHAPE.short}pvl`,
        }
      : RUN_SHAPE,
  );
  return inContainer(m, f, call, program, words, scanned);
};

function inContainer(
  m: Machine,
  f: Frame,
  call: Call,
  program: string,
  words: readonly Word[],
  scanned: Options,
): Output {
  const target = textAt(words, scanned.at);
  let rest = words.slice(scanned.at + 1);
  if (textAt(rest, 0) === '--') rest = rest.slice(1);
  const entrypoint = optionValue(scanned, 'entrypoint');
  if (entrypoint !== undefined && entrypoint !== null && entrypoint.text !== '') rest = [entrypoint, ...rest];
  if (rest.length === 0) return plain(m, f, call);
  const output = wrapped(m, f, call, program, rest, {
    detail: target,
    place: 'container',
    own: true,
    distance: 'away',
  });
  return output;
}

/** `kubectl exec pod -c container -- cmd`, `kubectl run name --image=i -- cmd`, `oc rsh`. */
export const kubectl: Handler = (m, f, call, program) => {
  const { words } = call;
  const shape = {
    short: 'ncfls',
    long: 'namespace container context cluster user kubeconfig server token filename selector image as pod-running-timeout overrides env port labels restart',
  };
  let at = scanOptions(m, words, 1, shape).at;
  const verb = textAt(words, at);
  if (verb !== 'exec' && verb !== 'run' && verb !== 'rsh' && verb !== 'debug') return plain(m, f, call);
  const first = scanOptions(m, words, at + 1, shape);
  const target = textAt(words, first.at);
  at = first.at + 1;
  const dashes = words.findIndex((word, i) => i >= at && word.text === '--');
  if (dashes >= 0) at = dashes + 1;
  else if (verb === 'run' || verb === 'debug') return plain(m, f, call);
  else at = scanOptions(m, words, at, shape).at;
  if (hasOption(first, 'help')) return plain(m, f, call);
  return wrapped(m, f, call, program, words.slice(at), {
    detail: target,
    place: 'container',
    own: true,
    distance: 'away',
  });
};

/** Commands with code for another machine in one option: `vagrant ssh -c`, `gcloud compute ssh --command`, `fly ssh console -C`. */
export const remoteOption: Handler = (m, f, call, program) => {
  emit(m, f, call, null);
  if (!call.words.some((word) => word.text === 'ssh')) return null;
  const scanned = call.words.findIndex((word) => /^(?:-c|-C|--command(?:=.*)?)$/s.test(word.text));
  const option = call.words[scanned];
  if (option === undefined) return null;
  const equals = option.text.indexOf('=');
  const code = equals < 0 ? call.words[scanned + 1] : tail(m, option, equals + 1);
  if (code === undefined) return null;
  return shellText(m, { ...f, redirects: [] }, { ...call, redirects: [], assignments: [] }, code.text, {
    program,
    words: [code],
    detail: 'ssh',
    place: 'remote',
    distance: 'away',
    known: code.known,
  });
};
