import { isHanded, pathOf, type Scene, say } from './deeds.ts';

const SYMBOLIC = /^[ugoa]*[-+=][rwxXstugo]*(?:,[ugoa]*[-+=][rwxXstugo]*)*$/;

/** Which permissions `chmod` gives, and to what. */
export function chmod(scene: Scene): void {
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
    if ((special & 4) !== 0) tags.push('setuid');
    if ((special & 2) !== 0) tags.push('setgid');
  }
  if (/(?:^|,)(?:g[+=][rwxXt]*s)/.test(mode)) tags.push('setgid');
  else if (/[+=][rwxXt]*s/.test(mode)) tags.push('setuid');
  if (/^0*[0-7]?[0-7][0-7][2367]$/.test(mode) || /(?:^|,)[ug]*[oa][ugoa]*[+=][rxXst]*w/.test(mode))
    tags.push('world-writable');
  if (/^0*[0-7]?[1357][0-7]{2}$/.test(mode) || /\+[rwXst]*x/.test(mode)) tags.push('executable');
  if (/^0+$/.test(mode)) tags.push('no-access');
  const files = dashed ? operands : reordered ? operands : operands.slice(1);
  for (const word of files)
    for (const object of scene.fed !== null && isHanded(word) ? scene.fed : [pathOf(scene, word)])
      say(scene, { kind: 'permission', object, tags });
}

/** Which files get other times, and from where. */
export function touch(scene: Scene): void {
  const { values, operands } = scene.args;
  const reference = values.get('reference')?.[0];
  const borrowed = reference !== undefined && pathOf(scene, reference).labels.includes('system');
  const set = values.has('reference') || values.has('date');
  for (const word of operands)
    say(scene, {
      kind: 'write',
      object: pathOf(scene, word),
      reversible: 'yes',
      tags: set ? (borrowed ? ['timestomp', 'times-set'] : ['times-set']) : ['times'],
    });
}

/** What `dd` reads and overwrites. */
export function dd(scene: Scene): void {
  const input = scene.args.values.get('if')?.[0];
  const output = scene.args.values.get('of')?.[0];
  if (input !== undefined) say(scene, { kind: 'read', object: pathOf(scene, input) });
  if (output !== undefined)
    say(scene, { kind: 'write', object: pathOf(scene, output), tags: ['truncate'], reversible: 'no' });
}
