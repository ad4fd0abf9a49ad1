import type { Place } from './personal.ts';

/** `NAME=value` of a file of settings, where the name says that the value gives access. */
const SETTING =
  /^[ \t]{0,16}(?:export[ \t]{1,8})?[A-Za-z0-9_.]{0,64}(?:pass(?:word|wd|phrase)?|pwd|secret|token|api_?key|access_?key|private_?key|credential|auth|salt|dsn)[A-Za-z0-9_]{0,64}[ \t]{0,8}[=:][ \t]{0,8}(["']?)([^\s"'`$(){}<>#]{8,200})\1/gim;

/** What people put there when there is no secret yet. */
const NO_VALUE =
  /example|placeholder|change.?me|your[-_]?|redacted|dummy|sample|xxxx|\*\*\*|password|postgres|localhost|default|^(?:true|false|none|null|secret|admin|test)/i;

/**
 * Values of a file that is known to hold settings (`.env`, credentials): what stands behind a name that gives access counts as a secret
 * there, also when it is too short or too plain for the detectors. Linear in the text.
 */
export function settingValues(text: string): readonly Place[] {
  const places: Place[] = [];
  for (const match of text.matchAll(SETTING)) {
    const value = match[2] ?? '';
    if (NO_VALUE.test(value) || !/[a-z]/i.test(value) || !/[\d\W_]/.test(value)) continue;
    const end = match.index + match[0].length - (match[1] ?? '').length;
    places.push({ start: end - value.length, end });
    if (places.length >= 256) break;
  }
  return places;
}
