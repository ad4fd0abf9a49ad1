/** Names of programs as policy knows them. */

const PYTHONIC = new Set(['python', 'pypy', 'pip', 'pydoc', 'idle', 'ipython', 'easy_install']);

/**
 * The program a command name stands for: lower-cased basename, `.exe` and a version suffix removed
 * (`/usr/bin/Python3.11` → `python3`, `gcc-12` → `gcc`); `md5sum`, `7z`, `python3` stay as they are.
 */
export function programOf(name: string): string {
  if (isPlain(name)) return name;
  const forward = name.includes('\\') ? name.replaceAll('\\', '/') : name;
  let base = forward;
  while (base.length > 1 && base.endsWith('/')) base = base.slice(0, -1);
  if (base !== '/') base = base.slice(base.lastIndexOf('/') + 1).toLowerCase();
  if (base.endsWith('.exe') && base.length > 4) base = base.slice(0, -4);
  return withoutVersion(base);
}

function isPlain(name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    const c = name.charCodeAt(i);
    if (c < 97 || c > 122) return false;
  }
  return name.length > 0;
}

/** `-12`, `-1.2.3` and `.11` at the end; a dotted suffix also takes a digit glued to the name (`perl5.34`), except in Python's family. */
function withoutVersion(base: string): string {
  let end = base.length;
  let dotted = false;
  for (;;) {
    let i = end;
    while (i > 0 && isDigit(base.charCodeAt(i - 1))) i--;
    if (i === end || i < 2) break;
    const mark = base[i - 1];
    if (mark === '.') dotted = true;
    if (mark !== '.' && mark !== '-') break;
    end = i - 1;
    if (mark === '-') break;
  }
  const cut = base.slice(0, end);
  if (!dotted || cut.length === 0) return cut === '' ? base : cut;
  let stem = cut.length;
  while (stem > 0 && isDigit(cut.charCodeAt(stem - 1))) stem--;
  const bare = cut.slice(0, stem);
  if (bare === '' || bare === cut) return cut;
  if (bare.endsWith('-')) return bare.slice(0, -1);
  return PYTHONIC.has(bare) ? cut : bare;
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}
