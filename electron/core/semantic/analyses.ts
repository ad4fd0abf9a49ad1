import type { Word } from '../command.ts';
import type { EffectObject } from '../effect.ts';
import { pathOf, say, type Scene, wordObject } from './deeds.ts';
import { readSearch, searchObjects } from './feeding.ts';
import { labelsOfName } from './knowledge.ts';
import { fixedObject, NO_OBJECT } from './objects.ts';
import { readMongo, readRedis, readSql, type Statement } from './statements.ts';
import { verbOf } from './verbs.ts';

/** Analyses that a table of flags and operands cannot express, by the name knowledge files use. */
export const ANALYSES: Readonly<Record<string, (scene: Scene) => void>> = {
  find,
  sql: (scene) => statements(scene, readSql),
  mongo: (scene) => statements(scene, readMongo),
  redis: (scene) => statements(scene, readRedis),
  chmod,
  kill,
  http,
  'remote-copy': remoteCopy,
  volumes,
  interpreter,
  touch,
  dd,
  git,
  'crontab-file': crontabFile,
};

function find(scene: Scene): void {
  const search = readSearch(scene.command.args);
  const objects = searchObjects(search, scene.place, scene.knowledge);
  if (search.deletes)
    for (const object of objects) say(scene, { kind: 'delete', object, recursive: true, reversible: 'no' });
  else for (const object of objects) say(scene, { kind: 'discover', object });
  for (const word of search.writes) say(scene, { kind: 'write', object: pathOf(scene, word) });
  const text = scene.command.args.map((word) => word.text);
  const at = text.findIndex((word) => /^-i?(?:name|path|wholename|regex)$/.test(word));
  for (let index = at; index >= 0 && index < text.length; index += 1) {
    if (!/^-i?(?:name|path|wholename|regex)$/.test(text[index] ?? '')) continue;
    const word = scene.command.args[index + 1];
    if (word === undefined) continue;
    const named = pathOf(scene, { ...word, glob: false, text: word.text.replace(/^[*/]+|\*+$/g, '') });
    if (named.labels.includes('secret')) say(scene, { kind: 'discover', object: named, tags: ['secret-hunt'] });
  }
}

function statements(scene: Scene, read: (text: string) => readonly Statement[]): void {
  const { values, operands } = scene.args;
  const texts: string[] = (values.get('statement') ?? []).map((word) => word.text);
  if (scene.command.code !== null) texts.push(scene.command.code.text);
  if (read === readRedis) texts.push(operands.map((word) => word.text).join(' '));
  else for (const word of operands) if (/\s/.test(word.text)) texts.push(word.text);
  if (texts.length > 0 && read === readSql && operands.length > 0)
    texts.push([...(values.get('statement') ?? []), ...operands].map((word) => word.text).join(' '));
  for (const redirect of scene.command.redirects) if (redirect.body !== null) texts.push(redirect.body.text);
  const from = scene.command.pipedFrom === null ? undefined : scene.commands[scene.command.pipedFrom];
  if (from !== undefined && (from.program === 'echo' || from.program === 'printf'))
    texts.push(from.args.map((word) => word.text).join(' '));
  const seen = new Set<string>();
  for (const text of texts)
    for (const statement of read(text)) {
      const key = `${statement.effect} ${statement.value} ${statement.tags.join()}`;
      if (seen.has(key)) continue;
      seen.add(key);
      say(scene, {
        kind: statement.effect,
        object: fixedObject(statement.object, statement.value, ['database']),
        tags: statement.tags,
        reversible: statement.effect === 'delete' ? 'no' : 'unknown',
      });
    }
}

const SYMBOLIC = /^[ugoa]*[-+=][rwxXstugo]*(?:,[ugoa]*[-+=][rwxXstugo]*)*$/;

function chmod(scene: Scene): void {
  const { operands, groups, strange } = scene.args;
  if (groups.has('reference')) {
    for (const word of operands) say(scene, { kind: 'permission', object: pathOf(scene, word) });
    return;
  }
  const dashed = strange.length > 0;
  const mode = dashed ? strange.join('') : (operands[0]?.text ?? '');
  const reordered = !dashed && !/^[0-7]{1,5}$/.test(mode) && !SYMBOLIC.test(mode);
  const tags: string[] = [];
  if (/^0*[2-7][0-7]{3}$/.test(mode) && /^0*[2-7][0-7]{3}$/.exec(mode)?.[0].replace(/^0+/, '').length === 4) {
    const special = Number(mode.replace(/^0+/, '')[0]);
    if ((special & 6) !== 0) tags.push('setuid');
  }
  if (/[+=][rwxXt]*s/.test(mode)) tags.push('setuid');
  if (/^0*[0-7]?[0-7][0-7][2367]$/.test(mode) || /(?:^|,)[ug]*[oa][ugoa]*[+=][rxXst]*w/.test(mode)) tags.push('world-writable');
  if (/^0*[0-7]?[1357][0-7]{2}$/.test(mode) || /\+[rwXst]*x/.test(mode)) tags.push('executable');
  if (/^0+$/.test(mode)) tags.push('no-access');
  const files = dashed ? operands : reordered ? operands : operands.slice(1);
  for (const word of files) if (!isFed(scene, word)) say(scene, { kind: 'permission', object: pathOf(scene, word), tags });
  for (const object of scene.fed ?? []) say(scene, { kind: 'permission', object, tags });
}

function isFed(scene: Scene, word: Word): boolean {
  return scene.fed !== null && word.text.includes('{}');
}

function kill(scene: Scene): void {
  const { operands, strange, groups, values } = scene.args;
  if (groups.has('list')) return;
  const signal = [...strange, ...(values.get('signal') ?? []).map((word) => word.text)].join(' ');
  if (/^-?0$/.test(signal)) return;
  const hard = /9|kill/i.test(signal);
  const tags = hard ? ['hard'] : [];
  const all = [...tags, 'every-process'];
  // `kill -9 -1` and `kill -- -1`: every process the user may signal.
  const everything = strange.filter((flag) => flag === '-1').length > 0 && (strange.length > 1 || operands.length === 0);
  if (everything) say(scene, { kind: 'kill', object: { ...fixedObject('process', '-1', []), many: true }, tags: all });
  const named = scene.command.program !== 'kill';
  const targets = [...operands, ...(values.get('target') ?? [])];
  for (const word of targets) {
    if (word.text === '-1') say(scene, { kind: 'kill', object: { ...fixedObject('process', '-1', []), many: true }, tags: all });
    else if (word.text === '1' && !named) say(scene, { kind: 'kill', object: fixedObject('process', '1', ['init']), tags: all });
    else if (!word.known) killNamed(scene, word, tags);
    else say(scene, { kind: 'kill', object: wordObject(scene, { object: 'process', labels: named ? ['by-name'] : [] }, word), tags });
  }
  if (targets.length === 0 && scene.fed !== null) killNamed(scene, null, tags);
}

/**
 * `kill $(pidof sshd)`, `ps -e | awk '/rsyslogd/ …' | xargs kill`: the number is unknown, but the same line says
 * by what name processes are picked. Without any name, every process listed is meant.
 */
function killNamed(scene: Scene, word: Word | null, tags: readonly string[]): void {
  const names: string[] = [];
  let lists = false;
  for (const other of scene.commands) {
    if (other.program === 'ps' || other.program === 'top') lists = true;
    if (!/^(?:pgrep|pidof|grep|egrep|fgrep|rg|awk|gawk|mawk|sed|\[\[?|test|case|lsof|fuser)$/.test(other.program)) continue;
    for (const arg of other.args)
      for (const name of arg.text.matchAll(/[A-Za-z][\w.+-]{1,40}/g)) {
        const labels = labelsOfName(scene.knowledge.services, name[0]);
        if (labels.length > 0) {
          say(scene, { kind: 'kill', object: { ...fixedObject('process', name[0], [...labels, 'by-name']), many: true }, tags });
          return;
        }
        if (name[0] !== 'print') names.push(name[0]);
      }
  }
  const all = lists && names.length === 0;
  say(scene, {
    kind: 'kill',
    object: { kind: 'process', value: word?.text ?? names[0] ?? '', known: false, many: all, labels: ['unknown'] },
    tags: all ? [...tags, 'every-process'] : tags,
  });
}

function http(scene: Scene): void {
  const { operands, values, groups } = scene.args;
  const method = (values.get('method')?.[0]?.text ?? '').toUpperCase();
  const urls = [...operands, ...(values.get('url') ?? [])].map((word) => wordObject(scene, { object: 'url', labels: [] }, word));
  const tags: string[] = groups.has('insecure') ? ['insecure-tls'] : [];
  const sends = groups.has('data') || groups.has('form') || groups.has('upload') || /^(?:POST|PUT|PATCH)$/.test(method);
  for (const group of ['data', 'form', 'upload'] as const)
    for (const word of values.get(group) ?? []) {
      const at = group === 'upload' ? 0 : /(?:^|=)[@<]/.exec(word.text)?.[0].length;
      if (at === undefined) continue;
      const file = { ...word, text: word.text.slice(group === 'upload' ? 0 : word.text.search(/(?:^|=)[@<]/) + at).replace(/;.*$/, '') };
      if (file.text === '-' || file.text === '' || file.text === '.') continue;
      say(scene, { kind: 'upload', object: pathOf(scene, file, urls[0]?.labels.filter((label) => label === 'internet' || label === 'loopback') ?? []), tags: ['file-out', ...tags] });
    }
  for (const url of urls) {
    if (method === 'DELETE') say(scene, { kind: 'delete', object: url, tags: [...tags, 'destructive', 'by-http'], reversible: 'no' });
    else if (sends) {
      const last = url.value.replace(/[?#].*$/, '').replace(/\/+$/, '');
      const verb = verbOf(last.slice(last.lastIndexOf('/') + 1), scene.knowledge);
      if (verb !== null && verb.tags.includes('destructive')) say(scene, { kind: verb.effect, object: url, tags: [...tags, ...verb.tags, 'by-http'] });
      say(scene, { kind: 'upload', object: url, tags });
    } else say(scene, { kind: 'download', object: url, tags });
    if (groups.has('remote-name') || (scene.command.program === 'wget' && !groups.has('output') && !groups.has('spider'))) {
      const name = url.value.replace(/[?#].*$/, '').replace(/\/+$/, '').replace(/^.*\//, '');
      if (name !== '') say(scene, { kind: 'write', object: pathOf(scene, { text: `./${name}`, raw: name, known: url.known, glob: false }), tags: ['downloaded'] });
    }
  }
  for (const word of values.get('output') ?? [])
    if (word.text !== '-') say(scene, { kind: 'write', object: pathOf(scene, word), tags: ['downloaded'] });
  for (const word of values.get('data') ?? [])
    if (!word.known) say(scene, { kind: 'upload', object: { ...NO_OBJECT, known: false, labels: ['unknown'] }, tags: ['computed-out', ...tags] });
}

const REMOTE = /^(?:[^/:@\s]+@)?(?:\[[^\]]+\]|[^/:\s]+):(?!\\)|^(?:rsync|sftp|ftp|ssh|s3|gs|scp):\/\//;

function remoteCopy(scene: Scene): void {
  const { operands, groups } = scene.args;
  const last = operands[operands.length - 1];
  if (last === undefined) return;
  if (operands.length === 1) {
    if (REMOTE.test(last.text)) say(scene, { kind: 'connect', object: wordObject(scene, { object: 'host', labels: [] }, last) });
    return;
  }
  const sources = operands.slice(0, -1);
  const out = REMOTE.test(last.text);
  for (const source of sources) {
    const incoming = REMOTE.test(source.text);
    if (incoming) say(scene, { kind: 'download', object: wordObject(scene, { object: 'host', labels: [] }, source), tags: ['file-copy'] });
    else if (out) say(scene, { kind: 'upload', object: pathOf(scene, source, hostLabels(scene, last)), tags: ['file-out', 'file-copy'] });
    else say(scene, { kind: 'read', object: pathOf(scene, source) });
    if (groups.has('remove-source'))
      say(scene, { kind: 'delete', object: incoming ? remoteObject(source) : pathOf(scene, source), tags: ['mirror'], reversible: 'no' });
  }
  const target = out ? remoteObject(last) : pathOf(scene, last);
  if (out) say(scene, { kind: 'connect', object: wordObject(scene, { object: 'host', labels: [] }, last) });
  else say(scene, { kind: 'write', object: target, tags: sources.some((word) => REMOTE.test(word.text)) ? ['downloaded'] : [] });
  if (groups.has('mirror')) say(scene, { kind: 'delete', object: target, tags: ['mirror'], recursive: true, reversible: 'no' });
}

function remoteObject(word: Word): EffectObject {
  return { kind: 'path', value: word.text, known: word.known, many: word.glob, labels: ['remote', 'outside'] };
}

function hostLabels(scene: Scene, word: Word): readonly string[] {
  const object = wordObject(scene, { object: 'host', labels: [] }, word);
  return object.labels.filter((label) => label === 'loopback' || label === 'internet' || label === 'private-network' || label === 'unknown');
}

/** `docker run -v /:/host --privileged`: what of this machine the container may touch. */
function volumes(scene: Scene): void {
  const { values, groups } = scene.args;
  for (const word of [...(values.get('volume') ?? []), ...(values.get('mount') ?? [])]) {
    const text = /(?:^|,)(?:source|src)=([^,]*)/.exec(word.text)?.[1] ?? word.text.split(':')[0] ?? '';
    if (!text.startsWith('/') && !text.startsWith('.') && !text.startsWith('~') && word.known) continue;
    const object = pathOf(scene, { ...word, text: text === '' ? word.text : text });
    const readOnly = /:(?:[^:]*,)?ro\b|readonly/.test(word.text);
    say(scene, { kind: readOnly ? 'read' : 'write', object, tags: ['host-mount'] });
  }
  if (groups.has('privileged')) say(scene, { kind: 'privilege', object: fixedObject('container', 'privileged', []), tags: ['container-privileged'] });
  for (const group of ['pid', 'network', 'ipc', 'userns', 'uts'])
    if ((values.get(group) ?? []).some((word) => word.text === 'host') && (group === 'pid' || group === 'userns'))
      say(scene, { kind: 'privilege', object: fixedObject('container', `${group}=host`, []), tags: ['container-host-namespace'] });
  for (const word of values.get('capability') ?? [])
    if (/^(?:cap_)?(?:all|sys_admin|sys_ptrace|sys_module|dac_read_search|dac_override|sys_rawio|bpf)$/i.test(word.text))
      say(scene, { kind: 'privilege', object: fixedObject('container', word.text, []), tags: ['container-privileged'] });
}

/** A program that runs what it is given: a script file, text on its input, a module. */
function interpreter(scene: Scene): void {
  const { command, args } = scene;
  if (command.code !== null || args.groups.has('code')) return;
  if (args.groups.has('version')) return;
  const script = args.operands[0];
  if (script !== undefined && script.text !== '-' && !args.groups.has('stdin') && !args.groups.has('module')) {
    const url = /^https?:\/\//.test(script.text);
    if (url) say(scene, { kind: 'execute', object: wordObject(scene, { object: 'url', labels: [] }, script), tags: ['remote-code'] });
    else say(scene, { kind: 'execute', object: pathOf(scene, script), tags: ['script'] });
    return;
  }
  if (command.pipedFrom !== null && !args.groups.has('module')) say(scene, { kind: 'execute', object: { ...NO_OBJECT, kind: 'code' }, tags: ['piped-code'] });
  for (const redirect of command.redirects)
    if (redirect.operator === '<' && redirect.target !== null)
      say(scene, { kind: 'execute', object: pathOf(scene, redirect.target), tags: ['script'] });
}

function touch(scene: Scene): void {
  const { values, operands } = scene.args;
  const reference = values.get('reference')?.[0];
  const borrowed = reference !== undefined && pathOf(scene, reference).labels.includes('system');
  const set = values.has('reference') || values.has('date');
  for (const word of operands)
    say(scene, { kind: 'write', object: pathOf(scene, word), reversible: 'yes', tags: set ? (borrowed ? ['timestomp', 'times-set'] : ['times-set']) : ['times'] });
}

function dd(scene: Scene): void {
  const input = scene.args.values.get('if')?.[0];
  const output = scene.args.values.get('of')?.[0];
  if (input !== undefined) say(scene, { kind: 'read', object: pathOf(scene, input) });
  if (output !== undefined) say(scene, { kind: 'write', object: pathOf(scene, output), tags: ['truncate'], reversible: 'no' });
}

function git(scene: Scene): void {
  if (scene.args.subcommand === 'push') gitPush(scene);
  else if (scene.args.subcommand === 'config') gitConfig(scene);
}

function gitPush(scene: Scene): void {
  const { operands, groups } = scene.args;
  const refs = operands.slice(1);
  const force = groups.has('force');
  const tags = (more: readonly string[]): readonly string[] => (groups.has('no-verify') ? [...more, 'no-verify'] : more);
  const ref = (word: Word): EffectObject => wordObject(scene, { object: 'ref', labels: ['shared'] }, word);
  if (groups.has('mirror')) say(scene, { kind: 'delete', object: fixedObject('repository', operands[0]?.text ?? 'origin', ['shared']), tags: tags(['mirror', 'history-rewrite']) });
  let rewrites = 0;
  for (const word of refs) {
    if (groups.has('delete') || /^\+?:./.test(word.text)) say(scene, { kind: 'delete', object: ref(word), tags: tags(['ref-delete']) });
    else if (word.text.startsWith('+') || force) {
      rewrites += 1;
      say(scene, { kind: 'publish', object: ref(word), tags: tags(['history-rewrite', ...(word.text.startsWith('+') ? ['plus-refspec'] : [])]), force: true });
    } else say(scene, { kind: 'publish', object: ref(word), tags: tags(groups.has('force-with-lease') ? ['history-rewrite', 'with-lease'] : []) });
  }
  if (refs.length === 0)
    say(scene, {
      kind: 'publish',
      object: fixedObject('repository', operands[0]?.text ?? 'origin', ['shared']),
      tags: tags(force ? ['history-rewrite'] : groups.has('force-with-lease') ? ['history-rewrite', 'with-lease'] : []),
      force: force && rewrites === 0,
    });
  const url = operands[0];
  if (url !== undefined && /:\/\/|^[^/]+@[^/]+:/.test(url.text))
    say(scene, { kind: 'upload', object: wordObject(scene, { object: 'url', labels: [] }, url), tags: ['source-out'] });
}

const RISKY_SETTINGS =
  /^(?:core\.(?:hookspath|sshcommand|pager|editor|fsmonitor|askpass|gitproxy|attributesfile)|credential(?:\..*)?\.helper|credential\.helper|alias\..*|url\..*\.(?:push)?insteadof|http\..*proxy|http(?:\..*)?\.sslverify|filter\..*|diff\..*\.(?:command|textconv)|merge\..*\.driver|remote\..*\.(?:uploadpack|receivepack|vcs)|uploadpack\..*|protocol\..*\.allow|include(?:if)?\..*|gpg\..*program|sequence\.editor|init\.templatedir|safe\.directory)$/i;

function gitConfig(scene: Scene): void {
  const { operands, groups } = scene.args;
  const [name, value] = operands[0]?.text === 'set' || operands[0]?.text === 'unset' ? operands.slice(1) : operands;
  if (name === undefined || groups.has('get')) return;
  if (value === undefined && !groups.has('unset')) return;
  const key = name.text;
  const tags: string[] = [];
  if (RISKY_SETTINGS.test(key)) {
    const shell = /^alias\./i.test(key) ? (value?.text ?? '').trimStart().startsWith('!') : true;
    const off = !/sslverify$/i.test(key) || /^(?:false|0|no|off)$/i.test(value?.text ?? '');
    const plainEditor = /^(?:core\.(?:editor|pager)|sequence\.editor)$/i.test(key) && /^[\w./-]+(?:\s+-[\w-]+)*$/.test(value?.text ?? '');
    const helper = /credential/i.test(key) && /^(?:cache|store|osxkeychain|manager|manager-core|libsecret|wincred|)(?:\s|$)/.test(value?.text ?? '');
    if (shell && off && !plainEditor && !helper) tags.push('runs-code');
  }
  say(scene, { kind: 'configure', object: fixedObject('system', `git:${key}`, groups.has('global') ? ['home'] : ['workspace']), tags });
}

function crontabFile(scene: Scene): void {
  const { operands, groups } = scene.args;
  if (groups.has('list')) return;
  const table = fixedObject('service', 'crontab', ['startup']);
  if (groups.has('remove')) say(scene, { kind: 'delete', object: table, tags: ['destructive'], reversible: 'no' });
  else if (operands.length > 0 || scene.command.pipedFrom !== null || scene.command.redirects.length > 0)
    say(scene, { kind: 'persist', object: table });
}
