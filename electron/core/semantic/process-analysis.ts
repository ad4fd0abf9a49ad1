import type { Word } from '../command.ts';
import { type Scene, say, wordObject } from './deeds.ts';
import { labelsOfName } from './knowledge.ts';
import { fixedObject } from './objects.ts';

/** Whom `kill`, `pkill` and `killall` end. */
export function kill(scene: Scene): void {
  const { operands, groups, values } = scene.args;
  if (groups.has('list')) return;
  const words = scene.command.args.map((word) => word.text);
  const signal =
    words.find((text) => /^-(?:\d+|(?:SIG)?[A-Z]+\d?)$/.test(text))?.slice(1) ??
    values.get('signal')?.[0]?.text ??
    '';
  // Signals that ask a program to look again, or to go on, end nothing.
  if (/^(?:0|1|10|12|17|18|23|28|(?:SIG)?(?:HUP|USR1|USR2|CHLD|CONT|WINCH|URG|INFO))$/i.test(signal)) return;
  const hard = /^(?:9|(?:SIG)?KILL)$/i.test(signal);
  const tags = hard ? ['hard'] : [];
  const all = [...tags, 'every-process'];
  // `kill -9 -1` and `kill -- -1`: every process the user may signal.
  const everything = scene.command.program === 'kill' && words.lastIndexOf('-1') > 0;
  if (everything)
    say(scene, { kind: 'kill', object: { ...fixedObject('process', '-1', []), many: true }, tags: all });
  const named = scene.command.program !== 'kill';
  const targets = [...operands.filter((word) => word.text !== '-1'), ...(values.get('target') ?? [])];
  for (const word of targets) {
    if (word.text === '1' && !named)
      say(scene, { kind: 'kill', object: fixedObject('process', '1', ['init']), tags: all });
    else if (!word.known) killNamed(scene, word, tags);
    else
      say(scene, {
        kind: 'kill',
        object: wordObject(scene, { object: 'process', labels: named ? ['by-name'] : [] }, word),
        tags,
      });
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
  const here = scene.command.index;
  for (const other of scene.commands.slice(Math.max(0, here - 64), here + 64)) {
    if (
      other.program === 'ps' &&
      !other.args.some((word) => /^-?[a-z]*[pCGtuU]$|^--(?:pid|user|ppid)/.test(word.text))
    )
      lists = true;
    if (
      !/^(?:pgrep|pidof|grep|egrep|fgrep|rg|awk|gawk|mawk|sed|\[\[?|test|case|lsof|fuser)$/.test(
        other.program,
      )
    )
      continue;
    for (const arg of other.args)
      for (const name of arg.text.matchAll(/[A-Za-z][\w.+-]{1,40}/g)) {
        const labels = labelsOfName(scene.knowledge.services, name[0]);
        if (labels.length > 0) {
          say(scene, {
            kind: 'kill',
            object: { ...fixedObject('process', name[0], [...labels, 'by-name']), many: true },
            tags,
          });
          return;
        }
        if (name[0] !== 'print') names.push(name[0]);
      }
  }
  const all = lists && names.length === 0;
  say(scene, {
    kind: 'kill',
    object: {
      kind: 'process',
      value: word?.text ?? names[0] ?? '',
      known: false,
      many: all,
      labels: ['unknown'],
    },
    tags: all ? [...tags, 'every-process'] : tags,
  });
}
