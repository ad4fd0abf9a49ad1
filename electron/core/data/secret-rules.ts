/**
 * Secrets by their shape. `find` is a literal beginning (one alternation finds all of them in one pass); `shape` is tried, sticky, at each place
 * found. No shape can backtrack: each is a row of bounded classes, none of which overlaps what follows it.
 *
 * @secretlint's rules are not used here: its API answers with promises and loads its rules as modules, and core is pure and synchronous. It is
 * their measure instead (test/unit/core/data/secretlint.test.ts).
 */
export interface SecretRule {
  readonly detector: string;
  readonly find: string;
  readonly shape: RegExp;
}

const rule = (detector: string, find: string, shape: RegExp): SecretRule => ({ detector, find, shape });

export const SECRET_RULES: readonly SecretRule[] = [
  ...['ghp_', 'gho_', 'ghu_', 'ghs_', 'ghr_'].map((p) =>
    rule('github-token', p, /gh[pousr]_[A-Za-z0-9]{36,255}/y),
  ),
  rule('github-token', 'github_pat_', /github_pat_[A-Za-z0-9_]{40,255}/y),
  ...['glpat-', 'gldt-', 'glrt-', 'glcbt-', 'glptt-', 'glft-', 'glsoat-'].map((p) =>
    rule('gitlab-token', p, /gl[a-z]{2,4}-[A-Za-z0-9_-]{20,128}/y),
  ),
  ...['AKIA', 'ASIA', 'ABIA', 'ACCA'].map((p) =>
    rule('aws-access-key', p, /A(?:KI|SI|BI|CC)A[A-Z2-7]{16}(?![A-Za-z0-9])/y),
  ),
  rule('google-api-key', 'AIza', /AIza[A-Za-z0-9_-]{35}/y),
  rule('google-oauth-token', 'ya29.', /ya29\.[A-Za-z0-9_-]{30,512}/y),
  rule('google-oauth-secret', 'GOCSPX-', /GOCSPX-[A-Za-z0-9_-]{28}/y),
  rule('azure-storage-key', 'AccountKey=', /AccountKey=[A-Za-z0-9+/]{86}==/y),
  rule('azure-shared-access', 'SharedAccessKey=', /SharedAccessKey=[A-Za-z0-9+/]{43}=/y),
  ...['xoxb-', 'xoxp-', 'xoxa-', 'xoxr-', 'xoxs-', 'xoxe-', 'xapp-'].map((p) =>
    rule('slack-token', p, /x(?:ox[bparse]|app)-[A-Za-z0-9-]{10,255}/y),
  ),
  rule(
    'slack-webhook',
    'hooks.slack.com/',
    /hooks\.slack\.com\/(?:services|workflows)\/T[A-Za-z0-9_]{6,16}\/[A-Za-z0-9_/]{16,128}/y,
  ),
  ...['sk_live_', 'rk_live_', 'whsec_'].map((p) =>
    rule('stripe-key', p, /(?:[sr]k_live_|whsec_)[A-Za-z0-9+/]{16,255}/y),
  ),
  rule('anthropic-key', 'sk-ant-', /sk-ant-[A-Za-z0-9_-]{24,255}/y),
  rule('openai-key', 'sk-proj-', /sk-proj-[A-Za-z0-9_-]{24,255}/y),
  rule('openai-key', 'sk-svcacct-', /sk-svcacct-[A-Za-z0-9_-]{24,255}/y),
  rule('openai-key', 'sk-', /sk-[A-Za-z0-9]{32,64}(?![A-Za-z0-9-])/y),
  rule('npm-token', 'npm_', /npm_[A-Za-z0-9]{36}/y),
  rule('pypi-token', 'pypi-', /pypi-[A-Za-z0-9_-]{50,512}/y),
  rule('sendgrid-key', 'SG.', /SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}/y),
  rule('twilio-key', 'SK', /SK[0-9a-f]{32}(?![0-9A-Za-z])/y),
  rule('huggingface-token', 'hf_', /hf_[A-Za-z0-9]{34}/y),
  rule('digitalocean-token', 'dop_v1_', /dop_v1_[0-9a-f]{64}/y),
  rule('shopify-token', 'shpat_', /shpat_[0-9a-fA-F]{32}/y),
  rule('linear-key', 'lin_api_', /lin_api_[A-Za-z0-9]{40}/y),
  rule('vault-token', 'hvs.', /hvs\.[A-Za-z0-9_-]{24,255}/y),
  rule('databricks-token', 'dapi', /dapi[0-9a-f]{32}/y),
  rule('age-key', 'AGE-SECRET-KEY-1', /AGE-SECRET-KEY-1[A-Z0-9]{58}/y),
  rule('json-web-token', 'eyJ', /eyJ[A-Za-z0-9_-]{8,4096}\.eyJ[A-Za-z0-9_-]{8,8192}\.[A-Za-z0-9_-]{8,2048}/y),
  rule(
    'private-key',
    '-----BEGIN ',
    /-----BEGIN (?:RSA |EC |DSA |OPENSSH |ENCRYPTED |PGP )?PRIVATE KEY(?: BLOCK)?-----[\s\\nr]{1,8}[A-Za-z0-9+/=:, \s\\-]{32,8192}/y,
  ),
  rule(
    'netrc-password',
    'machine ',
    /machine [^\s]{1,255}\s{1,4}login [^\s]{1,255}\s{1,4}password [^\s]{4,255}/y,
  ),
];

/** Where several begin alike the longest beginning is first. */
const FINDS = [...new Set(SECRET_RULES.map(({ find }) => find))].sort((a, b) => b.length - a.length);

/** Finds every beginning, with a named value (`password = …`) and a password in a URL beside them. */
export const BEGINNINGS = new RegExp(FINDS.map((text) => text.replace(/[.\\/+]/g, '\\$&')).join('|'), 'g');

export const RULES_BY_BEGINNING: ReadonlyMap<string, readonly SecretRule[]> = new Map(
  FINDS.map((find) => [find, SECRET_RULES.filter((one) => one.find === find)] as const),
);
