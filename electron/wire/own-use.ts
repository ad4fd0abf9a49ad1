import type { PathIndex } from '../core/semantic/path-index.ts';
import { type Place, seePath } from '../core/semantic/paths.ts';

/** Package managers read their own settings at each start; the settings of another program are a credential like any other. */
const OWN_SETTINGS: readonly (readonly [RegExp, RegExp])[] = [
  [/\/(?:npm|pnpm|yarn|corepack)\/(?:[^/]+\/)*[\w.-]+\.c?js$/, /^\/\.(?:npmrc|yarnrc\.yml)$/],
  [/\/(?:pip|pip3|twine|uv)[\d.]*$/, /^\/\.(?:netrc|pypirc)$/],
  [/\/aws$/, /^\/\.aws\//],
];

/**
 * True when an installed script reads what belongs to it; for the file shim of a cooperative session. One that lies where the agent writes
 * may only bear the name.
 */
export function scriptReadsItsOwn(script: string, path: string, place: Place, index: PathIndex): boolean {
  if (!path.startsWith(`${place.home}/`)) return false;
  const { labels } = seePath(script, false, place, index);
  if (labels.some((label) => label === 'workspace' || label === 'temp')) return false;
  return OWN_SETTINGS.some(([who, what]) => who.test(script) && what.test(path.slice(place.home.length)));
}
