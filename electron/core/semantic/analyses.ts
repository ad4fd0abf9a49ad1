import type { Scene } from './deeds.ts';
import { chmod, dd, touch } from './file-analysis.ts';
import { git } from './git-analysis.ts';
import { kill } from './process-analysis.ts';
import { applescript, crontabFile, interpreter, script, statements } from './run-analysis.ts';
import { find, grep } from './search-analysis.ts';
import { readMongo, readRedis, readSql } from './statements.ts';
import { batch, http, remoteCopy, volumes } from './transfer-analysis.ts';

/** Analyses that a table of flags and operands cannot express, by the name knowledge files use. */
export const ANALYSES: Readonly<Record<string, (scene: Scene) => void>> = {
  find,
  sql: (scene) => statements(scene, readSql),
  mongo: (scene) => statements(scene, readMongo),
  redis: (scene) => statements(scene, readRedis),
  chmod,
  kill,
  http,
  'remote-copy': remoteCopy,
  volumes,
  interpreter,
  touch,
  dd,
  git,
  'crontab-file': crontabFile,
  batch,
  grep,
  applescript,
  script,
};
