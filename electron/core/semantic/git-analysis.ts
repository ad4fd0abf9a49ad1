import type { Word } from '../command.ts';
import type { EffectObject } from '../effect.ts';
import { type Scene, say, wordObject } from './deeds.ts';
import { fixedObject } from './objects.ts';

/** What `git push` does to others, and which settings run code. */
export function git(scene: Scene): void {
  if (scene.args.subcommand === 'push') gitPush(scene);
  else if (scene.args.subcommand === 'config') gitConfig(scene);
}

function gitPush(scene: Scene): void {
  const { operands, groups } = scene.args;
  const refs = operands.slice(1);
  const force = groups.has('force');
  const tags = (more: readonly string[]): readonly string[] =>
    groups.has('no-verify') ? [...more, 'no-verify'] : more;
  const ref = (word: Word): EffectObject => wordObject(scene, { object: 'ref', labels: ['shared'] }, word);
  if (groups.has('mirror'))
    say(scene, {
      kind: 'delete',
      object: fixedObject('repository', operands[0]?.text ?? 'origin', ['shared']),
      tags: tags(['mirror', 'history-rewrite']),
    });
  let rewrites = 0;
  for (const word of refs) {
    if (groups.has('delete') || /^\+?:./.test(word.text))
      say(scene, { kind: 'delete', object: ref(word), tags: tags(['ref-delete']) });
    else if (word.text.startsWith('+') || force) {
      rewrites += 1;
      say(scene, {
        kind: 'publish',
        object: ref(word),
        tags: tags(['history-rewrite', ...(word.text.startsWith('+') ? ['plus-refspec'] : [])]),
        force: true,
      });
    } else
      say(scene, {
        kind: 'publish',
        object: ref(word),
        tags: tags(groups.has('force-with-lease') ? ['history-rewrite', 'with-lease'] : []),
      });
  }
  if (refs.length === 0)
    say(scene, {
      kind: 'publish',
      object: fixedObject('repository', operands[0]?.text ?? 'origin', ['shared']),
      tags: tags(
        force ? ['history-rewrite'] : groups.has('force-with-lease') ? ['history-rewrite', 'with-lease'] : [],
      ),
      force: force && rewrites === 0,
    });
  const url = operands[0];
  if (url !== undefined && /:\/\/|^[^/]+@[^/]+:/.test(url.text))
    say(scene, {
      kind: 'upload',
      object: wordObject(scene, { object: 'url', labels: [] }, url),
      tags: ['source-out'],
    });
}

const RISKY_SETTINGS =
  /^(?:core\.(?:hookspath|sshcommand|pager|editor|fsmonitor|askpass|gitproxy|attributesfile)|credential(?:\..*)?\.helper|credential\.helper|alias\..*|url\..*\.(?:push)?insteadof|http\..*proxy|http(?:\..*)?\.sslverify|filter\..*|diff\..*\.(?:command|textconv)|merge\..*\.driver|remote\..*\.(?:uploadpack|receivepack|vcs)|uploadpack\..*|protocol\..*\.allow|include(?:if)?\..*|gpg\..*program|sequence\.editor|init\.templatedir|safe\.directory)$/i;

function gitConfig(scene: Scene): void {
  const { operands, groups } = scene.args;
  const [name, value] =
    operands[0]?.text === 'set' || operands[0]?.text === 'unset' ? operands.slice(1) : operands;
  if (name === undefined || groups.has('get')) return;
  if (value === undefined && !groups.has('unset')) return;
  const key = name.text;
  const tags: string[] = [];
  if (RISKY_SETTINGS.test(key)) {
    const shell = /^alias\./i.test(key) ? (value?.text ?? '').trimStart().startsWith('!') : true;
    const off = !/sslverify$/i.test(key) || /^(?:false|0|no|off)$/i.test(value?.text ?? '');
    const plainEditor =
      /^(?:core\.(?:editor|pager)|sequence\.editor)$/i.test(key) &&
      /^[\w./-]+(?:\s+-[\w-]+)*$/.test(value?.text ?? '');
    const helper =
      /credential/i.test(key) &&
      /^(?:cache|store|osxkeychain|manager|manager-core|libsecret|wincred|)(?:\s|$)/.test(value?.text ?? '');
    if (shell && off && !plainEditor && !helper) tags.push('runs-code');
  }
  say(scene, {
    kind: 'configure',
    object: fixedObject('system', `git:${key}`, groups.has('global') ? ['home'] : ['workspace']),
    tags,
  });
}
