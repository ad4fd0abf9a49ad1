declare const URLSearchParams: { new (text: string): Iterable<[string, string]> };

/** More fields than this are not kept: what is behind them is seen by the payload's detectors only. */
export const MAX_PAIRS = 1000;

/** Names and values of a query or form body, decoded by the WHATWG rules, in order; at most `MAX_PAIRS`. */
export function pairsOf(text: string): readonly (readonly [string, string])[] {
  if (text === '') return [];
  const pairs: (readonly [string, string])[] = [];
  for (const [name, value] of new URLSearchParams(text)) {
    if (pairs.length === MAX_PAIRS) break;
    pairs.push([name, value]);
  }
  return pairs;
}
