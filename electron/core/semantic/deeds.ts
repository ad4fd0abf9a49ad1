import { type Command, UNKNOWN_TEXT, type Word } from '../command.ts';
import type { Effect, EffectKind, EffectObject } from '../effect.ts';
import { unreachable } from '../result.ts';
import type { Arguments } from './arguments.ts';
import type { Deed, Knowledge, Program, WordTest } from './knowledge.ts';
import { fixedObject, NO_OBJECT, objectOf, type Where } from './objects.ts';
import type { Place } from './paths.ts';

/** Everything an analysis of one command may look at and add to. */
export interface Scene {
  readonly command: Command;
  readonly commands: readonly Command[];
  readonly program: Program;
  readonly args: Arguments;
  readonly place: Place;
  readonly where: Where;
  readonly knowledge: Knowledge;
  /** Objects that another command hands to this one (`find -exec`, `xargs`); null when none does. */
  readonly fed: readonly EffectObject[] | null;
  readonly effects: Effect[];
}

/** What a caller says about an effect; the rest has plain defaults. */
export interface Said {
  readonly kind: EffectKind;
  readonly object: EffectObject;
  readonly recursive?: boolean;
  readonly force?: boolean;
  readonly reversible?: 'yes' | 'no' | 'unknown';
  readonly tags?: readonly string[];
}

/** Adds an effect of the scene's command. What a dry run would change, it only looks at. */
export function say(scene: Scene, said: Said): void {
  const dry = scene.args.groups.has('dry-run');
  const { labels } = said.object;
  let tags: readonly string[] = dry ? ['dry-run'] : (said.tags ?? []);
  // What a name alone gives away is certain even where the path is not: `$dir/.ssh/id_rsa`, `$dir/countersign/x.sock`.
  for (const label of CERTAIN) if (labels.includes(label)) tags = [...tags, label];
  scene.effects.push({
    kind: dry && said.kind !== 'read' ? 'discover' : said.kind,
    object: said.object,
    command: scene.command.index,
    recursive: said.recursive ?? scene.args.groups.has('recursive'),
    force: said.force ?? scene.args.groups.has('force'),
    reversible: dry ? 'yes' : (said.reversible ?? 'unknown'),
    tags,
  });
}

const CERTAIN = ['secret', 'self'] as const;

/** Applies the table's lines for this program and subcommand. */
export function applyDeeds(scene: Scene): void {
  for (const deed of scene.program.does) applyDeed(scene, deed);
  if (scene.args.usage !== null) for (const deed of scene.args.usage.does) applyDeed(scene, deed);
}

function applyDeed(scene: Scene, deed: Deed): void {
  const { groups, operands } = scene.args;
  if (deed.with.length > 0 && !deed.with.some((group) => groups.has(group))) return;
  for (const group of deed.withAll) if (!groups.has(group)) return;
  for (const group of deed.without) if (groups.has(group)) return;
  if (operands.length < deed.operandsAtLeast || operands.length > deed.operandsAtMost) return;
  for (const test of deed.where) if (!holds(test, scene.args)) return;
  for (const test of deed.whereNot) if (holds(test, scene.args)) return;
  const objects = select(scene, deed);
  for (const object of objects)
    say(scene, {
      kind: deed.effect,
      object: deed.many && !object.many ? { ...object, many: true } : object,
      recursive: deed.recursive ?? groups.has('recursive'),
      force: deed.force ?? groups.has('force'),
      reversible: deed.reversible,
      tags: deed.tags,
    });
}

function holds(test: WordTest, args: Arguments): boolean {
  if (test.at === 'any') return args.operands.some((word) => test.pattern.test(word.text));
  if (typeof test.at === 'number') {
    const word = args.operands[test.at < 0 ? args.operands.length + test.at : test.at];
    return word !== undefined && test.pattern.test(word.text);
  }
  return (args.values.get(test.at.value) ?? []).some((word) => test.pattern.test(word.text));
}

function select(scene: Scene, deed: Deed): readonly EffectObject[] {
  const selector = deed.on;
  switch (selector.kind) {
    case 'none':
      return [
        deed.value === '' && deed.object === 'none'
          ? { ...NO_OBJECT, labels: deed.labels }
          : fixedObject(deed.object, deed.value, deed.labels),
      ];
    case 'cwd':
      return [
        wordObject(scene, deed, {
          text: scene.place.cwd ?? UNKNOWN_TEXT,
          raw: '.',
          known: scene.place.cwd !== null,
          glob: false,
        }),
      ];
    case 'value':
      return (scene.args.values.get(selector.group) ?? [])
        .filter((word) => deed.each === null || deed.each.test(word.text))
        .map((word) => wordObject(scene, deed, word));
    case 'operands':
      return operandObjects(scene, deed, selector.from, selector.to);
    default:
      return unreachable(selector);
  }
}

function operandObjects(scene: Scene, deed: Deed, from: number, to: number | null): readonly EffectObject[] {
  const all = scene.args.operands;
  const start = from < 0 ? Math.max(0, all.length + from) : from;
  const end = to === null ? all.length : to < 0 ? all.length + to : to;
  const objects: EffectObject[] = [];
  for (let at = start; at < end; at += 1) {
    const word = all[at];
    if (word === undefined || (deed.each !== null && !deed.each.test(word.text))) continue;
    if (deed.object === 'path' && word.text === '-') continue;
    // What `find -exec` and `xargs` hand over is known better from the search than from the word that stands for it.
    if (scene.fed !== null && isHanded(word)) {
      for (const object of scene.fed)
        objects.push(
          deed.labels.length > 0 ? { ...object, labels: [...object.labels, ...deed.labels] } : object,
        );
    } else objects.push(wordObject(scene, deed, word));
  }
  return objects;
}

/** True for the word that stands for what `find -exec` or `xargs` hands over. */
export function isHanded(word: Word): boolean {
  return !word.known && word.glob && word.text.endsWith(UNKNOWN_TEXT);
}

/** The object a word names, for this scene's command. */
export function wordObject(scene: Scene, deed: Pick<Deed, 'object' | 'labels'>, word: Word): EffectObject {
  return objectOf(word, deed.object, deed.labels, scene.where, scene.place, scene.knowledge);
}

/** The path a word names, for this scene's command. */
export function pathOf(scene: Scene, word: Word, labels: readonly string[] = []): EffectObject {
  return objectOf(word, 'path', labels, scene.where, scene.place, scene.knowledge);
}
