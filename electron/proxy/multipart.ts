import { Busboy, type BusboyInstance } from '@fastify/busboy';
import type { MultipartPart } from '../core/http.ts';

const MAX_PARTS = 256;

/** Lists the parts of a multipart body as far as it was held; null when the type says that it is none. What cannot be parsed gives what came before. */
export function multipartParts(
  body: Buffer,
  contentType: string | null,
): Promise<readonly MultipartPart[] | null> {
  if (contentType === null || !/^multipart\//i.test(contentType)) return Promise.resolve(null);
  return new Promise((settle) => {
    const parts: MultipartPart[] = [];
    const done = (): void => settle(parts);
    let busboy: BusboyInstance;
    try {
      busboy = new Busboy({
        headers: { 'content-type': contentType.replace(/^multipart\/[^;]+/i, 'multipart/form-data') },
        limits: { parts: MAX_PARTS, fieldSize: 1024 * 1024 },
      });
    } catch {
      return done();
    }
    busboy.on('field', (name, value, _nameCut, _valueCut, _encoding, type) => {
      parts.push({ name, filename: null, contentType: type, bytes: Buffer.byteLength(value) });
    });
    busboy.on('file', (name, stream, filename, _encoding, type) => {
      let bytes = 0;
      stream.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      stream.on('error', () => undefined);
      stream.on('close', () => undefined);
      stream.on('end', () => {
        parts.push({ name, filename: filename ?? null, contentType: type, bytes });
      });
    });
    busboy.on('finish', done);
    busboy.on('error', done);
    busboy.end(body, () => undefined);
    // A body that stops within a part never finishes: everything was parsed at once, so what is there is all.
    setImmediate(() => setImmediate(done));
  });
}
