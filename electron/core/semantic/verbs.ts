import { type Scene, say } from './deeds.ts';
import type { Knowledge, VerbMeaning, VerbStyle } from './knowledge.ts';

/**
 * The meaning of the verb in one word of a `noun verb` command line: `delete`, `delete-stack`, `apps:destroy`,
 * `delete_user`, `doDelete`. Null when the word holds no verb that does anything.
 */
export function verbOf(word: string, knowledge: Knowledge): VerbMeaning | null {
  const whole = knowledge.verbs.get(word);
  if (whole !== undefined) return whole;
  if (word.length > 60) return null;
  const colon = word.lastIndexOf(':');
  if (colon >= 0) return verbOf(word.slice(colon + 1), knowledge);
  if (/^do[A-Z]/.test(word)) return knowledge.verbs.get(word.slice(2).toLowerCase()) ?? null;
  const cut = word.search(/[-_]/);
  if (cut > 0) return knowledge.verbs.get(word.slice(0, cut)) ?? null;
  const camel = /^([a-z]+)[A-Z]/.exec(word)?.[1];
  return camel === undefined ? null : (knowledge.verbs.get(camel) ?? null);
}

/** Says what a `noun verb` program does, by its verb; the object is what the line names. */
export function applyVerbs(scene: Scene, style: VerbStyle): void {
  const { operands, groups, strange } = scene.args;
  if (groups.has('help')) return;
  const depth = Math.min(style.depth, operands.length);
  for (let at = 0; at < depth; at += 1) {
    const word = operands[at];
    if (word === undefined || !word.known) break;
    // Verbs are bare words; a name, a path, a URL or a key ends the reading.
    if (/[/=.@]/.test(word.text)) break;
    if (word.text === 'help') return;
    const meaning = verbOf(word.text, scene.knowledge);
    if (meaning === null) continue;
    const named = operands.slice(at + 1).find((other) => !other.text.startsWith('-'));
    const unknown = operands.slice(at + 1).some((other) => !other.known);
    say(scene, {
      kind: meaning.effect,
      object: {
        kind: style.object,
        value: operands
          .slice(0, at + 1)
          .map((other) => other.text)
          .concat(named?.text ?? [])
          .join(' '),
        known: !unknown,
        many: groups.has('all') || named?.glob === true,
        labels: style.labels,
      },
      tags: [...meaning.tags, 'by-verb'],
      reversible: meaning.effect === 'delete' ? 'no' : 'unknown',
    });
    return;
  }
  if (!style.flags) return;
  for (const flag of strange) {
    const meaning = /^--?[a-z]/.test(flag) ? verbOf(flag.replace(/^--?/, ''), scene.knowledge) : null;
    if (meaning === null || !meaning.tags.includes('destructive')) continue;
    say(scene, {
      kind: meaning.effect,
      object: {
        kind: style.object,
        value: operands.map((word) => word.text).join(' '),
        known: true,
        many: false,
        labels: style.labels,
      },
      tags: [...meaning.tags, 'by-verb'],
    });
    return;
  }
}
