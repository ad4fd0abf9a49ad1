/** Where a secret stands in a text. `detector` says what it looks like, in the words of `docs/vocabulary.md`. */
export interface SecretSpan {
  readonly start: number;
  readonly end: number;
  readonly detector: string;
}

/** Finds secrets in a text; the spans may overlap. */
export type FindSecrets = (text: string) => readonly SecretSpan[];

/** A shape that is a secret wherever it stands. Group 1, where there is one, is the secret; else all of it. */
const SHAPES: readonly (readonly [detector: string, pattern: RegExp])[] = [
  [
    'private-key',
    /-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----[\s\S]*?(?:-----END (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----|$)/dg,
  ],
  ['github-token', /\b(?:gh[pousr]_[A-Za-z0-9]{20,255}|github_pat_[A-Za-z0-9_]{22,255})/dg],
  ['gitlab-token', /\bgl(?:pat|ptt|dt|rt|cbt|soat)-[A-Za-z0-9_-]{20,}/dg],
  ['aws-access-key', /\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b/dg],
  ['slack-token', /\bxox[abeoprs]-[A-Za-z0-9-]{10,}|\bxapp-\d-[A-Za-z0-9-]{10,}/dg],
  ['slack-webhook', /hooks\.slack\.com\/(?:services|workflows)\/([A-Za-z0-9/_-]{20,})/dg],
  ['google-key', /\bAIza[A-Za-z0-9_-]{35}|\bya29\.[A-Za-z0-9_-]{20,}|\bGOCSPX-[A-Za-z0-9_-]{20,}/dg],
  ['model-key', /\bsk-(?:ant-|proj-|or-|svcacct-)?[A-Za-z0-9_-]{20,}/dg],
  ['payment-key', /\b(?:sk|rk|pk|whsec)_(?:(?:live|test)_)?[A-Za-z0-9]{20,}/dg],
  [
    'package-token',
    /\bnpm_[A-Za-z0-9]{30,}|\bpypi-[A-Za-z0-9_-]{40,}|\brubygems_[a-f0-9]{40,}|\bdckr_pat_[A-Za-z0-9_-]{20,}|\bcio[A-Za-z0-9]{30,}/dg,
  ],
  [
    'service-token',
    /\bhf_[A-Za-z0-9]{30,}|\bdo[opr]_v1_[a-f0-9]{40,}|\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}|\bshp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}|\bsq0[a-z]{3}-[A-Za-z0-9_-]{20,}|\bSK[a-f0-9]{32}\b|\blin_api_[A-Za-z0-9]{30,}|\bhvs\.[A-Za-z0-9_-]{20,}|\bxkeysib-[a-f0-9]{40,}|\bdp\.(?:pt|st)\.[A-Za-z0-9._-]{30,}|\btskey-[a-z]+-[A-Za-z0-9-]{16,}|\bATATT3[A-Za-z0-9_=-]{40,}|\bglsa_[A-Za-z0-9_]{30,}/dg,
  ],
  ['json-web-token', /\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*/dg],
  ['age-key', /\bAGE-SECRET-KEY-1[A-Z0-9]{40,}/dg],
  // What stands where a secret stands.
  ['url-password', /\b[a-z][a-z0-9+.-]{1,20}:\/\/[^\s/@:'"`\\]{0,128}:([^\s/@'"`\\]{1,256})@/dgi],
  [
    'authorization',
    /\b(?:proxy-)?authorization["']?\s*[:=]\s*["']?(?:(?:bearer|basic|token|digest|apikey|negotiate|aws4-hmac-sha256)\s+)?([^\s"'`\\][^"'`\\\r\n]{3,4000}?)(?=["'`\\\r\n]|$)/dgi,
  ],
  ['bearer-token', /\bbearer\s+([A-Za-z0-9._~+/=-]{12,})/dgi],
  [
    'cookie',
    /(?<![\w-])(?:set-)?cookie["']?\s*[:=]\s*["']?([^\s"'`\\][^"'`\\\r\n]{3,4000}?)(?=["'`\\\r\n]|$)/dgi,
  ],
  ['password', /\bidentified\s+(?:with\s+\w+\s+)?by\s+(?:password\s+)?'((?:[^'\\]|''|\\.){1,256})'/dgi],
  ['password', /\bpassword\s+'((?:[^'\\]|''|\\.){1,256})'/dgi],
  [
    'password',
    /(?<![\w-])(?:curl|wget|http|https|xh|mysql|mysqldump|mysqladmin|mariadb|sshpass|smbclient|ldapsearch|rclone|htpasswd)\b[^\n;|&]{0,400}?\s(?:-u|--user|--proxy-user|-U)[= ]?['"]?[^\s:'"$]{1,128}:([^\s'"$][^\s'"]{0,255})/dgi,
  ],
  [
    'password',
    /(?:^|[\n;|&(]\s*|\bsudo\s+)(?:\S{0,64}\/)?(?:mysql|mysqldump|mysqladmin|mariadb|mariadb-dump|sshpass)\b[^\n;|&]{0,400}?\s-p(?:'([^'$]{3,256})'|"([^"$]{3,256})"|([^\s'"$-][^\s'"]{2,255}))/dgi,
  ],
  [
    'password',
    /(?:^|[\n;|&(]\s*|\bsudo\s+)(?:\S{0,64}\/)?(?:(?:docker|podman|helm|az|oc)\s[^\n;|&]{0,80}?\blogin\b|sshpass|redis-cli|mongo|mongosh|7za?|zip|unzip)\b[^\n;|&]{0,400}?\s(?:-p|-P|-a|--pass)(?:[= ]|(?=['"]))(?:'([^'$]{3,256})'|"([^"$]{3,256})"|([^\s'"$-][^\s'"]{2,255}))/dg,
  ],
  [
    'aws-secret-key',
    /secret[_-]?(?:access[_-]?)?key["']?\s*[=: ]\s*["']?([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])/dgi,
  ],
];

const NAME =
  '(?:[A-Za-z0-9_.-]*(?:passw(?:or)?d|passphrase|passwd|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|auth[_-]?key|signing[_-]?key|encryption[_-]?key|master[_-]?key|credential)s?(?:[_-]?(?:id|key|value|base64))?)';
/** `NAME=value`, `name: value`, `"name": "value"`, `--name value`. */
const NAMED = new RegExp(
  `(?<![A-Za-z0-9])(${NAME})(?:\\\\?["'])?(?:\\s*(?:=>|:=|=|:)\\s*|(?<=(?:^|[\\s'"])--?${NAME})\\s+)(?:\\\\?"([^"\\n]{3,4096}?)\\\\?"|\\\\?'([^'\\n]{3,4096}?)\\\\?'|([^\\s"'\`,;&|)}\\]<>]{3,4096}))`,
  'dgi',
);
/** Names of what is not secret although the words are in them. */
const NO_SECRET =
  /(?:token(?:_|-)?(?:type|count|limit|url|uri|endpoint|file|path|name|expir\w*|ttl)|max_?tokens|(?:secret|token|password|key)_?(?:name|file|path|arn|ref|length|policy|hash_?algorithm|store|manager|version)|[_-]id)$/i;
/** What stands in the place of a value: a variable, a command, a hole to be filled, a word. */
const NO_VALUE =
  /^(?:[$%<{[*(`]|\\?\$|(?:true|false|null|none|undefined|yes|no|required|optional|string|text|password|secret|token|changeme|example|process\.env\S*|os\.environ\S*|env\.\S*|secrets\.\S*|\*+|x+|\.+|-+)$|\[redacted:|@|\/|\.\.?\/|~)/i;

/** What may be a secret is in texts with one of these; every other text is passed over at once. */
const HINT =
  /:\/\/[^\s/]*@|secret|token|passw|pwd|api.?key|access.?key|private.?key|credential|passphrase|_key|-key|auth|cookie|bearer|identified|PRIVATE KEY|gh[pousr]_|github_pat|gl[a-z]{2,4}-|AKIA|ASIA|ABIA|ACCA|xox|xapp-|AIza|ya29|GOCSPX|sk-|[srp]k_|whsec|npm_|pypi-|rubygems|dckr_|cio|hf_|_v1_|SG\.|shp|sq0|SK[a-f0-9]|lin_api|hvs\.|xkeysib|dp\.|tskey|ATATT|glsa|eyJ|AGE-SECRET|hooks\.slack|\s(?:-u|-U|-p|-P|-a)/i;
const LONG_WORD = /[A-Za-z0-9+/_=-]{24,}/;
const WORDS = /[A-Za-z0-9+/_-]{24,}={0,2}/g;
const MAX_WORDS = 64;

function named(text: string): SecretSpan[] {
  const spans: SecretSpan[] = [];
  NAMED.lastIndex = 0;
  for (let found = NAMED.exec(text); found !== null; found = NAMED.exec(text)) {
    const [, name = '', ...values] = found;
    const group = values.findIndex((value) => value !== undefined);
    const at = found.indices?.[group + 2];
    const value = values[group];
    if (at === undefined || value === undefined || NO_SECRET.test(name) || NO_VALUE.test(value)) continue;
    // Prose has colons too: `fix token: handling`.
    const bare = values[0] === undefined && values[1] === undefined;
    if (bare && /:\s+$/.test(text.slice(Math.max(0, at[0] - 8), at[0])) && !/\d/.test(value)) continue;
    spans.push({ start: at[0], end: at[1], detector: detectorOf(name) });
  }
  return spans;
}

function detectorOf(name: string): string {
  if (/passw|passphrase|pwd/i.test(name)) return 'password';
  if (/token/i.test(name)) return 'token';
  return 'secret';
}

function shaped(text: string): SecretSpan[] {
  const spans: SecretSpan[] = [];
  for (const [detector, pattern] of SHAPES) {
    for (const found of text.matchAll(pattern)) {
      const group = found.findIndex((value, index) => index > 0 && value !== undefined);
      const at = found.indices?.[Math.max(0, group)];
      const value = found[Math.max(0, group)];
      if (at !== undefined && value !== undefined && !(group > 0 && NO_VALUE.test(value)))
        spans.push({ start: at[0], end: at[1], detector });
    }
  }
  return spans;
}

/** Finds what looks like a secret in a text (T9): known shapes, what stands after a name for one, and either of them in base64 or hex. */
export const findSecrets: FindSecrets = (text) => {
  const spans = HINT.test(text) ? [...shaped(text), ...named(text)] : [];
  if (!LONG_WORD.test(text)) return spans;
  let words = 0;
  for (const found of text.matchAll(WORDS)) {
    words += 1;
    if (words > MAX_WORDS) break;
    const [word] = found;
    const end = found.index + word.length;
    for (const inner of [fromHex(word), fromBase64(word)]) {
      if (inner === null || !HINT.test(inner)) continue;
      const within = [...shaped(inner), ...named(inner)][0];
      if (within === undefined) continue;
      spans.push({ start: found.index, end, detector: within.detector });
      break;
    }
  }
  return spans;
};

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** What a word is in base64, when that is text; null for everything else. */
function fromBase64(word: string): string | null {
  let text = '';
  let held = 0;
  let bits = 0;
  for (const character of word) {
    const digit = DIGITS.indexOf(character === '-' ? '+' : character === '_' ? '/' : character);
    if (digit < 0) break;
    held = ((held << 6) | digit) & 0xffff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    const byte = (held >> bits) & 0xff;
    if ((byte < 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) || byte > 0x7e) return null;
    text += String.fromCharCode(byte);
  }
  return text;
}

function fromHex(word: string): string | null {
  if (word.length % 2 !== 0 || !/^[0-9a-fA-F]+$/.test(word)) return null;
  let text = '';
  for (let at = 0; at < word.length; at += 2) {
    const byte = Number.parseInt(word.slice(at, at + 2), 16);
    if ((byte < 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) || byte > 0x7e) return null;
    text += String.fromCharCode(byte);
  }
  return text;
}
