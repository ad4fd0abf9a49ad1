// What a session's processes do to files is done as the kernel would do it, refused where the rules say so, and no race changes that.
import { strict as assert } from 'node:assert';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { folder, program, run, scratch, users } from './scripted-session.ts';

for (const user of users())
  for (const mode of ['full', 'landlock'] as const)
    it(`answers every operation as ${user.name} would have it without the guard, in mode ${mode}`, () => {
      const world = scratch();
      const guarded = folder(world, 'guarded', user.uid);
      const plain = folder(world, 'plain', user.uid);
      const differ = program('differ');
      const [first = '', ...rest] = [...user.prefix, differ, user.uid === 0 ? 'plain' : 'as it is'];
      const expected = spawnSync(first, rest, { cwd: plain, encoding: 'latin1', maxBuffer: 1 << 26 });
      assert.equal(expected.status, 0, expected.stderr);
      const { prefix, uid } = user;
      const got = run({ workspace: guarded, script: [`row wdcm allow ${guarded}`], prefix, uid, mode }, [
        differ,
        'guarded',
      ]);
      assert.equal(got.status, 0, got.stderr);
      const lines = got.stdout.split('\n');
      assert.ok(lines.length > 300, `${lines.length} rows`);
      assert.deepEqual(lines, expected.stdout.split('\n'));
    });

/** A workspace with a part that may not be changed. */
function guardedWorld(uid?: number) {
  const world = scratch();
  const workspace = folder(world, 'work');
  for (const name of ['no/e', 'ok']) mkdirSync(join(workspace, name), { recursive: true });
  writeFileSync(join(workspace, 'no/x'), 'SECRET\n', { mode: 0o644 });
  writeFileSync(join(workspace, 'ok/x'), 'fine\n', { mode: 0o644 });
  spawnSync('setfattr', ['-n', 'user.kept', '-v', '1', join(workspace, 'no/x')]);
  spawnSync('mkfifo', [join(workspace, 'fifo')]);
  if (uid !== undefined) spawnSync('chown', ['-R', `${uid}:${uid}`, workspace]);
  const script = [`row wdcm deny ${workspace}/no`, 'row wdcm allow /'];
  const facts = () => {
    const stat = statSync(join(workspace, 'no/x'), { bigint: true });
    const folderStat = statSync(join(workspace, 'no'), { bigint: true });
    return [
      readFileSync(join(workspace, 'no/x'), 'utf8'),
      stat.ino,
      stat.mode,
      stat.nlink,
      stat.mtimeNs,
      stat.ctimeNs,
      folderStat.mtimeNs,
    ];
  };
  return { world, workspace, script, facts };
}

describe('a protected folder', () => {
  for (const user of users()) {
    it(`cannot be changed by ${user.name} in any of 45 ways`, () => {
      const { workspace, script, facts } = guardedWorld(user.uid);
      const before = facts();
      const got = run({ workspace, script, prefix: user.prefix, uid: user.uid }, [
        program('attacks'),
        'everything',
      ]);
      assert.equal(got.stdout, 'done\n', got.stderr);
      assert.deepEqual(facts(), before);
      assert.ok(
        got.log.filter((line) => line.startsWith('effect delete 13 ')).length >= 3,
        'refusals are reported',
      );
    });
  }

  for (const [name, words] of [
    ['a path that changes while it is read', ['race', '20000']],
    ['a link that is swapped while it is followed', ['race-link', '20000']],
    ['names and modes that are raced for', ['race-names', '20000']],
  ] as const)
    it(`stays as it is against ${name}`, () => {
      const { workspace, script, facts } = guardedWorld();
      const before = facts();
      const got = run({ workspace, script }, [program('attacks'), ...words]);
      assert.match(got.stdout, /done\n$/, got.stderr);
      // The race was run: some got through to what is allowed.
      assert.ok(got.log.some((line) => line.includes(`${workspace}/ok/x`)));
      assert.ok(got.log.some((line) => line.includes(`${workspace}/no/x`)));
      assert.deepEqual(facts(), before);
    });

  it('stays as it is when the supervisor has no descriptors left, and what is allowed goes on afterwards', () => {
    const { workspace, script, facts } = guardedWorld();
    const before = facts();
    const got = run({ workspace, script, prefix: ['prlimit', '--nofile=32:32'] }, [
      program('attacks'),
      'crowd',
      '60',
    ]);
    assert.equal(got.stdout, 'full 1\nafterwards opens\ndone\n', got.stderr);
    assert.deepEqual(facts(), before);
  });
});

describe('what is asked about', () => {
  const sh = (...lines: string[]) => ['/bin/sh', '-c', lines.join('\n')];

  function asked(answers: readonly string[]) {
    const world = scratch();
    const workspace = folder(world, 'work');
    const outside = folder(world, 'outside');
    writeFileSync(join(outside, 'note'), 'before\n');
    writeFileSync(join(workspace, 'late'), 'before\n');
    writeFileSync(join(workspace, 'other'), 'other\n');
    const script = [
      `row wdcm late ${workspace}/late`,
      `row wdcm ask ${workspace}/ask`,
      `row wdcm allow ${workspace}`,
      ...answers,
    ];
    return { world, workspace, outside, script };
  }

  it('is done outside of the workspace when it is allowed', () => {
    const { workspace, outside, script } = asked([
      'answer write ALLOW',
      'answer create ALLOW',
      'answer mkdir ALLOW',
      'answer delete ALLOW',
    ]);
    const got = run(
      { workspace, script },
      sh(
        `echo after > ${outside}/note; echo new > ${outside}/new; mkdir ${outside}/d; echo x > ${outside}/gone; rm ${outside}/gone`,
      ),
    );
    assert.equal(got.status, 0, got.stderr);
    assert.equal(readFileSync(join(outside, 'note'), 'utf8'), 'after\n');
    assert.equal(readFileSync(join(outside, 'new'), 'utf8'), 'new\n');
    assert.ok(statSync(join(outside, 'd')).isDirectory());
    assert.ok(!existsSync(join(outside, 'gone')));
    assert.ok(got.log.includes(`ask write ${outside}/note`));
    assert.ok(got.log.includes(`effect write 0 ${outside}/note`));
  });

  it('is not done when it is denied, and that is reported', () => {
    const { workspace, outside, script } = asked([]);
    const got = run(
      { workspace, script },
      sh(
        `echo after > ${outside}/note; rm -f ${outside}/note; echo x > ${outside}/new; mv other ${outside}/other`,
      ),
    );
    assert.notEqual(got.status, 0);
    assert.equal(readFileSync(join(outside, 'note'), 'utf8'), 'before\n');
    assert.ok(!existsSync(join(outside, 'new')) && !existsSync(join(outside, 'other')));
    assert.ok(got.log.includes(`effect write 13 ${outside}/note`));
    assert.ok(got.log.includes(`effect delete 13 ${outside}/note`));
  });

  it('does not open what is hidden, whatever is answered', () => {
    const { workspace, outside, script } = asked(['answer write ALLOW', 'answer create ALLOW']);
    const got = run(
      { workspace, script, hidden: [outside] },
      sh(`echo after > ${outside}/note; echo after > ${outside}/new`),
    );
    assert.notEqual(got.status, 0);
    assert.equal(readFileSync(join(outside, 'note'), 'utf8'), 'before\n');
    assert.ok(!existsSync(join(outside, 'new')));
    assert.ok(!got.log.some((line) => line.startsWith('ask ')), 'nobody is asked about it either');
  });

  it('is asked once when the answer is to be remembered', () => {
    const { workspace, outside, script } = asked(['answer write ALLOW+']);
    const got = run({ workspace, script }, sh(`echo 1 >> ${outside}/note; echo 2 >> ${outside}/note`));
    assert.equal(readFileSync(join(outside, 'note'), 'utf8'), 'before\n1\n2\n');
    assert.equal(got.log.filter((line) => line.startsWith('ask ')).length, 1);
  });

  it('is not asked when the kernel would refuse it anyway', () => {
    const { workspace, outside, script } = asked(['answer write ALLOW']);
    chmodSync(join(outside, 'note'), 0o444);
    mkdirSync(join(outside, 'd'));
    const got = run(
      { workspace, script },
      sh(
        `echo x > ${outside}/note; echo x > ${outside}/d; echo x > ${outside}/missing/x; rm ${outside}/missing; mkdir ${outside}/d; rmdir ${outside}/note; ln ${outside}/note linked`,
      ),
    );
    assert.deepEqual(
      got.log.filter((line) => line.startsWith('ask ')),
      [],
    );
    assert.equal(readFileSync(join(outside, 'note'), 'utf8'), 'before\n');
  });

  it('moves what is deleted where the answer says', () => {
    const { world, workspace, script } = asked([]);
    const place = folder(world, 'kept');
    writeFileSync(join(workspace, 'ask'), 'precious\n');
    const got = run(
      { workspace, script: [...script, `answer delete MODIFY ${place}/1`], hidden: [place] },
      sh('rm ask'),
    );
    assert.equal(got.status, 0, got.stderr);
    assert.ok(!existsSync(join(workspace, 'ask')));
    assert.equal(readFileSync(join(place, '1'), 'utf8'), 'precious\n');
  });

  it('tells of a file that acts later before it is opened, replaced and removed', () => {
    const { workspace, script } = asked(['answer late-write ALLOW', 'answer late-replace ALLOW']);
    const got = run(
      { workspace, script },
      sh('echo w > late; mv other late; rm late; ln -s target late; chmod 600 late 2>/dev/null; true'),
    );
    assert.equal(got.status, 0, got.stderr);
    assert.deepEqual(
      got.log.filter((line) => line.startsWith('ask ')),
      [
        `ask late-write ${workspace}/late`,
        `ask late-replace ${workspace}/late -> ${workspace}/other`,
        `ask late-replace ${workspace}/late`,
        `ask late-replace ${workspace}/late -> ${workspace}/target`,
      ],
    );
    assert.ok(lstatSync(join(workspace, 'late')).isSymbolicLink());
  });

  it('leaves a file that acts later alone when the daemon refuses', () => {
    const { workspace, script } = asked([]);
    const got = run(
      { workspace, script },
      sh('echo w > late; mv other late; ln other l2 && mv -f l2 late; ln late alias; rm -f late'),
    );
    assert.notEqual(got.status, 0);
    assert.equal(readFileSync(join(workspace, 'late'), 'utf8'), 'before\n');
    assert.ok(!existsSync(join(workspace, 'alias')));
  });

  it('goes for every name below a folder that is moved', () => {
    const workspace = folder(scratch(), 'work');
    for (const path of ['kept/hooks', 'mine/hooks', 'plain/deep'])
      mkdirSync(join(workspace, path), { recursive: true });
    writeFileSync(join(workspace, 'kept/hooks/h'), 'kept\n');
    writeFileSync(join(workspace, 'mine/hooks/h'), 'mine\n');
    writeFileSync(join(workspace, 'plain/deep/late'), 'late\n');
    const script = [
      `row wdcm deny ${workspace}/kept/hooks`,
      `row wdcm deny ${workspace}/new/hooks`,
      `row wdcm late ${workspace}/plain2/deep/late`,
      'row wdcm allow /',
      'answer late-replace ALLOW',
    ];
    const got = run({ workspace, script }, sh('mv kept away; mv mine new; mv -T mine kept; mv plain plain2'));
    assert.equal(got.status, 0, got.stderr);
    assert.equal(readFileSync(join(workspace, 'kept/hooks/h'), 'utf8'), 'kept\n');
    assert.equal(readFileSync(join(workspace, 'mine/hooks/h'), 'utf8'), 'mine\n');
    assert.ok(!existsSync(join(workspace, 'away')) && !existsSync(join(workspace, 'new')));
    assert.ok(existsSync(join(workspace, 'plain2/deep/late')));
    assert.deepEqual(
      got.log.filter((line) => line.startsWith('ask ')),
      [`ask late-replace ${workspace}/plain2/deep/late -> ${workspace}/plain/deep/late`],
    );
  });

  it('is withdrawn when the process that asks is killed', () => {
    const { workspace, outside, script } = asked(['answer write WAIT']);
    const got = run(
      { workspace, script },
      sh(`(echo x > ${outside}/note) & sleep 0.3; kill -9 $!; sleep 0.3`),
    );
    assert.ok(got.log.includes('gone 1'), got.log.join('\n'));
    assert.equal(readFileSync(join(outside, 'note'), 'utf8'), 'before\n');
  });
});

it('changes nothing outside of the workspace where there are no mounts, unless the daemon allows it', () => {
  const world = scratch();
  const workspace = folder(world, 'work');
  const outside = folder(world, 'outside');
  writeFileSync(join(outside, 'note'), 'before\n');
  const words = [
    '/bin/sh',
    '-c',
    `cd ${outside}; echo x > note; echo x > new; rm -f note; mkdir d; mv note ${workspace}/; touch -d @1 note; chmod 777 note`,
  ];
  const facts = () => {
    const stat = statSync(join(outside, 'note'), { bigint: true });
    return [readFileSync(join(outside, 'note'), 'utf8'), stat.ctimeNs, readdirSync(outside)];
  };
  const before = facts();
  const got = run({ workspace, script: ['row wdcm allow /'], mode: 'landlock' }, words);
  assert.notEqual(got.status, 0);
  assert.deepEqual(facts(), before);
  run(
    {
      workspace: world,
      script: ['row wdcm allow /', 'answer write ALLOW'],
      mode: 'landlock',
      hidden: [outside],
    },
    words,
  );
  assert.deepEqual(facts(), before, 'what is hidden in a workspace is not of it');
  run({ workspace, script: [`row wdcm allow ${workspace}`, 'answer write ALLOW'], mode: 'landlock' }, words);
  assert.equal(readFileSync(join(outside, 'note'), 'utf8'), 'x\n');
});

it('leaves the files of a namespace made inside to the kernel, which keeps what the session may not write', () => {
  const user = users().find((one) => one.uid !== 0);
  assert.ok(user !== undefined);
  const world = scratch();
  const workspace = folder(world, 'work', user.uid);
  const outside = folder(world, 'outside', user.uid);
  mkdirSync(join(workspace, 'm'));
  const inside = `mount -t tmpfs none ${workspace}/m && echo hi > ${workspace}/m/f && cat ${workspace}/m/f; echo x > ${outside}/x`;
  const { prefix, uid } = user;
  const setting = {
    workspace,
    script: [`row wdcm allow ${workspace}`],
    prefix,
    uid,
    mode: 'nested',
  } as const;
  const got = run(setting, ['unshare', '-Urm', 'sh', '-c', inside]);
  assert.equal(got.stdout, 'hi\n', got.stderr);
  assert.ok(!existsSync(join(workspace, 'm/f')) && !existsSync(join(outside, 'x')));
});
