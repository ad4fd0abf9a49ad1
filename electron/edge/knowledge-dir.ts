import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { err, ok, type Result } from '../core/result.ts';
import { indexKnowledge, type Knowledge, type KnowledgeParts } from '../core/semantic/knowledge.ts';
import { joinKnowledge, type KnowledgeFault, parseKnowledgeFile } from '../wire/knowledge-file.ts';

/** Tables of the same folder that have readers of their own. */
const OTHERS: ReadonlySet<string> = new Set(['credentials.yaml']);

/** Reads and indexes every knowledge file of a directory and its folders `programs` and `http`; any fault refuses all of it. */
export function loadKnowledge(directory: string): Result<Knowledge, KnowledgeFault> {
  const parts: KnowledgeParts[] = [];
  for (const folder of ['', 'programs', 'http']) {
    const names = readdirSync(join(directory, folder)).filter(
      (name) => name.endsWith('.yaml') && !OTHERS.has(name),
    );
    for (const name of names.sort()) {
      const parsed = parseKnowledgeFile(
        readFileSync(join(directory, folder, name), 'utf8'),
        join(folder, name),
      );
      if (!parsed.ok) return err(parsed.error);
      parts.push(parsed.value);
    }
  }
  const joined = joinKnowledge(parts);
  return joined.ok ? ok(indexKnowledge(joined.value)) : joined;
}
