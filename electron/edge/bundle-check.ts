import { createReadStream, existsSync, statSync } from 'node:fs';
import type { SealReport } from '../core/receipt/report.ts';
import { bundleVerifier, type Expectations } from '../core/receipt/verify.ts';
import { err, ok, type Result } from '../core/result.ts';
import { MAX_LINE_CHARACTERS, parseBundleLine } from '../wire/receipt-file.ts';
import { nodeHasher } from './hasher.ts';
import type { FileFault } from './ledger-file.ts';
import { signaturePool } from './signature-pool.ts';

/**
 * Reads lines of a file; a line that is too long, or not UTF-8, comes as a fault, and nothing is read after it: where
 * the next line would begin is then a guess.
 */
async function* linesOf(
  path: string,
  onBytes: (read: number) => void,
): AsyncGenerator<Result<string, string>> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let rest: Buffer[] = [];
  let held = 0;
  const text = (bytes: Buffer): Result<string, string> => {
    try {
      return ok(decoder.decode(bytes));
    } catch {
      return err('not UTF-8');
    }
  };
  for await (const chunk of createReadStream(path, { highWaterMark: 256 * 1024 })) {
    const bytes = chunk as Buffer;
    onBytes(bytes.length);
    let from = 0;
    for (let end = bytes.indexOf(10); end !== -1; end = bytes.indexOf(10, from)) {
      const piece = bytes.subarray(from, end);
      yield text(held === 0 ? piece : Buffer.concat([...rest, piece]));
      rest = [];
      held = 0;
      from = end + 1;
    }
    if (from < bytes.length) {
      rest.push(bytes.subarray(from));
      held += bytes.length - from;
    }
    if (held > MAX_LINE_CHARACTERS * 4) {
      yield err('the line is too long');
      return;
    }
  }
  if (held > 0) yield err('the line has no end: the bundle is cut short');
}

/** Verifies a bundle in a file, with a bounded memory and on all cores (AARM R5.h). */
export async function checkBundle(
  path: string,
  options: Expectations & { readonly threads?: number; readonly onProgress?: (done: number) => void } = {},
): Promise<Result<SealReport, FileFault>> {
  if (!existsSync(path)) return err({ code: 'missing', message: `there is no bundle at \`${path}\`` });
  const verifier = bundleVerifier(nodeHasher, options);
  const pool = signaturePool((claim) => verifier.falseClaim(claim), options.threads);
  try {
    const size = statSync(path).size;
    let number = 0;
    let read = 0;
    const lines = linesOf(path, (bytes) => {
      read += bytes;
      options.onProgress?.(Math.min(1, read / Math.max(1, size)));
    });
    for await (const text of lines) {
      number += 1;
      const line = text.ok ? parseBundleLine(text.value) : null;
      if (line?.ok === true) await pool.add(verifier.line(line.value, number));
      else if (!text.ok) verifier.unreadable(number, text.error);
      else if (line?.ok === false) {
        const { place, message } = line.error;
        verifier.unreadable(number, place === '' ? message : `\`${place}\`: ${message}`);
      }
    }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : null;
    if (code === null) throw error;
    return err({ code: 'io', message: `the bundle cannot be read (${code})` });
  } finally {
    await pool.end();
  }
  const end = verifier.end();
  const last = signaturePool((claim) => verifier.falseClaim(claim), options.threads);
  await last.add(end.claims);
  await last.end();
  return ok(end.report(pool.checked() + last.checked()));
}
