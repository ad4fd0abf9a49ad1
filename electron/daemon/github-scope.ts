import type { HttpRequest } from '../core/http.ts';

/** What one request to GitHub needs: the repository and the one permission of an app's token that covers it. */
export interface GithubScope {
  readonly owner: string | null;
  readonly repository: string | null;
  /** Null: it is not known which permission covers it. */
  readonly permission: string | null;
  readonly access: 'read' | 'write';
}

/** First segment behind `/repos/OWNER/REPO/` to the permission that covers it. */
const PERMISSIONS: Readonly<Record<string, string>> = {
  contents: 'contents',
  git: 'contents',
  branches: 'contents',
  commits: 'contents',
  compare: 'contents',
  merges: 'contents',
  releases: 'contents',
  tarball: 'contents',
  zipball: 'contents',
  readme: 'contents',
  tags: 'contents',
  dispatches: 'contents',
  issues: 'issues',
  labels: 'issues',
  milestones: 'issues',
  assignees: 'issues',
  pulls: 'pull_requests',
  actions: 'actions',
  'check-runs': 'checks',
  'check-suites': 'checks',
  statuses: 'statuses',
  deployments: 'deployments',
  environments: 'environments',
  hooks: 'repository_hooks',
  pages: 'pages',
  keys: 'administration',
  collaborators: 'administration',
  topics: 'administration',
  transfer: 'administration',
  'code-scanning': 'security_events',
  dependabot: 'vulnerability_alerts',
  'secret-scanning': 'secret_scanning_alerts',
};

/** Derives what a request needs: git over HTTP by its service, REST by its path, GraphQL by its operations (which name no repository). */
export function githubScope(request: HttpRequest): GithubScope {
  const { path, query } = request.target;
  const reading = request.method === 'GET' || request.method === 'HEAD';
  const git = /^\/([^/]+)\/([^/]+?)(?:\.git)?\/(info\/refs|git-upload-pack|git-receive-pack)$/.exec(path);
  if (git !== null) {
    const pushes =
      git[3] === 'git-receive-pack' ||
      query.some(([name, value]) => name === 'service' && value === 'git-receive-pack');
    return {
      owner: git[1] ?? null,
      repository: git[2] ?? null,
      permission: 'contents',
      access: pushes ? 'write' : 'read',
    };
  }
  if (request.body.kind === 'graphql') {
    const reads = request.body.operations.every((operation) => operation.type === 'query');
    return { owner: null, repository: null, permission: null, access: reads ? 'read' : 'write' };
  }
  // GitHub Enterprise has the API below /api/v3.
  const rest = /^(?:\/api\/v3)?\/repos\/([^/]+)\/([^/]+)(?:\/([^/]+)(?:\/([^/]+))?)?/.exec(path);
  const access = reading ? 'read' : 'write';
  if (rest === null)
    return { owner: null, repository: null, permission: reading ? 'metadata' : null, access };
  const [, owner = null, repository = null, segment, next] = rest;
  const at = { owner, repository, access } as const;
  if (segment === undefined) return { ...at, permission: reading ? 'metadata' : 'administration' };
  // Secrets and variables of workflows have permissions of their own.
  if (segment === 'actions' && (next === 'secrets' || next === 'variables'))
    return { ...at, permission: next === 'secrets' ? 'secrets' : 'actions_variables' };
  if (segment === 'contents' && !reading && path.includes('/.github/workflows/'))
    return { ...at, permission: 'workflows' };
  const known = Object.hasOwn(PERMISSIONS, segment) ? (PERMISSIONS[segment] ?? null) : null;
  return { ...at, permission: known ?? (reading ? 'metadata' : null) };
}
