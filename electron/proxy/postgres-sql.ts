import { loadModule, parseSync } from 'libpg-query';
import type { Json } from '../core/brand.ts';
import { err, type Result } from '../core/result.ts';
import { readStatements, type StatementReading } from '../wire/sql/statement-view.ts';

/** Longest text of a statement that is parsed; a longer one is refused. */
const MAX_SQL = 4 * 1024 * 1024;

export type ReadSql = (text: string) => Result<readonly StatementReading[], { readonly message: string }>;

/** Loads the parser (PostgreSQL's own, as WebAssembly); once, before the first statement. */
export async function loadSqlReader(): Promise<ReadSql> {
  await loadModule();
  return (text) => {
    if (text.length > MAX_SQL) return err({ message: 'the statement is too long to be looked at' });
    // The server ends a text at the first zero byte; nothing may stand behind it.
    if (text.includes('\0')) return err({ message: 'the statement holds a zero byte' });
    if (/^[\s;]*$/.test(text)) return readStatements({ stmts: [] });
    let tree: Json;
    try {
      tree = parseSync(text) as unknown as Json;
    } catch (error) {
      const message = error instanceof Error ? error.message : 'it cannot be parsed';
      // Nothing but comments is nothing at all.
      return message === 'Query cannot be empty' ? readStatements({ stmts: [] }) : err({ message });
    }
    return readStatements(tree);
  };
}
