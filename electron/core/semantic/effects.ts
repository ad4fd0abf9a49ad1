import type { Command, Word } from '../command.ts';
import type { Effect, EffectObject } from '../effect.ts';
import { ANALYSES } from './analyses.ts';
import { readArguments } from './arguments.ts';
import { scanCode } from './code-scan.ts';
import { applyDeeds, pathOf, type Scene, say, wordObject } from './deeds.ts';
import { fedObjects } from './feeding.ts';
import { effectsTogether } from './flow.ts';
import { heldIn } from './held-commands.ts';
import { readInterception } from './interception-analysis.ts';
import { type Knowledge, labelsOfName, type Program } from './knowledge.ts';
import { fixedObject, NO_OBJECT, type Where } from './objects.ts';
import { looksLikePath, type Place } from './paths.ts';
import { readRedis, readSql } from './statements.ts';
import { applyVerbs } from './verbs.ts';

/** Turns a command line found inside a program text (`os.system("…")`) into its commands; given by wire. */
export type InnerReader = (commandLine: string) => readonly Command[];

/** What nobody described: its arguments are read as flags and operands, and paths among them count as read. */
const UNDESCRIBED: Program = {
  flags: new Map(),
  values: new Map(),
  does: [],
  dashWords: false,
  keyed: false,
  strictOrder: false,
  subcommands: new Map(),
  depth: 0,
  verbs: null,
  analyses: [],
};
const DEVICES_OF_NOTHING = /^\/dev\/(?:null|std(?:in|out|err)|fd\/\d+|tty|full|zero|u?random)$/;

/**
 * What the commands of one action do to the world (AARM R3.k), as far as words can tell; pure.
 * Costs a few microseconds a command. What cannot be known is an object with `known: false`, never left out.
 */
export function effectsOf(
  commands: readonly Command[],
  place: Place,
  knowledge: Knowledge,
  inner: InnerReader | null = null,
): readonly Effect[] {
  const alone = commands.map((command) => effectsInPlace(command, commands, place, knowledge, inner));
  const effects: Effect[] = [];
  for (const list of alone) for (const effect of list) effects.push(effect);
  if (commands.length > 0) for (const effect of effectsTogether(commands, alone)) effects.push(effect);
  return effects;
}

/**
 * A command whose directory is one of several (`cd build; rm -rf *` runs where it was if there is no `build`) may do
 * harm in any of them: what it deletes or opens is said for each.
 */
function effectsInPlace(
  command: Command,
  commands: readonly Command[],
  place: Place,
  knowledge: Knowledge,
  inner: InnerReader | null,
): Effect[] {
  const [first, ...others] = command.cwdCandidates ?? [];
  const effects = effectsAlone(
    command,
    commands,
    { ...place, cwd: command.cwd ?? first ?? null },
    knowledge,
    inner,
  );
  if (command.cwd !== null || !effects.some(isHarmfulToPaths)) return effects;
  const said = new Set(effects.map((effect) => `${effect.kind} ${effect.object.value}`));
  for (const cwd of others.slice(0, 4))
    for (const effect of effectsAlone(command, commands, { ...place, cwd }, knowledge, inner)) {
      const name = `${effect.kind} ${effect.object.value}`;
      if (!isHarmfulToPaths(effect) || said.has(name)) continue;
      said.add(name);
      effects.push(effect);
    }
  return effects;
}

function isHarmfulToPaths(effect: Effect): boolean {
  return (effect.kind === 'delete' || effect.kind === 'permission') && effect.object.kind === 'path';
}

function effectsAlone(
  command: Command,
  commands: readonly Command[],
  place: Place,
  knowledge: Knowledge,
  inner: InnerReader | null,
): Effect[] {
  const program = knowledge.programs.get(command.program);
  const args = readArguments(command.args, program ?? UNDESCRIBED);
  const scene: Scene = {
    command,
    commands,
    program: program ?? UNDESCRIBED,
    args,
    place,
    where: whereOf(command),
    knowledge,
    fed: command.via.length === 0 ? null : fedObjects(command, commands, place, knowledge),
    effects: [],
  };
  if (command.name.text.includes('/')) {
    const object = pathOf(scene, command.name);
    if (program === undefined || object.labels.includes('temp'))
      say(scene, { kind: 'execute', object, tags: ['script', 'direct'] });
    // `/bin/r?`: only the disk knows what that is.
    if (command.name.glob && !object.labels.includes('workspace'))
      say(scene, {
        kind: 'execute',
        object: { ...NO_OBJECT, kind: 'code', known: false, labels: ['unknown'] },
        tags: ['unknown-program'],
      });
  } else if (!command.name.known)
    say(scene, {
      kind: 'execute',
      object: { ...NO_OBJECT, kind: 'code', known: false, labels: ['unknown'] },
      tags: [command.args.length > 0 ? 'unknown-program' : 'computed-command'],
    });
  if (program === undefined) readUndescribed(scene);
  else if (!args.groups.has('help') || program.strictOrder) {
    applyDeeds(scene);
    for (const name of program.analyses) ANALYSES[name]?.(scene);
    if (program.verbs !== null && args.subcommand === '') applyVerbs(scene, program.verbs);
  }
  readRedirects(scene);
  readAssignments(scene);
  readPrivilege(scene);
  readInterception(scene);
  readHeld(scene, inner);
  if (command.code !== null)
    readCode(scene, command.code.language, command.code.text, command.code.known, inner);
  return scene.effects;
}

function whereOf(command: Command): Where {
  for (const wrapper of command.via) {
    if (wrapper.place === 'remote') return 'remote';
    if (wrapper.place === 'container') return 'container';
  }
  return 'here';
}

/** `--credentials-file x`, `--identity x`: the program is told which credential is its own. */
const OWN_CREDENTIAL =
  /^--?[\w-]*(?:key|cred|cert|identity|token|passw|secret|auth|keystore|keyring|kube-?config|env-?file)/i;

function readUndescribed(scene: Scene): void {
  const words: readonly Word[] = scene.args.operands;
  const all = scene.command.args;
  for (const word of words) {
    if (word.text === '/' || !looksLikePath(word.text)) continue;
    const object = pathOf(scene, word);
    const option = all[all.indexOf(word) - 1]?.text ?? '';
    if (object.known || object.labels.some((label) => label === 'secret' || label === 'self'))
      say(scene, {
        kind: 'read',
        object,
        tags: OWN_CREDENTIAL.test(option) ? ['assumed', 'own-use'] : ['assumed'],
      });
  }
  const line = `${scene.command.program} ${scene.command.args.map((word) => word.text).join(' ')}`;
  // A statement typed where a shell reads it was meant for a database prompt that the agent keeps open.
  if (!/^(?:drop|truncate|delete|alter|update|flushall|flushdb|shutdown)$/.test(scene.command.program))
    return;
  for (const statement of [...readSql(line), ...readRedis(line)])
    say(scene, {
      kind: statement.effect,
      object: fixedObject(statement.object, statement.value, ['database']),
      tags: statement.tags,
    });
}

function readRedirects(scene: Scene): void {
  for (const redirect of scene.command.redirects) {
    const target = redirect.target;
    if (target === null) continue;
    const text = target.text;
    const socket = /^\/dev\/(?:tcp|udp)\/([^/]+)/.exec(text);
    if (socket !== null) {
      const host = wordObject(scene, { object: 'host', labels: [] }, { ...target, text: socket[1] ?? '' });
      say(scene, { kind: 'connect', object: { ...host, known: target.known }, tags: ['shell-socket'] });
      continue;
    }
    if (/^\d+$|^-$/.test(text) && redirect.operator.includes('&')) continue;
    if (redirect.operator === '<') {
      const object = pathOf(scene, target);
      if (!DEVICES_OF_NOTHING.test(object.value))
        say(scene, { kind: 'read', object, tags: ['redirect'], recursive: false });
      continue;
    }
    if (!redirect.operator.includes('>')) continue;
    const object: EffectObject = pathOf(scene, target);
    if (DEVICES_OF_NOTHING.test(object.value)) continue;
    const append = redirect.operator.includes('>>');
    say(scene, {
      kind: 'write',
      object,
      tags: append ? ['redirect', 'append'] : ['redirect', 'truncate'],
      recursive: false,
    });
  }
}

const HIJACKING =
  /^(?:LD_PRELOAD|LD_AUDIT|LD_LIBRARY_PATH|DYLD_INSERT_LIBRARIES|DYLD_LIBRARY_PATH|BASH_ENV|ENV|PROMPT_COMMAND|PYTHONSTARTUP|PERL5OPT|RUBYOPT|GIT_SSH|GIT_SSH_COMMAND|GIT_EXTERNAL_DIFF|NODE_OPTIONS|GCONV_PATH)$/;
const HIDING = /^(?:HISTFILE|HISTSIZE|HISTFILESIZE|HISTCONTROL|HISTIGNORE)$/;

function readAssignments(scene: Scene): void {
  const { command } = scene;
  const given = [...command.assignments];
  if (
    command.program === 'export' ||
    command.program === 'declare' ||
    command.program === 'typeset' ||
    command.program === 'env' ||
    command.program === 'set'
  )
    for (const word of command.args) {
      const equals = word.text.indexOf('=');
      if (equals > 0)
        given.push({
          name: word.text.slice(0, equals),
          value: { ...word, text: word.text.slice(equals + 1) },
        });
    }
  for (const { name, value } of given) {
    if (
      name === 'LD_PRELOAD' ||
      name === 'LD_AUDIT' ||
      name === 'DYLD_INSERT_LIBRARIES' ||
      name === 'BASH_ENV'
    ) {
      if (value.text !== '')
        say(scene, {
          kind: 'configure',
          object: { ...fixedObject('system', name, ['environment-hijack']), known: value.known },
          tags: ['code-injection'],
        });
    } else if (
      HIDING.test(name) &&
      (name === 'HISTFILE' || name === 'HISTCONTROL' || name === 'HISTIGNORE' || value.text === '0')
    ) {
      if (
        name === 'HISTFILE'
          ? value.text === '/dev/null' || value.text === ''
          : name === 'HISTCONTROL'
            ? /ignoreboth|ignorespace/.test(value.text)
            : true
      )
        say(scene, {
          kind: 'history',
          object: fixedObject('system', name, []),
          tags: name === 'HISTCONTROL' ? ['history-setting'] : ['history-off'],
        });
    } else if (name === 'PROMPT_COMMAND' && /logger|curl|wget|\bnc\b|>>|tee|history/.test(value.text)) {
      say(scene, { kind: 'discover', object: fixedObject('system', name, ['capture']), tags: ['keylogger'] });
    } else if (
      (HIJACKING.test(name) &&
        value.text
          .split(/[\s=:]+/)
          .map((part) => part.replace(/^-[A-Za-z]/, ''))
          .some(
            (text) => looksLikePath(text) && pathOf(scene, { ...value, text }).labels.includes('temp'),
          )) ||
      (/^(?:NODE_OPTIONS|PERL5OPT|RUBYOPT|JAVA_TOOL_OPTIONS|_JAVA_OPTIONS)$/.test(name) &&
        /(?:--(?:require|import|loader)[= ]|-r ?|-M|-javaagent:|-agentpath:)\/(?:tmp|var\/tmp|dev\/shm)\//.test(
          value.text,
        ))
    )
      say(scene, {
        kind: 'configure',
        object: fixedObject('system', name, ['environment-hijack']),
        tags: ['code-injection'],
      });
  }
}

/** What a script of sed, awk, make or an editor, given in the words or on the input, hands to a shell or writes. */
function readHeld(scene: Scene, inner: InnerReader | null): void {
  const { command, commands } = scene;
  const from = command.pipedFrom === null ? undefined : commands[command.pipedFrom];
  const fed: string[] = [];
  for (const { body } of command.redirects) if (body !== null) fed.push(body.text);
  if (from !== undefined && (from.program === 'echo' || from.program === 'printf'))
    fed.push(from.args.map((word) => word.text.replaceAll('\\n', '\n').replaceAll('\\t', '\t')).join(' '));
  const held = heldIn(command, fed);
  for (const line of held.shell)
    for (const effect of innerEffects(scene, line, inner)) scene.effects.push(effect);
  for (const name of held.writes) {
    const object = pathOf(scene, { text: name, raw: name, known: true, glob: false });
    if (!DEVICES_OF_NOTHING.test(object.value)) say(scene, { kind: 'write', object, tags: ['from-code'] });
  }
}

function readPrivilege(scene: Scene): void {
  if (scene.command.via.some((wrapper) => wrapper.program === 'sshpass'))
    say(scene, { kind: 'connect', object: NO_OBJECT, tags: ['password-given'] });
  const root = scene.command.via.find((wrapper) => wrapper.place === 'root');
  if (root === undefined) return;
  say(scene, {
    kind: 'privilege',
    object: fixedObject('user', root.detail === '' ? 'root' : root.detail, []),
    tags: ['via-wrapper'],
    recursive: false,
    force: false,
  });
}

function readCode(
  scene: Scene,
  language: string,
  text: string,
  known: boolean,
  inner: InnerReader | null,
): void {
  if (language === 'sql') return;
  if (!known && text.replaceAll('\uFFFC', '').trim() === '') {
    const piped = scene.command.pipedFrom !== null;
    say(scene, {
      kind: 'execute',
      object: { kind: 'code', value: '', known: false, many: false, labels: ['unknown'] },
      tags: piped ? ['piped-code'] : ['unknown-code'],
    });
    return;
  }
  if (language === 'shell') return;
  // A call by a computed name: which one stays unknown, but a command line among its words is meant for a shell.
  if (COMPUTED_CALL.test(text.slice(0, 65536)))
    for (const match of [...text.slice(0, 65536).matchAll(COMMAND_LITERAL)].slice(0, 32))
      for (const effect of innerEffects(scene, match[2] ?? '', inner)) scene.effects.push(effect);
  const calls = scanCode(text, language, scene.knowledge);
  let connects = false;
  let downloads = false;
  let runsUnread = false;
  for (const { meaning, word } of calls) {
    if (meaning.shell) {
      if (!word.known && word.text.replaceAll('\uFFFC', '') === '') {
        runsUnread = true;
        continue;
      }
      // A bare shell out of a program that is none: what is typed there is nobody's command line.
      if (/^\s*(?:\/\S*\/)?(?:ba|da|z|k)?sh(?:\s+-i)?\s*&?\s*$/.test(word.text))
        say(scene, {
          kind: 'execute',
          object: { ...NO_OBJECT, kind: 'code' },
          tags: ['indirect', 'from-code'],
        });
      for (const effect of innerEffects(scene, word.text, inner)) scene.effects.push(effect);
      continue;
    }
    if (meaning.effect === null) continue;
    if (meaning.effect === 'connect') connects = true;
    if (meaning.effect === 'download') downloads = true;
    const object =
      meaning.object === 'none'
        ? { ...NO_OBJECT, labels: meaning.labels }
        : meaning.object === 'process' && !word.known
          ? processInCode(scene, text)
          : wordObject(scene, { object: meaning.object, labels: meaning.labels }, word);
    say(scene, {
      kind: meaning.effect,
      object,
      tags: [
        'from-code',
        ...(downloads && meaning.effect === 'write' ? ['downloaded'] : []),
        ...meaning.tags,
      ],
      recursive: meaning.recursive,
      reversible: meaning.effect === 'delete' ? 'no' : 'unknown',
    });
  }
  // What came out of a socket is run: `while (c = socket.gets) IO.popen(c)`; a shell on a socket's descriptor.
  if (
    (connects && (runsUnread || /dup2|pty\.spawn|\/bin\/(?:ba|z|da)?sh\b|cmd\.exe/.test(text))) ||
    /\b(?:ba|z|da)?sh\b[^"'\n]{0,12}<&\s?\d[^"'\n]{0,12}>&\s?\d/.test(text) ||
    (language === 'awk' && /\/inet[46]?\/(?:tcp|udp)\//.test(text) && /\|\s*getline|\bsystem\s*\(/.test(text))
  )
    say(scene, {
      kind: 'execute',
      object: { ...NO_OBJECT, kind: 'code' },
      tags: ['reverse-shell', 'from-code'],
    });
  if (
    /\b(?:exec|eval|Function|instance_eval|loadstring|assert)\s*\(?[^\n]{0,200}(?:b64decode|atob|base64_decode|unpack\(|fromhex|decode64|Buffer\.from\([^)]*base64|zlib|codecs\.decode|bytes\.fromhex)/.test(
      text,
    )
  )
    say(scene, { kind: 'execute', object: { ...NO_OBJECT, kind: 'code' }, tags: ['encoded', 'from-code'] });
  // What a program prints may be run by the next one in the pipe.
  if (DECODES.test(text) && scene.command.pipedTo !== null)
    say(scene, { kind: 'read', object: NO_OBJECT, tags: ['decodes', 'from-code'] });
  if (downloads && /\b(?:exec|eval|system)\s*\(/.test(text))
    say(scene, {
      kind: 'execute',
      object: { ...NO_OBJECT, kind: 'code' },
      tags: ['remote-code', 'from-code'],
    });
  if (
    /\b(?:exec|eval)\s*\(?[^\n]{0,120}(?:urlopen|requests\.get|http\.get|LWP::Simple|Net::HTTP|file_get_contents\(\s*["']http|fetch\()/.test(
      text,
    )
  )
    say(scene, {
      kind: 'execute',
      object: { ...NO_OBJECT, kind: 'code' },
      tags: ['remote-code', 'from-code'],
    });
}

const DECODES =
  /\b(?:b(?:16|32|64|85)decode|decode_base64|base64_decode|decode64|a2b_(?:base64|hex)|fromhex|atob|unpack\(["'](?:u|m|H))/;

/** `proc.kill()` in a loop over processes: the program's own literals say which are picked. */
function processInCode(scene: Scene, text: string): EffectObject {
  for (const match of text.matchAll(/["']([A-Za-z][\w.+-]{1,40})["']/g)) {
    const labels = labelsOfName(scene.knowledge.services, match[1] ?? '');
    if (labels.length > 0) return fixedObject('process', match[1] ?? '', [...labels, 'by-name']);
  }
  return { kind: 'process', value: '', known: false, many: false, labels: ['unknown'] };
}

/** `getattr(os, 'sys' + 'tem')(…)`, `globals()['…'](…)`, `Function(…)`, `obj['ex' + 'ec'](…)`, `Kernel.send(…)`. */
const COMPUTED_CALL =
  /\b(?:getattr|globals|locals|vars)\s*\(|__(?:import__|builtins__|getattribute__)|\b(?:eval|exec|Function|constantize|call_user_func|public_send|__send__)\s*\(|\.send\s*\(|\[[^\]\n]{0,80}["'`]\s*\+\s*["'`][^\]\n]{0,80}\]\s*\(/;
const COMMAND_LITERAL = /(["'`])([a-z][\w./-]{0,40}\s[^"'`\n]{1,500})\1/g;

const MAX_INNER = 4096;

function innerEffects(scene: Scene, line: string, inner: InnerReader | null): readonly Effect[] {
  if (inner === null || line.length > MAX_INNER) return [];
  // Code inside code is read once: what hides deeper is `execute` of unknown code.
  const effects = effectsOf(inner(line), scene.place, scene.knowledge, null);
  return effects.map((effect) => ({
    ...effect,
    command: scene.command.index,
    tags: [...effect.tags, 'from-code'],
  }));
}
