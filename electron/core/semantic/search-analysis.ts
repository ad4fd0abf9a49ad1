import { pathOf, type Scene, say } from './deeds.ts';
import { readSearch, searchObjects } from './feeding.ts';
import { fixedObject } from './objects.ts';

/** What `find` deletes, writes and looks for. */
export function find(scene: Scene): void {
  const search = readSearch(scene.command.args);
  const objects = searchObjects(search, scene.place, scene.knowledge);
  if (search.deletes)
    for (const object of objects)
      say(scene, { kind: 'delete', object, recursive: !search.narrowed, reversible: 'no' });
  else for (const object of objects) say(scene, { kind: 'discover', object });
  for (const word of search.writes) say(scene, { kind: 'write', object: pathOf(scene, word) });
  const sweeping = objects.some((object) => object.labels.includes('sweeping'));
  const hidden = objects.some((object) => object.labels.includes('credential-folder'));
  scene.command.args.forEach((test, at) => {
    const word = scene.command.args[at + 1];
    if (word === undefined || !/^-i?(?:name|path|wholename|regex)$/.test(test.text)) return;
    const named = pathOf(scene, {
      ...word,
      glob: false,
      text: `./${word.text.replace(/^[*/.]*\/|\*+$/g, '')}`,
    });
    const folder = named.labels.includes('credential-folder');
    // Key rings have no place of their own, but nobody looks for all of them in a whole home or disk for work.
    const rings = sweeping && /\.(?:gpg|pgp|kbx)$/i.test(word.text);
    if (named.labels.includes('secret') || hidden || folder || rings)
      say(scene, { kind: 'discover', object: named, tags: ['secret-hunt'] });
  });
}

const CREDENTIAL_WORDS =
  /passw|passphrase|secret|api[_-]?key|private[ _-]key|BEGIN[\\ .]{1,3}(?:RSA|DSA|EC|OPENSSH|PGP|ENCRYPTED)|access[_-]?key|aws_|credential|BEGIN .*KEY|authorization:/i;

const MACHINE_WORDS = /vmware|virtualbox|vbox|qemu|parallels|hyper-?v|bochs|xen\b|bhyve/i;

/** A search through other people's files for the words that stand beside passwords, or for a hypervisor's name. */
export function grep(scene: Scene): void {
  const { operands, values, groups, command } = { ...scene.args, command: scene.command };
  const patterns = values.get('pattern') ?? operands.slice(0, 1);
  const places = values.has('pattern') ? operands : operands.slice(1);
  if (
    patterns.some((word) => CREDENTIAL_WORDS.test(word.text)) &&
    (groups.has('recursive') || command.program === 'rg')
  )
    for (const word of places) {
      const object = pathOf(scene, word);
      if (object.labels.includes('outside') && !object.labels.includes('temp'))
        say(scene, { kind: 'discover', object, tags: ['secret-hunt'] });
    }
  let source = command.pipedFrom === null ? undefined : scene.commands[command.pipedFrom];
  for (let hops = 0; hops < 4 && source?.pipedFrom != null && /^e?grep$/.test(source.program); hops += 1)
    source = scene.commands[source.pipedFrom];
  const from = source?.program ?? '';
  // "Is it no real machine?": the maker's own name is asked for, and the answer is turned around.
  const turned = groups.has('invert') && /^(?:ioreg|system_profiler|sysctl|csrutil)$/.test(from);
  if (
    (/^(?:dmidecode|lscpu|lspci|ioreg|system_profiler|sysctl|dmesg|lsmod|lshw|e?grep|cat)$/.test(from) &&
      patterns.some((word) => MACHINE_WORDS.test(word.text))) ||
    (turned && patterns.some((word) => /^(?:Mac|Apple|enabled)/i.test(word.text)))
  )
    say(scene, {
      kind: 'discover',
      object: fixedObject('system', 'virtual-machine', []),
      tags: ['sandbox-check'],
    });
}
