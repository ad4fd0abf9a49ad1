import type { EffectKind, ObjectKind } from '../effect.ts';

/** What one database statement does. */
export interface Statement {
  readonly effect: EffectKind;
  readonly object: ObjectKind;
  readonly value: string;
  readonly tags: readonly string[];
}

const MAX_TEXT = 65536;
const NAME = /^(?:if\s+(?:not\s+)?exists\s+)?(?:only\s+)?[`"[]?([\w.$\uFFFC-]+)/i;
const DATABASE = /^(?:database|schema|keyspace|tablespace)$/i;

/** Reads SQL by the heads of its statements; what it does not know it leaves out. Linear, at most 64 KiB. */
export function readSql(text: string): readonly Statement[] {
  const found: Statement[] = [];
  for (const statement of splitStatements(text.slice(0, MAX_TEXT))) {
    const seen = readStatement(statement);
    if (seen !== null) found.push(seen);
    if (
      /\b(?:to|from)\s+program\b|\bxp_cmdshell\b|\bsys_exec\b|\blo_export\b|^\s*(?:\\!|system\s|\.shell\s|\.system\s)/i.test(
        statement,
      )
    )
      found.push({ effect: 'execute', object: 'code', value: 'database shell', tags: ['from-database'] });
    else if (/\binto\s+(?:outfile|dumpfile)\b/i.test(statement))
      found.push({ effect: 'write', object: 'path', value: 'outfile', tags: ['from-database'] });
  }
  return found;
}

function readStatement(text: string): Statement | null {
  const match =
    /^\s*(?:explain\s+analyze\s+)?([a-z]+)\s+([\s\S]*)$/i.exec(text) ?? /^\s*([a-z]+)\s*$/i.exec(text);
  if (match === null) return null;
  const verb = (match[1] ?? '').toLowerCase();
  const rest = match[2] ?? '';
  switch (verb) {
    case 'drop': {
      const parts = /^((?:materialized\s+|foreign\s+|external\s+|temporary\s+)?\w+)\s+([\s\S]*)$/i.exec(rest);
      if (
        parts === null ||
        !/^(?:\w+\s+)?(?:table|database|schema|keyspace|tablespace|index|view|role|user|function|procedure|trigger|type|sequence|extension|policy|column|owned|collection|server|domain|publication|subscription|login|event)$/i.test(
          parts[1] ?? '',
        )
      )
        return null;
      const database = DATABASE.test(parts[1] ?? '');
      const temporary = /^temporary/i.test(parts[1] ?? '');
      return {
        effect: 'delete',
        object: database ? 'database' : 'table',
        value: nameIn(parts[2] ?? ''),
        tags: temporary ? ['statement'] : ['statement', 'destructive'],
      };
    }
    case 'truncate':
      return {
        effect: 'delete',
        object: 'table',
        value: nameIn(rest.replace(/^table\s+/i, '')),
        tags: ['statement', 'destructive'],
      };
    case 'delete': {
      if (!/^(?:from\s+)?[`"[\w]/i.test(rest)) return null;
      const bounded = /\b(?:where|using|limit)\b/i.test(rest) && !ALWAYS_TRUE.test(rest);
      return {
        effect: 'delete',
        object: 'table',
        value: nameIn(rest.replace(/^from\s+/i, '')),
        tags: bounded ? ['statement'] : ['statement', 'no-where'],
      };
    }
    case 'update': {
      if (!/\bset\b/i.test(rest)) return null;
      const bounded = /\bwhere\b/i.test(rest) && !ALWAYS_TRUE.test(rest);
      return {
        effect: 'write',
        object: 'table',
        value: nameIn(rest),
        tags: bounded ? ['statement'] : ['statement', 'no-where'],
      };
    }
    case 'alter': {
      const drops = /\bdrop\b/i.test(rest);
      const role = /^(?:role|user|login)\b/i.test(rest);
      if (role)
        return {
          effect: 'account',
          object: 'user',
          value: nameIn(rest.replace(/^\w+\s+/, '')),
          tags: ['statement', 'database-role'],
        };
      return {
        effect: drops ? 'delete' : 'configure',
        object: 'table',
        value: nameIn(rest.replace(/^\w+\s+/, '')),
        tags: drops ? ['statement', 'destructive'] : ['statement'],
      };
    }
    case 'grant':
    case 'revoke':
      return {
        effect: 'permission',
        object: 'database',
        value: rest.slice(0, 60),
        tags: /\ball\b|\bsuper/i.test(rest) ? ['statement', 'database-role'] : ['statement'],
      };
    case 'create':
      return /^(?:role|user|login)\b/i.test(rest)
        ? {
            effect: 'account',
            object: 'user',
            value: nameIn(rest.replace(/^\w+\s+/, '')),
            tags: ['statement', 'database-role'],
          }
        : null;
    case 'shutdown':
      return { effect: 'kill', object: 'service', value: 'database', tags: ['statement', 'destructive'] };
    default:
      return null;
  }
}

const ALWAYS_TRUE = /\bwhere\s+(?:1\s*=\s*1|true|'1'\s*=\s*'1'|1)\s*;?\s*$/i;

function nameIn(text: string): string {
  return NAME.exec(text.trim())?.[1] ?? '\uFFFC';
}

function splitStatements(text: string): readonly string[] {
  const out: string[] = [];
  let current = '';
  let quote = '';
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at] ?? '';
    if (quote !== '') {
      if (char === quote) quote = '';
      // Literals hold data, not statements: `INSERT … VALUES ('DROP TABLE x')` drops nothing.
      if (quote === '') current += char;
      else if (quote !== "'") current += char;
    } else if (char === "'" || char === '"' || char === '`') {
      quote = char;
      current += char;
    } else if (char === '-' && text[at + 1] === '-') {
      while (at < text.length && text[at] !== '\n') at += 1;
      current += ' ';
    } else if (char === '/' && text[at + 1] === '*') {
      const end = text.indexOf('*/', at + 2);
      at = end < 0 ? text.length : end + 1;
      current += ' ';
    } else if (char === ';') {
      out.push(current);
      current = '';
    } else current += char;
  }
  out.push(current);
  return out;
}

/** Reads a MongoDB shell script by its destructive calls. */
export function readMongo(text: string): readonly Statement[] {
  const found: Statement[] = [];
  const calls =
    /\.(dropDatabase|drop|dropIndexes|dropIndex|deleteMany|deleteOne|remove|shutdownServer|dropUser|dropAllUsers|dropAllRoles|dropRole|updateMany|renameCollection|createUser|grantRolesToUser)\s*\(\s*([^)]{0,200})/g;
  for (const match of text.slice(0, MAX_TEXT).matchAll(calls)) {
    const name = match[1] ?? '';
    const everything = /^(?:\{\s*\}|)\s*(?:,|$)/.test(match[2] ?? '');
    if (name === 'createUser' || name === 'grantRolesToUser')
      found.push({ effect: 'account', object: 'user', value: name, tags: ['statement', 'database-role'] });
    else if (name === 'updateMany' || name === 'renameCollection')
      found.push({
        effect: 'write',
        object: 'table',
        value: name,
        tags: everything ? ['statement', 'no-where'] : ['statement'],
      });
    else if (name === 'deleteMany' || name === 'deleteOne' || name === 'remove')
      found.push({
        effect: 'delete',
        object: 'table',
        value: name,
        tags: everything ? ['statement', 'no-where'] : ['statement'],
      });
    else
      found.push({
        effect: 'delete',
        object: name === 'dropDatabase' ? 'database' : 'table',
        value: name,
        tags: ['statement', 'destructive'],
      });
  }
  return found;
}

/** Reads Redis commands, one a line. */
export function readRedis(text: string): readonly Statement[] {
  const found: Statement[] = [];
  for (const line of text.slice(0, MAX_TEXT).split(/[\n;]/)) {
    const words = line.trim().split(/\s+/);
    const verb = (words[0] ?? '').toLowerCase();
    if (verb === 'flushall' || verb === 'flushdb')
      found.push({ effect: 'delete', object: 'database', value: verb, tags: ['statement', 'destructive'] });
    else if (verb === 'shutdown')
      found.push({ effect: 'kill', object: 'service', value: 'redis', tags: ['statement', 'destructive'] });
    else if (
      (verb === 'config' && /^(?:set|rewrite|resetstat)$/i.test(words[1] ?? '')) ||
      verb === 'slaveof' ||
      verb === 'replicaof' ||
      verb === 'debug' ||
      (verb === 'module' && /^load/i.test(words[1] ?? ''))
    )
      found.push({
        effect: 'configure',
        object: 'database',
        value: `${verb} ${words[2] ?? ''}`,
        tags: [
          'statement',
          /^(?:dir|dbfilename|slave|requirepass|masterauth|protected-mode)/i.test(words[2] ?? '') ||
          verb !== 'config'
            ? 'server-takeover'
            : 'setting',
        ],
      });
    else if (verb === 'del' || verb === 'unlink')
      found.push({ effect: 'delete', object: 'table', value: words[1] ?? '', tags: ['statement'] });
    else if (
      (verb === 'script' && /^flush/i.test(words[1] ?? '')) ||
      (verb === 'cluster' && /^(?:reset|forget|flushslots|failover)/i.test(words[1] ?? '')) ||
      (verb === 'xgroup' && /^destroy/i.test(words[1] ?? '')) ||
      (verb === 'acl' && /^deluser/i.test(words[1] ?? ''))
    )
      found.push({
        effect: 'delete',
        object: 'database',
        value: `${verb} ${words[1] ?? ''}`,
        tags: ['statement', 'destructive'],
      });
  }
  return found;
}
