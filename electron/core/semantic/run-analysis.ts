import { pathOf, type Scene, say, wordObject } from './deeds.ts';
import { labelsOfName } from './knowledge.ts';
import { fixedObject, NO_OBJECT } from './objects.ts';
import { readRedis, readSql, type Statement } from './statements.ts';

/** What database statements on the command line, in a here-document or in a pipe do. */
export function statements(scene: Scene, read: (text: string) => readonly Statement[]): void {
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

/** A program that runs what it is given: a script file, text on its input, a module. */
export function interpreter(scene: Scene): void {
  const { command, args } = scene;
  if (
    args.groups.has('code') ||
    (command.code !== null && (command.code.known || command.pipedFrom !== null))
  )
    return;
  if (args.groups.has('version')) return;
  const script = args.operands[0];
  if (
    script !== undefined &&
    script.text !== '-' &&
    !args.groups.has('stdin') &&
    !args.groups.has('module')
  ) {
    const url = /^https?:\/\//.test(script.text);
    if (url)
      say(scene, {
        kind: 'execute',
        object: wordObject(scene, { object: 'url', labels: [] }, script),
        tags: ['remote-code'],
      });
    else say(scene, { kind: 'execute', object: pathOf(scene, script), tags: ['script'] });
    return;
  }
  if (command.pipedFrom !== null && !args.groups.has('module'))
    say(scene, { kind: 'execute', object: { ...NO_OBJECT, kind: 'code' }, tags: ['piped-code'] });
  for (const redirect of command.redirects)
    if (redirect.operator === '<' && redirect.target !== null)
      say(scene, { kind: 'execute', object: pathOf(scene, redirect.target), tags: ['script'] });
}

/** A script's name may say that it is a known tool. */
export function script(scene: Scene): void {
  const word = scene.args.operands[0];
  if (word === undefined || scene.args.groups.has('code')) return;
  const name = word.text.slice(word.text.lastIndexOf('/') + 1).replace(/\.[a-z\d]{1,5}$/, '');
  if (labelsOfName(scene.knowledge.packages, name).includes('offensive-tool'))
    say(scene, { kind: 'discover', object: fixedObject('system', name, []), tags: ['attack-tool'] });
}

/** `osascript -e 'tell application "Finder" to delete POSIX file "/…"'`. */
export function applescript(scene: Scene): void {
  for (const word of scene.args.values.get('code') ?? []) {
    const file = /\bdelete\b[^\n]{0,80}POSIX file "([^"\n]{1,1000})"/.exec(word.text);
    if (file === null) continue;
    const text = file[1] ?? '';
    say(scene, {
      kind: 'delete',
      object: pathOf(scene, { text, raw: text, known: true, glob: false }),
      tags: ['from-code'],
    });
  }
}

/** What `crontab` does to the user's schedule. */
export function crontabFile(scene: Scene): void {
  const { operands, groups } = scene.args;
  if (groups.has('list')) return;
  const table = fixedObject('service', 'crontab', ['startup']);
  if (groups.has('remove'))
    say(scene, { kind: 'delete', object: table, tags: ['destructive'], reversible: 'no' });
  else if (operands.length > 0 || scene.command.pipedFrom !== null || scene.command.redirects.length > 0)
    say(scene, { kind: 'persist', object: table });
}
