import { createHash } from 'node:crypto';
import type { Json, JsonObject } from '../../electron/core/brand.ts';
import { MAX_RETURNED_TEXT, type Returned } from '../../electron/wire/mcp/envelope.ts';

/** What of an answer the daemon is shown: the texts in it, of a long one the beginning and the end. Pictures and sounds are left out. */
export function returnedOf(source: string, line: Buffer, result: JsonObject): Returned {
  const parts: string[] = [];
  let size = 0;
  const half = MAX_RETURNED_TEXT / 2;
  const tail: string[] = [];
  let tailSize = 0;
  const take = (text: string) => {
    if (size < half) {
      parts.push(text.slice(0, half - size));
      size += text.length;
      if (size > half) keep(text.slice(Math.max(0, text.length - (size - half))));
      return;
    }
    keep(text);
  };
  const keep = (text: string) => {
    tail.push(text.slice(-half));
    tailSize += Math.min(text.length, half);
    while (tail.length > 1 && tailSize - (tail[0]?.length ?? 0) > half) tailSize -= tail.shift()?.length ?? 0;
  };
  const walk = (value: Json, key: string, within: JsonObject | null) => {
    if (typeof value === 'string') {
      if ((key === 'data' || key === 'blob') && within !== null && typeof within.mimeType === 'string')
        return;
      if (value !== '') take(value);
    } else if (Array.isArray(value)) for (const item of value as readonly Json[]) walk(item, key, within);
    else if (typeof value === 'object' && value !== null)
      for (const [name, member] of Object.entries(value as JsonObject))
        walk(member, name, value as JsonObject);
  };
  walk(result, '', null);
  const text = [...parts, ...(tail.length > 0 ? [tail.join('\n').slice(-half)] : [])].join('\n');
  return {
    source: source.slice(0, 400),
    text: text.slice(0, MAX_RETURNED_TEXT),
    bytes: line.length,
    digest: createHash('sha256').update(line).digest('hex'),
  };
}
