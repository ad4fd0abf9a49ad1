import type { Word } from '../command.ts';
import type { EffectObject } from '../effect.ts';
import { pathOf, type Scene, say, wordObject } from './deeds.ts';
import { fixedObject, NO_OBJECT } from './objects.ts';
import { verbOf } from './verbs.ts';

/** What an HTTP client fetches, sends and deletes. */
export function http(scene: Scene): void {
  const { operands, values, groups } = scene.args;
  const method = (values.get('method')?.[0]?.text ?? '').toUpperCase();
  const urls = [...operands, ...(values.get('url') ?? [])].map((word) =>
    wordObject(scene, { object: 'url', labels: [] }, word),
  );
  const tags: string[] = groups.has('insecure') ? ['insecure-tls'] : [];
  const sends =
    groups.has('data') || groups.has('form') || groups.has('upload') || /^(?:POST|PUT|PATCH)$/.test(method);
  for (const group of ['data', 'form', 'upload'] as const)
    for (const word of values.get(group) ?? []) {
      const at = group === 'upload' ? 0 : /(?:^|=)[@<]/.exec(word.text)?.[0].length;
      if (at === undefined) continue;
      const file = {
        ...word,
        text: word.text
          .slice(group === 'upload' ? 0 : word.text.search(/(?:^|=)[@<]/) + at)
          .replace(/;.*$/, ''),
      };
      if (file.text === '-' || file.text === '' || file.text === '.') continue;
      say(scene, {
        kind: 'upload',
        object: pathOf(
          scene,
          file,
          urls[0]?.labels.filter((label) => label === 'internet' || label === 'loopback') ?? [],
        ),
        tags: ['file-out', ...tags],
      });
    }
  for (const url of urls) {
    if (method === 'DELETE')
      say(scene, {
        kind: 'delete',
        object: url,
        tags: [...tags, 'destructive', 'by-http'],
        reversible: 'no',
      });
    else if (sends) {
      const last = url.value.replace(/[?#].*$/, '').replace(/\/+$/, '');
      const verb = verbOf(last.slice(last.lastIndexOf('/') + 1), scene.knowledge);
      if (verb?.tags.includes('destructive') === true)
        say(scene, { kind: verb.effect, object: url, tags: [...tags, ...verb.tags, 'by-http'] });
      say(scene, { kind: 'upload', object: url, tags });
    } else say(scene, { kind: 'download', object: url, tags });
    if (
      groups.has('remote-name') ||
      (scene.command.program === 'wget' && !groups.has('output') && !groups.has('spider'))
    ) {
      const name = url.value
        .replace(/[?#].*$/, '')
        .replace(/\/+$/, '')
        .replace(/^.*\//, '');
      if (name !== '')
        say(scene, {
          kind: 'write',
          object: pathOf(scene, { text: `./${name}`, raw: name, known: url.known, glob: false }),
          tags: ['downloaded'],
        });
    }
  }
  for (const word of values.get('output') ?? [])
    if (word.text !== '-') say(scene, { kind: 'write', object: pathOf(scene, word), tags: ['downloaded'] });
  for (const word of values.get('data') ?? [])
    if (!word.known)
      say(scene, {
        kind: 'upload',
        object: { ...NO_OBJECT, known: false, labels: ['unknown'] },
        tags: ['computed-out', ...tags],
      });
}

const REMOTE = /^(?:[^/:@\s]+@)?(?:\[[^\]]+\]|[^/:\s]+):(?!\\)|^(?:rsync|sftp|ftp|ssh|s3|gs|scp):\/\//;

/** What `scp` and `rsync` carry in, out and away. */
export function remoteCopy(scene: Scene): void {
  const { operands, groups } = scene.args;
  const last = operands[operands.length - 1];
  if (last === undefined) return;
  if (operands.length === 1) {
    if (REMOTE.test(last.text))
      say(scene, { kind: 'connect', object: wordObject(scene, { object: 'host', labels: [] }, last) });
    return;
  }
  const sources = operands.slice(0, -1);
  const out = REMOTE.test(last.text);
  for (const source of sources) {
    const incoming = REMOTE.test(source.text);
    if (incoming)
      say(scene, {
        kind: 'download',
        object: wordObject(scene, { object: 'host', labels: [] }, source),
        tags: ['file-copy'],
      });
    else if (out)
      say(scene, {
        kind: 'upload',
        object: pathOf(scene, source, hostLabels(scene, last)),
        tags: ['file-out', 'file-copy'],
      });
    else say(scene, { kind: 'read', object: pathOf(scene, source) });
    if (groups.has('remove-source'))
      say(scene, {
        kind: 'delete',
        object: incoming ? remoteObject(source) : pathOf(scene, source),
        tags: ['mirror'],
        reversible: 'no',
      });
  }
  const target = out ? remoteObject(last) : pathOf(scene, last);
  if (out) say(scene, { kind: 'connect', object: wordObject(scene, { object: 'host', labels: [] }, last) });
  else
    say(scene, {
      kind: 'write',
      object: target,
      tags: sources.some((word) => REMOTE.test(word.text)) ? ['downloaded', 'file-copy'] : [],
    });
  if (groups.has('mirror'))
    say(scene, { kind: 'delete', object: target, tags: ['mirror'], recursive: true, reversible: 'no' });
}

function remoteObject(word: Word): EffectObject {
  return {
    kind: 'path',
    value: word.text,
    known: word.known,
    many: word.glob,
    labels: ['remote', 'outside'],
  };
}

function hostLabels(scene: Scene, word: Word): readonly string[] {
  const object = wordObject(scene, { object: 'host', labels: [] }, word);
  return object.labels.filter(
    (label) =>
      label === 'loopback' || label === 'internet' || label === 'private-network' || label === 'unknown',
  );
}

/** `sftp host <<< 'put file'`: what the transfer's own commands send out. */
export function batch(scene: Scene): void {
  for (const redirect of scene.command.redirects)
    for (const line of (redirect.body?.text ?? '').slice(0, 8192).split(/[\n;]/)) {
      const order = /^\s*(m?put|m?get)\s+(\S+)(?:\s+(\S+))?/.exec(line);
      if (order === null) continue;
      const out = order[1]?.endsWith('put') === true;
      const text = (out ? order[2] : (order[3] ?? '.')) ?? '.';
      const object = pathOf(scene, { text, raw: text, known: true, glob: false });
      if (out) say(scene, { kind: 'upload', object, tags: ['file-out', 'file-copy'] });
      else say(scene, { kind: 'write', object, tags: ['downloaded', 'file-copy'] });
    }
}

/** `docker run -v /:/host --privileged`: what of this machine the container may touch. */
export function volumes(scene: Scene): void {
  const { values, groups } = scene.args;
  for (const word of [...(values.get('volume') ?? []), ...(values.get('mount') ?? [])]) {
    const text = /(?:^|,)(?:source|src)=([^,]*)/.exec(word.text)?.[1] ?? word.text.split(':')[0] ?? '';
    if (!text.startsWith('/') && !text.startsWith('.') && !text.startsWith('~') && word.known) continue;
    const object = pathOf(scene, { ...word, text: text === '' ? word.text : text });
    const readOnly = /:(?:[^:]*,)?ro\b|readonly/.test(word.text);
    say(scene, { kind: readOnly ? 'read' : 'write', object, tags: ['host-mount'] });
  }
  if (groups.has('privileged'))
    say(scene, {
      kind: 'privilege',
      object: fixedObject('container', 'privileged', []),
      tags: ['container-privileged'],
    });
  for (const group of ['pid', 'network', 'ipc', 'userns', 'uts'])
    if (
      (values.get(group) ?? []).some((word) => word.text === 'host') &&
      (group === 'pid' || group === 'userns')
    )
      say(scene, {
        kind: 'privilege',
        object: fixedObject('container', `${group}=host`, []),
        tags: ['container-host-namespace'],
      });
  for (const word of values.get('capability') ?? [])
    if (
      /^(?:cap_)?(?:all|sys_admin|sys_ptrace|sys_module|dac_read_search|dac_override|sys_rawio|bpf)$/i.test(
        word.text,
      )
    )
      say(scene, {
        kind: 'privilege',
        object: fixedObject('container', word.text, []),
        tags: ['container-privileged'],
      });
}
