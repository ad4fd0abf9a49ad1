/** Which action put something into the trash; other desktops ignore it. */
export interface TrashNote {
  readonly action: string;
  readonly digest: string;
}

/**
 * The text of a `.trashinfo` file (freedesktop.org trash specification): where something was, and since when it is not. `at` is local
 * time without a zone, as the specification wants it.
 */
export function writeTrashInfo(original: string, at: string, note: TrashNote | null): string {
  const lines = ['[Trash Info]', `Path=${original.split('/').map(escaped).join('/')}`, `DeletionDate=${at}`];
  if (note !== null) lines.push(`X-Countersign-Action=${note.action}`, `X-Countersign-Digest=${note.digest}`);
  return `${lines.join('\n')}\n`;
}

/** Where something in a trash was, as its `.trashinfo` file says; null when that says nothing that can be read. */
export function trashedFrom(text: string): string | null {
  const path = /^Path=(.+)$/m.exec(text)?.[1];
  if (path === undefined) return null;
  try {
    return decodeURIComponent(path);
  } catch {
    return null;
  }
}

/** Half a character has no bytes: it becomes what every reader of ours makes of it. */
function escaped(name: string): string {
  return encodeURIComponent(name.toWellFormed());
}

const MAX_NAME_BYTES = 255;
/** Room for `.trashinfo` and for what tells two of one name apart. */
const TAKEN_BYTES = 10 + 14;

/** The beginning of a name that still fits a directory entry when the trash has added to it. */
export function trashName(name: string): string {
  let left = MAX_NAME_BYTES - TAKEN_BYTES;
  let out = '';
  for (const character of name) {
    const code = character.codePointAt(0) ?? 0;
    left -= code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    if (left < 0) break;
    out += character;
  }
  return out;
}
