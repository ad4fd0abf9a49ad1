import { instructionSigns, type Sign } from './untrusted-instructions.ts';
import { decodedTexts, hiddenSigns, plainText } from './untrusted-layers.ts';

/** A sign that content wants to steer whoever reads it, or hides something (T1, T11). */
export interface UntrustedSignal {
  readonly kind: 'instruction' | 'hidden-text' | 'impersonation' | 'exfiltration-lure' | 'encoded';
  /** Which of our detectors, and never the text itself. */
  readonly detector: string;
  readonly count: number;
}

/** How much of a text is looked at; of a longer one the beginning and the end, half of this each. */
export const UNTRUSTED_WINDOW = 64 * 1024;

/**
 * Signs in content from elsewhere that it wants to steer a model or hides something (T1, T11); no text of it is returned. Linear in the
 * text; `contentType` as a response names it, null when unknown. Plain content gives an empty list.
 */
export function untrustedSignals(text: string, contentType: string | null): readonly UntrustedSignal[] {
  if (contentType !== null && /^(?:image|audio|video|font)\/(?!svg)/i.test(contentType)) return [];
  const half = UNTRUSTED_WINDOW / 2;
  const seen =
    text.length > UNTRUSTED_WINDOW ? `${text.slice(0, half)}\n${text.slice(text.length - half)}` : text;
  const { plain, hidden } = plainText(seen);
  const signs: Sign[] = [...hiddenSigns(seen), ...instructionSigns(plain)];
  // What cannot be seen and gives orders is told as both.
  if (hidden !== '') signs.push(...layered(hidden, 'hidden-text', 'invisible-instruction'));
  for (const { layer, text: inner } of decodedTexts(seen))
    signs.push(
      ...layered(
        inner,
        layer === 'comment' || layer === 'style' ? 'hidden-text' : 'encoded',
        `${layer}-instruction`,
      ),
    );
  return counted(signs);
}

function layered(text: string, kind: UntrustedSignal['kind'], detector: string): readonly Sign[] {
  const inner = instructionSigns(text);
  return inner.length === 0 ? [] : [{ kind, detector }];
}

function counted(signs: readonly Sign[]): readonly UntrustedSignal[] {
  const found = new Map<string, UntrustedSignal>();
  for (const { kind, detector } of signs) {
    const key = `${kind} ${detector}`;
    found.set(key, { kind, detector, count: (found.get(key)?.count ?? 0) + 1 });
  }
  return [...found.values()];
}
