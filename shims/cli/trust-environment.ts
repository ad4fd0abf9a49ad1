import { X509Certificate } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { err, ok, type Result } from '../../electron/core/result.ts';
import { certificatesIn } from '../../electron/edge/extra-roots.ts';
import { trustStore } from './trust-store.ts';

/** What makes the programs of a session trust its authority, beside what they trusted before. */
export interface TrustFiles {
  /** Everything: system roots, the person's own, the authority. For variables that replace what a program trusts. */
  readonly bundle: string;
  /** The person's own and the authority. For variables that add to it. */
  readonly extra: string;
  /** The same as `bundle`, for Java. */
  readonly store: string;
  /** For wget, which takes it from nowhere else: the person's own start-up file, and the bundle. */
  readonly wget: string;
}

/** Where a session's programs are told to go; null where the kernel guard routes connections. */
export interface ExplicitProxy {
  readonly session: string;
  readonly port: number;
  readonly token: string;
}

/** Files of systems, the first that is there counts. */
const SYSTEM_BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
] as const;

/** Variables that replace the roots of a program: curl, git, OpenSSL, Go, Python, pip, AWS, Cargo, npm, Yarn, Ruby, gRPC, Nix. */
const REPLACING = [
  'SSL_CERT_FILE',
  'REQUESTS_CA_BUNDLE',
  'CURL_CA_BUNDLE',
  'GIT_SSL_CAINFO',
  'PIP_CERT',
  'AWS_CA_BUNDLE',
  'CARGO_HTTP_CAINFO',
  'BUNDLE_SSL_CA_CERT',
  'NPM_CONFIG_CAFILE',
  'npm_config_cafile',
  'YARN_HTTPS_CA_FILE_PATH',
  'GRPC_DEFAULT_SSL_ROOTS_FILE_PATH',
  'NIX_SSL_CERT_FILE',
  'HTTPLIB2_CA_CERTS',
  'CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE',
] as const;
/** Variables that add to them: Node, Deno. */
const ADDING = ['NODE_EXTRA_CA_CERTS', 'DENO_CERT'] as const;
/** Folders of certificates that the person named. */
const FOLDERS = ['SSL_CERT_DIR', 'GIT_SSL_CAPATH', 'NIX_SSL_CERT_DIR'] as const;
const MAX_BYTES = 4 * 1024 * 1024;
const MAX_IN_FOLDER = 1024;

/**
 * Writes a session's trust into its directory. What the person had set in a variable is kept: its certificates are in the files that the
 * variable then names.
 */
export function writeTrust(
  directory: string,
  authorityPem: string,
  env: Readonly<Record<string, string | undefined>>,
): Result<TrustFiles, string> {
  const folder = join(directory, 'trust');
  const files: TrustFiles = {
    bundle: join(folder, 'bundle.pem'),
    extra: join(folder, 'extra.pem'),
    store: join(folder, 'bundle.p12'),
    wget: join(folder, 'wgetrc'),
  };
  const own = [
    ...[...REPLACING, ...ADDING].flatMap((name) => certificatesAt(env[name])),
    ...FOLDERS.flatMap((name) => (env[name] ?? '').split(':').flatMap(certificatesAt)),
  ];
  const extra = [...new Set([...certificatesIn(authorityPem), ...own])];
  const bundle = [...new Set([...extra, ...systemRoots()])];
  try {
    mkdirSync(folder, { mode: 0o700 });
    writeFileSync(files.extra, extra.join(''), { mode: 0o600 });
    writeFileSync(files.bundle, bundle.join(''), { mode: 0o600 });
    writeFileSync(files.wget, `${ownWgetrc(env)}ca_certificate = ${files.bundle}\n`, { mode: 0o600 });
    writeFileSync(files.store, trustStore(bundle.flatMap(derOf)), { mode: 0o600 });
  } catch (cause) {
    return err(`cannot write what the session trusts: ${(cause as Error).message}`);
  }
  return ok(files);
}

/** The variables that lead programs to a session's trust, and, where no guard routes connections, to the proxy. */
export function trustEnvironment(
  files: TrustFiles,
  proxy: ExplicitProxy | null,
  env: Readonly<Record<string, string | undefined>>,
): Record<string, string | undefined> {
  const java = [
    env['JAVA_TOOL_OPTIONS'],
    `-Djavax.net.ssl.trustStore=${files.store}`,
    '-Djavax.net.ssl.trustStoreType=PKCS12',
    ...(proxy === null ? [] : javaProxy(proxy)),
  ];
  return {
    ...Object.fromEntries(REPLACING.map((name) => [name, files.bundle])),
    ...Object.fromEntries(ADDING.map((name) => [name, files.extra])),
    WGETRC: files.wget,
    JAVA_TOOL_OPTIONS: java.filter((word) => word !== undefined && word !== '').join(' '),
    // A proxy of the person's own would be asked to connect by itself, and what goes through it could not be read.
    ...Object.fromEntries(
      PROXY_VARIABLES.flatMap((name) => [
        [name, undefined],
        [name.toUpperCase(), undefined],
      ]),
    ),
    ...(proxy === null ? {} : proxyEnvironment(proxy)),
  };
}

const PROXY_VARIABLES = [
  'http_proxy',
  'https_proxy',
  'all_proxy',
  'ws_proxy',
  'wss_proxy',
  'ftp_proxy',
  'no_proxy',
];
const LOOPBACK = 'localhost,127.0.0.1,::1,[::1]';

function proxyEnvironment({ session, port, token }: ExplicitProxy): Record<string, string> {
  const url = `http://${session}:${token}@127.0.0.1:${port}`;
  const named = Object.fromEntries(
    ['http_proxy', 'https_proxy', 'all_proxy'].flatMap((name) => [
      [name, url],
      [name.toUpperCase(), url],
    ]),
  );
  return { ...named, no_proxy: LOOPBACK, NO_PROXY: LOOPBACK, NODE_USE_ENV_PROXY: '1' };
}

/** Build tools read user and password from these; Java's own clients do not, and are refused (docs/known-issues.md). */
function javaProxy({ session, port, token }: ExplicitProxy): readonly string[] {
  return [
    ...['http', 'https'].flatMap((scheme) => [
      `-D${scheme}.proxyHost=127.0.0.1`,
      `-D${scheme}.proxyPort=${port}`,
      `-D${scheme}.proxyUser=${session}`,
      `-D${scheme}.proxyPassword=${token}`,
    ]),
    '-Dhttp.nonProxyHosts=localhost|127.*|[::1]',
    '-Djdk.http.auth.tunneling.disabledSchemes=',
  ];
}

/** Certificates in a file, or in the files of a folder; none where it cannot be read, as for the program that would read it. */
function certificatesAt(path: string | undefined): readonly string[] {
  if (path === undefined || path === '') return [];
  try {
    const facts = statSync(path);
    if (facts.isDirectory())
      return readdirSync(path)
        .slice(0, MAX_IN_FOLDER)
        .flatMap((name) => fileCertificates(join(path, name)));
    return fileCertificates(path);
  } catch {
    return [];
  }
}

function fileCertificates(path: string): readonly string[] {
  try {
    const facts = statSync(path);
    return facts.isFile() && facts.size <= MAX_BYTES ? certificatesIn(readFileSync(path, 'utf8')) : [];
  } catch {
    return [];
  }
}

/** The person's settings of wget without what is a secret or leads round the proxy. */
function ownWgetrc(env: Readonly<Record<string, string | undefined>>): string {
  const path = env['WGETRC'] ?? (env['HOME'] === undefined ? null : join(env['HOME'], '.wgetrc'));
  if (path === null) return '';
  try {
    if (statSync(path).size > 65536) return '';
    const kept = readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => !/passw|proxy|header|ca_?cert|ca_?dir/i.test(line));
    return `${kept.join('\n')}\n`;
  } catch {
    return '';
  }
}

function systemRoots(): readonly string[] {
  for (const path of SYSTEM_BUNDLES) {
    const found = fileCertificates(path);
    if (found.length > 0) return found;
  }
  // A machine without any: those that every Node brings along.
  return rootCertificates.flatMap(certificatesIn);
}

function derOf(pem: string): readonly Uint8Array[] {
  try {
    return [Uint8Array.from(new X509Certificate(pem).raw)];
  } catch {
    return [];
  }
}
