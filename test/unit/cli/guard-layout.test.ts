import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type LayoutRequest, type LayoutWorld, layoutOf } from '../../../shims/cli/guard-layout.ts';

/** A world in which exactly these paths are there; `->` makes one canonical to another. */
function world(paths: readonly string[], texts: Readonly<Record<string, string>> = {}): LayoutWorld {
  const real = new Map(
    paths.map((entry) => {
      const [from = '', to = from] = entry.split(' -> ');
      return [from, to];
    }),
  );
  return {
    home: '/home/ada',
    uid: 1000,
    real: (path) => real.get(path) ?? null,
    read: (path) => texts[path] ?? null,
    list: (folder) =>
      [...real.keys()]
        .filter((path) => path.startsWith(`${folder}/`))
        .map((path) => path.slice(folder.length + 1)),
  };
}

const request = (more: Partial<LayoutRequest> = {}): LayoutRequest => ({
  workspace: '/home/ada/work',
  own: ['/home/ada/.local/state/countersign'],
  installation: '/opt/countersign',
  env: {},
  ...more,
});
const HOME = [
  '/home/ada',
  '/home/ada/work',
  '/home/ada/.ssh',
  '/home/ada/.npm',
  '/home/ada/.local/state/countersign',
];

test('writes go to the workspace and to the caches of tools that are there', () => {
  const layout = layoutOf(request(), world(HOME));
  assert.deepEqual(layout.workspace, ['/home/ada/work']);
  assert.deepEqual(layout.tools, ['/home/ada/.npm']);
});

test('a cache is where the person moved it, and never the whole home', () => {
  const moved = layoutOf(request({ env: { npm_config_cache: '/data/npm' } }), world([...HOME, '/data/npm']));
  assert.ok(moved.tools.includes('/data/npm'));
  const home = layoutOf(request({ env: { XDG_CACHE_HOME: '/home/ada' } }), world(HOME));
  assert.ok(!home.tools.includes('/home/ada'));
  const relative = layoutOf(request({ env: { XDG_CACHE_HOME: '..' } }), world(HOME));
  assert.deepEqual(relative.tools, ['/home/ada/.npm']);
});

test('secrets are veiled, by their canonical names, also where nothing lies yet', () => {
  const layout = layoutOf(
    request(),
    world([...HOME.filter((p) => !p.endsWith('.ssh')), '/home/ada/.ssh -> /data/ssh']),
  );
  assert.ok(layout.veiled.includes('/data/ssh'));
  assert.ok(layout.veiled.includes('/home/ada/.netrc'));
  assert.ok(
    !layout.veiled.some((path) => path.startsWith('/home/ada/.config/')),
    'a folder that is missing has no place in it',
  );
});

test('what ssh needs and is no secret stays readable behind the veil', () => {
  const { shown } = layoutOf(
    request(),
    world([
      ...HOME,
      '/home/ada/.ssh/known_hosts',
      '/home/ada/.ssh/id_ed25519',
      '/home/ada/.ssh/id_ed25519.pub',
    ]),
  );
  assert.deepEqual(shown, ['/home/ada/.ssh/known_hosts', '/home/ada/.ssh/id_ed25519.pub']);
});

test('a public key that is a link to somewhere else is not shown', () => {
  const { shown } = layoutOf(
    request(),
    world([...HOME, '/home/ada/.ssh/x.pub -> /home/ada/.aws/credentials', '/home/ada/.aws']),
  );
  assert.deepEqual(shown, []);
});

test('our own folders and the doors of other programs are not there', () => {
  const { hidden } = layoutOf(
    request(),
    world([...HOME, '/run/docker.sock', '/run/user/1000', '/home/ada/.bash_history']),
  );
  for (const path of [
    '/home/ada/.local/state/countersign',
    '/run/docker.sock',
    '/run/user/1000',
    '/home/ada/.bash_history',
  ])
    assert.ok(hidden.includes(path), path);
});

test('what holds the workspace is not hidden from it', () => {
  const layout = layoutOf(
    request({ workspace: '/home/ada/.ssh/project' }),
    world([...HOME, '/home/ada/.ssh/project']),
  );
  assert.ok(!layout.veiled.includes('/home/ada/.ssh'));
});

test('a worktree may write the repository it belongs to, and a hostile `.git` file names nothing', () => {
  const git = '/home/ada/main/.git';
  const texts = {
    '/home/ada/work/.git': `gitdir: ${git}/worktrees/w\n`,
    [`${git}/worktrees/w/commondir`]: '../..\n',
    [`${git}/worktrees/w/HEAD`]: 'ref: x',
    [`${git}/HEAD`]: 'ref: x',
  };
  const real = layoutOf(request(), world([...HOME, git, `${git}/worktrees/w`], texts));
  assert.deepEqual(real.workspace, ['/home/ada/work', `${git}/worktrees/w`, git]);
  const hostile = layoutOf(
    request(),
    world([...HOME, '/home/ada/.config'], { '/home/ada/work/.git': 'gitdir: /home/ada/.config' }),
  );
  assert.deepEqual(hostile.workspace, ['/home/ada/work']);
});

test('a home below /tmp stays there inside, read-only', () => {
  const { kept } = layoutOf(request(), {
    ...world(['/tmp/h', '/tmp/h/work', '/opt/countersign']),
    home: '/tmp/h',
  });
  assert.deepEqual(kept, ['/tmp/h']);
});
