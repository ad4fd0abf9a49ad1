/*
 * The file shim for Node: loaded before everything else (`--require`, by NODE_OPTIONS) into each Node process and thread of a
 * cooperative session. Asks the session's host before a program changes a file, reads a secret, starts another program by its path, or
 * connects; what is not answered ALLOW fails with EACCES and does not happen (AARM R1).
 *
 * It runs inside the program that it watches: a program that means to can go round it (docs/known-issues.md). It must not change what an
 * ordinary program sees, and must run on every Node from 18 on, so: no dependency, no syntax that an old Node cannot read.
 *
 * Asynchronous calls ask over the surface socket (frames: shims/shell/frame.ts). Synchronous ones start `countersign-ask`, 2 ms each: a thread
 * with a socket answers in 0.1 ms, but costs 25-45 ms and a heap to start, and most programs ask less than ten questions.
 */
'use strict';

const fs = require('fs');
const path = require('path');
const Module = require('module');
const { fileURLToPath } = require('url');

const SESSION = path.dirname(__dirname);
const SURFACE = path.join(SESSION, 'surface.sock');
const SHIMS = path.join(SESSION, 'shims');
const ASK = path.join(SHIMS, 'countersign-ask');
const EXEC = path.join(SHIMS, 'countersign-exec');
const OWN_OPTION = '--require "' + __filename.replace(/["\\]/g, '\\$&') + '"';
const EACCES = 13;
const PARENTS_MS = 50;
const ALLOWED_MS = 10000;
const MAX_CACHED = 5000;

// A program may replace any of these later; our own ground is what they were when we came.
const { readFileSync, lstatSync, readlinkSync, statSync, accessSync, writeSync } = fs;
const realpathSync = fs.realpathSync.native;
const { apply } = Reflect;
const { resolve, dirname, basename, join } = path;
const startPath = (process.env.PATH || '/usr/local/bin:/usr/bin:/bin').split(':');

// ---- what needs no question -------------------------------------------------------------------------------------------

function readSession() {
  try {
    return JSON.parse(readFileSync(join(__dirname, 'session.json'), 'utf8'));
  } catch (_) {
    // Nobody says what is calm: everything is asked about.
    const all = { names: ['*'], folders: [], paths: [], exact: [], odd: [] };
    return { own: [], calm: { write: [], delete: [], move: [], change: all, read: all } };
  }
}

function compile(table) {
  const names = new Set();
  const starts = [];
  const ends = [];
  const parts = [];
  for (const name of table.names) {
    if (name.startsWith('*') && name.endsWith('*')) parts.push(name.slice(1, -1));
    else if (name.startsWith('*')) ends.push(name.slice(1));
    else if (name.endsWith('*')) starts.push(name.slice(0, -1));
    else names.add(name);
  }
  const paths = new Set(table.paths.filter((p) => !p.includes('*')));
  const odd = table.odd.map((source) => new RegExp(source));
  for (const p of table.paths)
    if (p.includes('*')) odd.push(new RegExp('^' + p.replace(/[^\w/*]/g, '\\$&').replace(/\*/g, '[^/]+') + '(?:/|$)'));
  const exact = new Set(table.exact);
  return { names, starts, ends, parts, paths, exact, odd, folders: new Set(table.folders), seen: new Map() };
}

const session = readSession();
const change = compile(session.calm.change);
const reading = compile(session.calm.read);
const roots = {};
for (const kind of ['write', 'delete', 'move']) roots[kind] = session.calm[kind].map((root) => real(root) + '/');

/** True when some folder on the way, or the folder as a whole, is of a kind that is asked about. */
function folderIsNamed(table, folder) {
  const known = table.seen.get(folder);
  if (known !== undefined) return known;
  let named = table.paths.has('/');
  let at = 0;
  while (!named && at >= 0 && folder !== '/') {
    const end = folder.indexOf('/', at + 1);
    const upTo = end < 0 ? folder : folder.slice(0, end);
    named = table.paths.has(upTo) || table.folders.has(upTo.slice(at + 1));
    at = end;
  }
  if (table.seen.size > MAX_CACHED) table.seen.clear();
  table.seen.set(folder, named);
  return named;
}

function isNamed(table, file) {
  const cut = file.lastIndexOf('/');
  const own = file.slice(cut + 1);
  const name = own.toLowerCase();
  if (table.names.has(name) || table.paths.has(file) || table.exact.has(file) || table.folders.has(own)) return true;
  for (const text of table.ends) if (name.endsWith(text)) return true;
  for (const text of table.starts) if (name.startsWith(text)) return true;
  for (const text of table.parts) if (name.includes(text)) return true;
  if (folderIsNamed(table, cut <= 0 ? '/' : file.slice(0, cut))) return true;
  for (const pattern of table.odd) if (pattern.test(file)) return true;
  return false;
}

function isCalm(kind, file) {
  for (const root of roots[kind]) if (file.startsWith(root)) return !isNamed(change, file);
  return false;
}

// ---- which object is meant --------------------------------------------------------------------------------------------

function real(file) {
  try {
    return realpathSync(file);
  } catch (_) {
    return file;
  }
}

let parents = new Map();
let parentsSince = 0;

/** The folder as the kernel will find it; what does not exist yet keeps its name below what does. */
function realFolder(folder) {
  const now = Date.now();
  if (now - parentsSince > PARENTS_MS || now < parentsSince || parents.size > MAX_CACHED) {
    parents = new Map();
    parentsSince = now;
  }
  const known = parents.get(folder);
  if (known !== undefined) return known;
  let found;
  try {
    found = realpathSync(folder);
  } catch (_) {
    found = folder === '/' ? '/' : join(realFolder(dirname(folder)), basename(folder));
  }
  parents.set(folder, found);
  return found;
}

/** Absolute text of what a caller gave as a path; null for what the call itself will refuse (or for a descriptor). */
function textOf(given) {
  try {
    if (typeof given === 'string') return given === '' ? null : resolve(given);
    if (given instanceof Uint8Array) return resolve(Buffer.from(given).toString('utf8'));
    if (given !== null && typeof given === 'object' && typeof given.href === 'string') return fileURLToPath(given);
  } catch (_) {
    return null;
  }
  return null;
}

/** The name itself, its folder resolved. */
function nameOf(file) {
  const folder = dirname(file);
  return folder === file ? file : join(realFolder(folder), basename(file));
}

/** What opening that name leads to. */
function targetOf(file) {
  let at = nameOf(file);
  for (let hops = 0; hops < 40; hops += 1) {
    let facts;
    try {
      facts = lstatSync(at, { throwIfNoEntry: false });
    } catch (_) {
      return at;
    }
    if (facts === undefined || !facts.isSymbolicLink()) return at;
    try {
      return realpathSync(at);
    } catch (_) {
      // It leads to nothing yet: opening it for writing would make what it names.
    }
    try {
      at = nameOf(resolve(dirname(at), readlinkSync(at)));
    } catch (_) {
      return at;
    }
  }
  return at;
}

// ---- asking -----------------------------------------------------------------------------------------------------------

function quietly(action) {
  try {
    action();
  } catch (_) {
    // Nothing that we say may break the program.
  }
}

function reasonOf(text) {
  const reason = text.trim().replace(/^countersign: (?:denied: )?/, '').replace(/\ncountersign: /g, '; ');
  return reason === '' ? "the session's host gave no answer" : reason;
}

function wordsOf(question) {
  const words = [];
  for (const tag of Object.keys(question)) if (tag !== 'k' && question[tag] !== null) words.push(tag + question[tag]);
  return words;
}

function cwd() {
  try {
    return process.cwd();
  } catch (_) {
    return null;
  }
}

/** Asks and waits; null when it is allowed, else why not. */
function askSync(question) {
  const cp = builtin('child_process');
  const asked = apply(kept.spawnSync || cp.spawnSync, cp, [
    ASK,
    [question.k, String(process.pid)].concat(wordsOf(question)),
    { stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8', cwd: '/' },
  ]);
  if (asked.status === 0) return null;
  return reasonOf(asked.error ? 'the question could not be asked: ' + asked.error.message : asked.stdout || '');
}

function frame(question) {
  const parts = [];
  const add = (tag, text) => {
    const value = Buffer.from(String(text), 'utf8');
    const head = Buffer.alloc(5);
    head.write(tag, 0, 1, 'latin1');
    head.writeUInt32LE(value.length, 1);
    parts.push(head, value);
  };
  for (const tag of Object.keys(question)) if (question[tag] !== null) add(tag, question[tag]);
  add('q', process.pid);
  const payload = Buffer.concat(parts);
  const head = Buffer.alloc(8);
  head.write('CSN1', 0, 4, 'latin1');
  head.writeUInt32LE(payload.length, 4);
  return Buffer.concat([head, payload]);
}

/** Fields of the first whole frame in `bytes`, how much it took, or null while it is not whole; throws on what is none. */
function unframe(bytes) {
  if (bytes.length < 8) return null;
  const size = bytes.readUInt32LE(4);
  if (bytes.toString('latin1', 0, 4) !== 'CSN1' || size > 1 << 20) throw new Error('unreadable');
  if (bytes.length < 8 + size) return null;
  const fields = {};
  let at = 8;
  while (at < 8 + size) {
    const length = bytes.readUInt32LE(at + 1);
    if (at + 5 + length > 8 + size) throw new Error('unreadable');
    fields[bytes.toString('latin1', at, at + 1)] = bytes.toString('utf8', at + 5, at + 5 + length);
    at += 5 + length;
  }
  return { fields, taken: 8 + size };
}

/** Asks without standing still; resolves to null when it is allowed, else to why not. */
function askAsync(question) {
  return new Promise((settle) => {
    const net = builtin('net');
    const socket = new net.Socket();
    let held = Buffer.alloc(0);
    let timer;
    const end = (why) => {
      clearTimeout(timer);
      socket.destroy();
      settle(why);
    };
    const wait = (ms) => {
      clearTimeout(timer);
      timer = setTimeout(() => end('no decision came in time; see `countersign status`'), ms);
    };
    const gone = () => end("the session's host does not answer; start again with `countersign run`");
    const patience = Number(process.env.COUNTERSIGN_DEADLINE_MS);
    wait(patience > 0 && patience < 600000 ? patience : 20000);
    socket.on('error', gone);
    socket.on('close', gone);
    socket.on('data', (chunk) => {
      held = Buffer.concat([held, chunk]);
      try {
        for (let read = unframe(held); read !== null; read = unframe(held)) {
          held = held.subarray(read.taken);
          const { fields } = read;
          if (fields.w !== undefined) {
            quietly(() => writeSync(2, fields.w));
            if (Number(fields.d) > 0) wait(Number(fields.d) + 2000);
          } else if (fields.D === 'ALLOW') return end(null);
          else return end(reasonOf(fields.m || ''));
        }
      } catch (_) {
        end("the session's host answered something unreadable; start again with `countersign run`");
      }
    });
    apply(kept.connect || net.Socket.prototype.connect, socket, [{ path: SURFACE }]);
    socket.write(frame(question));
  });
}

function refusal(syscall, why, more, above) {
  const about = more.path === undefined ? '' : " '" + more.path + "'" + (more.dest === undefined ? '' : " -> '" + more.dest + "'");
  const limit = Error.stackTraceLimit;
  const error = new Error('EACCES: permission denied, ' + syscall + about + ' (countersign: ' + why + ')');
  Object.assign(error, { errno: -EACCES, code: 'EACCES', syscall }, more);
  if (limit > 0) Error.captureStackTrace(error, above);
  return error;
}

// ---- questions about files --------------------------------------------------------------------------------------------

/** One question, or nothing when no rule could mind. */
function about(operation, file, more) {
  const script = process.argv[1];
  const known = { k: 'file', O: operation, p: file, c: cwd(), e: typeof script === 'string' && script.startsWith('/') ? real(script) : null };
  return Object.assign(known, more);
}

const trusted = targetOf(join(dirname(__dirname), 'trust')) + '/';

function changing(list, operation, kind, file, more) {
  if (file === null || isCalm(kind, file)) return;
  list.push(about(operation, file, more));
}

function looking(list, file, more) {
  // What a session trusts lies below our own folders, and is for everybody in it.
  if (file !== null && file.startsWith(trusted)) return;
  // What is not there gives nothing away: half of all programs look for settings that nobody made.
  if (file !== null && isNamed(reading, file) && exists(file)) list.push(about('read', file, more));
}

function target(given) {
  const file = textOf(given);
  return file === null ? null : targetOf(file);
}

function name(given) {
  const file = textOf(given);
  return file === null ? null : nameOf(file);
}

function flagsWrite(flags) {
  if (typeof flags === 'number') {
    const { O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_APPEND } = fs.constants;
    return (flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND)) !== 0;
  }
  return typeof flags === 'string' && /[wa+]/.test(flags);
}

function opening(given, flags) {
  const list = [];
  if (typeof given === 'number' || (given !== null && typeof given === 'object' && given.fd !== undefined)) return list;
  const file = target(given);
  if (flagsWrite(flags)) {
    changing(list, 'write', 'write', file);
    if ((typeof flags === 'number' ? (flags & 3) === 2 : /\+/.test(flags)) && list.length === 0) looking(list, file);
  } else looking(list, file);
  return list;
}

const flagOf = (options, plain) => (options !== null && typeof options === 'object' && options.flag) || plain;
const wantsTree = (options) => options !== null && typeof options === 'object' && options.recursive === true;
const tree = (options) => (wantsTree(options) ? { R: '1' } : undefined);

function permission(list, operation, file, mode) {
  if (file === null) return;
  const bits = typeof mode === 'string' ? parseInt(mode, 8) : mode;
  const plain = operation !== 'mode' || (bits & 0o6002) === 0 && (bits & 0o700) !== 0;
  if (operation !== 'owner' && plain && isCalm('write', file)) return;
  list.push(about(operation, file, operation === 'mode' && bits >= 0 ? { M: (bits & 0o7777).toString(8) } : undefined));
}

function ofDescriptor(fd) {
  try {
    return readlinkSync('/proc/self/fd/' + fd);
  } catch (_) {
    // Not Linux, or no such descriptor: the call itself will say.
    return null;
  }
}

/** For each function of `fs`: the system call that its error names, and what to ask before it. */
const FILE_CALLS = {
  open: ['open', (a) => opening(a[0], a[1] === undefined || typeof a[1] === 'function' ? 'r' : a[1])],
  openAsBlob: ['open', (a) => opening(a[0], 'r')],
  readFile: ['open', (a) => opening(a[0], flagOf(a[1], 'r'))],
  writeFile: ['open', (a) => opening(a[0], flagOf(a[2], 'w'))],
  appendFile: ['open', (a) => opening(a[0], flagOf(a[2], 'a'))],
  truncate: [
    'open',
    (a) => {
      const list = [];
      changing(list, 'truncate', 'write', target(a[0]));
      return list;
    },
  ],
  unlink: [
    'unlink',
    (a) => {
      const list = [];
      changing(list, 'delete', 'delete', name(a[0]));
      return list;
    },
  ],
  rmdir: [
    'rmdir',
    (a) => {
      const list = [];
      changing(list, 'rmdir', 'delete', name(a[0]), tree(a[1]));
      return list;
    },
  ],
  rm: [
    'rm',
    (a) => {
      const list = [];
      changing(list, 'delete', 'delete', name(a[0]), tree(a[1]));
      return list;
    },
  ],
  rename: [
    'rename',
    (a) => {
      const list = [];
      const from = name(a[0]);
      const to = name(a[1]);
      if (from !== null && to !== null && !(isCalm('move', from) && isCalm('write', to) && !isNamed(reading, from)))
        list.push(about('rename', from, { t: to }));
      return list;
    },
  ],
  mkdir: [
    'mkdir',
    (a) => {
      const list = [];
      const folder = name(a[0]);
      // `mkdir -p` of what is there does nothing, and half of all programs begin with it.
      if (folder === null || isCalm('write', folder) || (wantsTree(a[1]) && exists(folder))) return list;
      changing(list, 'mkdir', 'write', folder);
      return list;
    },
  ],
  mkdtemp: ['mkdtemp', (a) => temporary(a[0])],
  mkdtempDisposable: ['mkdtemp', (a) => temporary(a[0])],
  link: [
    'link',
    (a) => {
      const list = [];
      const from = name(a[0]);
      const to = name(a[1]);
      if (from !== null && to !== null && !(isCalm('write', from) && isCalm('write', to) && !isNamed(reading, from)))
        list.push(about('link', from, { t: to }));
      return list;
    },
  ],
  symlink: [
    'symlink',
    (a) => {
      const list = [];
      parents = new Map();
      changing(list, 'symlink', 'write', name(a[1]), { t: typeof a[0] === 'string' ? a[0] : null });
      return list;
    },
  ],
  chmod: ['chmod', (a) => one((list) => permission(list, 'mode', target(a[0]), a[1]))],
  lchmod: ['lchmod', (a) => one((list) => permission(list, 'mode', name(a[0]), a[1]))],
  fchmod: ['fchmod', (a) => one((list) => permission(list, 'mode', ofDescriptor(a[0]), a[1]))],
  chown: ['chown', (a) => one((list) => permission(list, 'owner', target(a[0])))],
  lchown: ['lchown', (a) => one((list) => permission(list, 'owner', name(a[0])))],
  fchown: ['fchown', (a) => one((list) => permission(list, 'owner', ofDescriptor(a[0])))],
  utimes: ['utime', (a) => one((list) => permission(list, 'times', target(a[0])))],
  lutimes: ['lutime', (a) => one((list) => permission(list, 'times', name(a[0])))],
  copyFile: ['copyfile', (a) => copying(a[0], a[1])],
  cp: ['cp', (a) => copying(a[0], a[1], tree(a[2]))],
};

function one(fill) {
  const list = [];
  fill(list);
  return list;
}

function exists(file) {
  try {
    return lstatSync(file, { throwIfNoEntry: false }) !== undefined;
  } catch (_) {
    return false;
  }
}

function temporary(prefix) {
  const file = textOf(prefix);
  if (file === null) return [];
  // A prefix may end with a slash, which `resolve` takes away.
  const start = typeof prefix === 'string' && prefix.endsWith('/') ? file + '/' : file;
  return one((list) => changing(list, 'mkdir', 'write', nameOf(start + 'XXXXXX')));
}

function copying(from, to, more) {
  return one((list) => {
    const source = target(from);
    looking(list, source, more);
    let into = target(to);
    if (into === null || source === null) return;
    if (more === undefined && into !== null && isFolder(into)) into = join(into, basename(source));
    changing(list, 'write', 'write', into, more);
  });
}

function isFolder(file) {
  try {
    return statSync(file).isDirectory();
  } catch (_) {
    return false;
  }
}

let depth = 0;

/** Runs a call of which everything was asked: what it calls of ours in the same breath is part of it. */
function inside(original, self, args) {
  depth += 1;
  try {
    return apply(original, self, args);
  } finally {
    depth -= 1;
  }
}

function namesOf(question) {
  const dest = question.t;
  return dest === undefined || dest === null ? { path: question.p } : { path: question.p, dest };
}

async function refusalOf(questions, syscall, above) {
  for (const question of questions) {
    const why = await askAsync(question);
    if (why !== null) return refusal(syscall, why, namesOf(question), above);
  }
  return null;
}

function like(original, wrapper) {
  Object.defineProperties(wrapper, Object.getOwnPropertyDescriptors(original));
  return wrapper;
}

function syncWrapper(original, syscall, questionsOf) {
  return like(original, function wrapper() {
    if (depth === 0)
      for (const question of questionsOf(arguments)) {
        const why = askSync(question);
        if (why !== null) throw refusal(syscall, why, namesOf(question), wrapper);
      }
    return inside(original, this, arguments);
  });
}

function callbackWrapper(original, syscall, questionsOf) {
  return like(original, function wrapper() {
    const done = arguments[arguments.length - 1];
    const questions = depth === 0 && typeof done === 'function' ? questionsOf(arguments) : [];
    if (questions.length === 0) return inside(original, this, arguments);
    refusalOf(questions, syscall, wrapper).then((error) => {
      // Out of the promise: what the callback throws is the program's, not a rejection.
      process.nextTick(() => {
        if (error !== null) done(error);
        else inside(original, this, arguments);
      });
    });
    return undefined;
  });
}

function promiseWrapper(original, syscall, questionsOf, then) {
  return like(original, function wrapper() {
    const questions = depth === 0 ? questionsOf(arguments) : [];
    if (questions.length === 0) {
      const result = inside(original, this, arguments);
      return then === undefined ? result : result.then(then);
    }
    return refusalOf(questions, syscall, wrapper).then((error) => {
      if (error !== null) throw error;
      const result = inside(original, this, arguments);
      return then === undefined ? result : result.then(then);
    });
  });
}

let handlesAreWrapped = false;

/** A handle opened for reading is enough to change permissions: its class is not exported, so the first one shows it. */
function wrapHandle(handle) {
  if (handlesAreWrapped) return handle;
  handlesAreWrapped = true;
  const prototype = Object.getPrototypeOf(handle);
  for (const [method, operation] of [
    ['chmod', 'mode'],
    ['chown', 'owner'],
  ]) {
    const original = prototype[method];
    if (typeof original !== 'function') continue;
    put(
      prototype,
      method,
      like(original, function wrapper() {
        const questions = one((list) => permission(list, operation, ofDescriptor(this.fd), arguments[0]));
        return refusalOf(questions, 'f' + method, wrapper).then((error) => {
          if (error !== null) throw error;
          return apply(original, this, arguments);
        });
      }),
    );
  }
  return handle;
}

function put(object, key, value) {
  const was = Object.getOwnPropertyDescriptor(object, key);
  Object.defineProperty(object, key, { value, writable: true, configurable: true, enumerable: was === undefined || was.enumerable });
}

function wrapFiles() {
  for (const key of Object.keys(FILE_CALLS)) {
    const [syscall, questionsOf] = FILE_CALLS[key];
    if (typeof fs[key] === 'function' && key !== 'openAsBlob')
      put(fs, key, callbackWrapper(fs[key], syscall, questionsOf));
    if (typeof fs[key + 'Sync'] === 'function') put(fs, key + 'Sync', syncWrapper(fs[key + 'Sync'], syscall, questionsOf));
    if (typeof fs.promises[key] === 'function')
      put(fs.promises, key, promiseWrapper(fs.promises[key], syscall, questionsOf, key === 'open' ? wrapHandle : undefined));
  }
  if (typeof fs.openAsBlob === 'function')
    put(fs, 'openAsBlob', promiseWrapper(fs.openAsBlob, 'open', FILE_CALLS.openAsBlob[1]));
}

// ---- other programs ---------------------------------------------------------------------------------------------------

const isProgram = (file) => {
  try {
    accessSync(file, fs.constants.X_OK);
    return statSync(file).isFile();
  } catch (_) {
    return false;
  }
};

function lookUp(program, directories) {
  for (const directory of directories) {
    const file = join(directory || '.', program);
    if (isProgram(file)) return file;
  }
  return null;
}

/**
 * What to start so that the question is asked by a shim, without this program standing still: the shim of that name when it would
 * find the same file, `countersign-exec` for any other file; what is on PATH and has no shim needs no question.
 */
function redirect(program, from, environment) {
  if (typeof program !== 'string' || program === '' || program.includes('\0')) return null;
  const directories = (environment.PATH || '/usr/local/bin:/usr/bin:/bin').split(':');
  const file = program.includes('/') ? resolve(from || cwd() || '/', program) : lookUp(program, directories);
  if (file === null || !isProgram(file) || realFolder(dirname(file)) === real(SHIMS)) return null;
  const own = basename(file);
  const elsewhere = directories.filter((directory) => real(directory) !== real(SHIMS));
  if (exists(join(SHIMS, own))) {
    const found = lookUp(own, elsewhere);
    if (found !== null && real(found) === real(file)) return { file: join(SHIMS, own), before: [] };
  } else if (startPath.some((directory) => directory !== '' && real(directory) === realFolder(dirname(file)))) return null;
  return { file: EXEC, before: ['countersign-exec', file] };
}

const KEPT_VARIABLES = ['COUNTERSIGN_SESSION', 'COUNTERSIGN_SESSION_DIR', 'COUNTERSIGN_SURFACE', 'COUNTERSIGN_SHIM_DIR', 'COUNTERSIGN_DEADLINE_MS'];
const keptValues = {};
for (const key of KEPT_VARIABLES) if (process.env[key] !== undefined) keptValues[key] = process.env[key];

function withOption(options) {
  if (options === undefined || options === '') return OWN_OPTION;
  return options.includes(__filename) ? options : OWN_OPTION + ' ' + options;
}

/** The environment of a child, with what makes it ask put back. */
function withShim(environment) {
  return Object.assign({}, environment, keptValues, { NODE_OPTIONS: withOption(environment.NODE_OPTIONS) });
}

function pairsToObject(pairs) {
  const environment = {};
  for (const pair of pairs) {
    const cut = pair.indexOf('=');
    if (cut > 0) environment[pair.slice(0, cut)] = pair.slice(cut + 1);
  }
  return environment;
}

const kept = {};
const builtin = (id) => require(id);

function wrapPrograms() {
  const cp = builtin('child_process');
  kept.spawnSync = cp.spawnSync;
  const spawn = cp.ChildProcess.prototype.spawn;
  put(
    cp.ChildProcess.prototype,
    'spawn',
    like(spawn, function (options) {
      if (options === null || typeof options !== 'object') return apply(spawn, this, arguments);
      const given = Array.isArray(options.envPairs) ? pairsToObject(options.envPairs) : Object.assign({}, process.env);
      const environment = withShim(given);
      const changed = Object.assign({}, options);
      changed.envPairs = Object.keys(environment).map((key) => key + '=' + environment[key]);
      const instead = redirect(options.file, options.cwd, environment);
      if (instead !== null) {
        changed.file = instead.file;
        const words = Array.isArray(options.args) && options.args.length > 0 ? options.args : [options.file];
        changed.args = instead.before.concat(words);
      }
      const result = apply(spawn, this, [changed]);
      // What the program asked for is what it sees; its errors name it too.
      if (instead !== null) {
        this.spawnfile = options.file;
        if (Array.isArray(options.args)) this.spawnargs = options.args;
      }
      return result;
    }),
  );

  /** Program, words and options of a synchronous call, redirected. `argv0` is what `options.argv0` cannot say through a shim. */
  const fileCall = (original) =>
    like(original, function (file, args, options) {
      const words = Array.isArray(args) ? args.slice() : [];
      const given = Array.isArray(args) || args === undefined || args === null ? options : args;
      const settings = Object.assign({}, given);
      const environment = withShim(settings.env || process.env);
      settings.env = environment;
      if (settings.shell) return byShell(original, this, [file].concat(words).join(' '), settings, [file, words, settings]);
      const instead = redirect(file, settings.cwd, environment);
      if (instead === null) return apply(original, this, [file, words, settings]);
      const own = settings.argv0 || file;
      settings.argv0 = instead.before.length > 0 ? instead.before[0] : own;
      const more = instead.before.length > 0 ? [instead.before[1], own] : [];
      return apply(original, this, [instead.file, more.concat(words), settings]);
    });
  const { spawnSync, execFileSync, execSync } = cp;
  /** A shell with a shim of its name is stood in for; any other is started by its path, with what Node would have given it. */
  const byShell = (original, self, command, settings, args) => {
    const shell = typeof settings.shell === 'string' ? settings.shell : '/bin/sh';
    const instead = redirect(shell, settings.cwd, settings.env);
    if (instead !== null && instead.before.length > 0) {
      delete settings.shell;
      settings.argv0 = instead.before[0];
      return apply(original === execSync ? execFileSync : original, self, [EXEC, [instead.before[1], shell, '-c', command], settings]);
    }
    if (instead !== null) settings.shell = instead.file;
    return apply(original, self, args);
  };
  put(cp, 'spawnSync', fileCall(spawnSync));
  put(cp, 'execFileSync', fileCall(execFileSync));
  put(
    cp,
    'execSync',
    like(execSync, function (command, options) {
      const settings = Object.assign({}, options);
      settings.env = withShim(settings.env || process.env);
      return byShell(execSync, this, command, settings, [command, settings]);
    }),
  );
  if (typeof process.execve === 'function') {
    const { execve } = process;
    put(
      process,
      'execve',
      like(execve, function (file, args, environment) {
        const next = withShim(environment || process.env);
        const words = Array.isArray(args) ? args : [file];
        const instead = redirect(file, null, next);
        if (instead === null) return apply(execve, this, [file, words, next]);
        return apply(execve, this, [instead.file, instead.before.concat(words), next]);
      }),
    );
  }
}

/** Threads have modules of their own, and a thread with an environment of its own would come without us. */
function wrapThreads() {
  const threads = builtin('worker_threads');
  const { Worker } = threads;
  put(
    threads,
    'Worker',
    new Proxy(Worker, {
      construct(original, args, target) {
        const options = Object.assign({}, args[1]);
        if (options.env !== threads.SHARE_ENV)
          options.env = Object.assign({}, options.env || process.env, {
            NODE_OPTIONS: withOption((options.env || process.env).NODE_OPTIONS),
          });
        return Reflect.construct(original, [args[0], options].concat(args.slice(2)), target);
      },
    }),
  );
}

// ---- connections ------------------------------------------------------------------------------------------------------

const allowed = new Map();

function connectQuestion(host, port) {
  // Our own proxy asks about each thing that it would send on.
  if (host === '127.0.0.1' && port === session.proxy) return null;
  const key = host + ' ' + port;
  const since = allowed.get(key);
  if (since !== undefined && Date.now() - since < ALLOWED_MS) return null;
  return { k: 'connect', h: host, j: String(port), c: cwd() };
}

function remember(question) {
  if (question.k !== 'connect') return;
  if (allowed.size > MAX_CACHED) allowed.clear();
  allowed.set(question.h + ' ' + question.j, Date.now());
}

/** What to ask before a stream socket connects; null when nothing, or when the call will fail by itself. */
function streamQuestion(args) {
  let first = args[0];
  if (Array.isArray(first)) first = first[0];
  if (first === null || first === undefined) return null;
  const named = typeof first === 'object' ? first : null;
  const socketPath = named !== null ? named.path : typeof first === 'string' && !/^\d+$/.test(first) ? first : undefined;
  if (socketPath) {
    // An abstract name has no file: it is asked about by its name.
    if (typeof socketPath === 'string' && socketPath.startsWith('\0')) return null;
    const file = target(socketPath);
    if (file === null || file === targetOf(SURFACE) || isCalm('write', file)) return null;
    return about('write', file);
  }
  const port = Number(named !== null ? named.port : first);
  if (!(port >= 0 && port <= 65535)) return null;
  const host = named !== null ? named.host : typeof args[1] === 'string' ? args[1] : undefined;
  return connectQuestion(String(host || 'localhost'), port);
}

function wrapConnections() {
  const net = builtin('net');
  const { connect } = net.Socket.prototype;
  kept.connect = connect;
  put(
    net.Socket.prototype,
    'connect',
    like(connect, function wrapper() {
      const question = streamQuestion(arguments);
      if (question === null) return apply(connect, this, arguments);
      // Until the answer is here it is a socket that connects: what is written is held, what is set is set later.
      this.connecting = true;
      askAsync(question).then((why) => {
        process.nextTick(() => {
          if (this.destroyed) return;
          this.connecting = false;
          if (why === null) {
            remember(question);
            apply(connect, this, arguments);
            return;
          }
          const where = question.k === 'connect' ? { address: question.h, port: Number(question.j) } : { address: question.p };
          const error = refusal('connect', why, where, wrapper);
          error.message = error.message.replace('connect (', 'connect ' + where.address + (where.port === undefined ? '' : ':' + where.port) + ' (');
          this.destroy(error);
        });
      });
      return this;
    }),
  );

  const dgram = builtin('dgram');
  const { send, connect: bind } = dgram.Socket.prototype;
  const pending = new WeakMap();
  const held = (socket, question, go, done) => {
    const before = pending.get(socket);
    if (question === null && before === undefined) return go();
    const next = (before || Promise.resolve())
      .then(() => (question === null ? null : askAsync(question)))
      .then((why) => {
        if (pending.get(socket) === next) pending.delete(socket);
        process.nextTick(() => {
          if (why === null) {
            if (question !== null) remember(question);
            // Closed meanwhile: there is nobody to tell.
            quietly(go);
            return;
          }
          const error = refusal('send', why, { address: question.h, port: Number(question.j) }, held);
          if (typeof done === 'function') done(error);
          else socket.emit('error', error);
        });
      });
    pending.set(socket, next);
    return undefined;
  };
  put(
    dgram.Socket.prototype,
    'send',
    like(send, function () {
      const args = arguments;
      const long = typeof args[2] === 'number';
      const port = Number(long ? args[3] : args[1]);
      const host = long ? args[4] : args[2];
      const done = args[args.length - 1];
      const plain = !(port > 0 && port <= 65535) || typeof (long ? args[3] : args[1]) === 'function';
      const question = plain ? null : connectQuestion(typeof host === 'string' && host !== '' ? host : 'localhost', port);
      return held(this, question, () => apply(send, this, args), done);
    }),
  );
  put(
    dgram.Socket.prototype,
    'connect',
    like(bind, function (port, host) {
      const question = connectQuestion(typeof host === 'string' && host !== '' ? host : 'localhost', Number(port) || 0);
      const done = arguments[arguments.length - 1];
      return held(this, question, () => apply(bind, this, arguments), done);
    }),
  );
}

// The shim's own program, where no C compiler made a smaller one, asks by itself.
if (!session.own.includes(process.argv[1])) {
  wrapFiles();
  wrapPrograms();
  wrapThreads();
  wrapConnections();
  Module.syncBuiltinESMExports();
}
