// A server of the outside world with an authority of its own: what arrives there has left the session.
import 'reflect-metadata';
import { spawn } from 'node:child_process';
import { createPrivateKey, randomBytes, webcrypto } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { Socket } from 'node:net';
import * as x509 from '@peculiar/x509';

/** Loopback, and yet not one of the names that clients leave a proxy out for. */
export const ORIGIN_HOST = '127.0.0.2';
const CURVE = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const SIGNING = { name: 'ECDSA', hash: 'SHA-256' } as const;

export interface Heard {
  readonly method: string;
  readonly path: string;
  readonly body: Buffer;
}

export interface Origin {
  readonly url: string;
  readonly port: number;
  /** PEM of the authority that signed it. */
  readonly authority: string;
  /** Every request that arrived, whole. */
  readonly heard: Heard[];
  /** Connections that arrived, also those that said nothing. */
  readonly connections: () => number;
  close(): Promise<void>;
}

export type Serve = (request: Heard, response: ServerResponse, raw: IncomingMessage) => boolean;

/** Starts an HTTPS server on a port of its own; `serve` answers what it knows, and everything else gets a greeting. */
export async function openOrigin(serve: Serve = () => false): Promise<Origin> {
  const authority = await makeAuthority();
  const leaf = await makeLeaf(authority);
  const heard: Heard[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer({ key: leaf.key, cert: leaf.certificate }, (raw, response) => {
    const chunks: Buffer[] = [];
    raw.on('error', () => undefined);
    raw.on('data', (chunk: Buffer) => void chunks.push(chunk));
    raw.on('end', () => {
      const request = { method: raw.method ?? '', path: raw.url ?? '', body: Buffer.concat(chunks) };
      heard.push(request);
      if (serve(request, response, raw)) return;
      response.setHeader('content-type', 'text/plain');
      response.end(`hello from ${request.path}\n`);
    });
  });
  server.on('connection', (socket: Socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, ORIGIN_HOST, () => resolve()));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `https://${ORIGIN_HOST}:${port}`,
    port,
    authority: authority.certificate.toString('pem'),
    heard,
    connections: () => connections,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** Serves bare repositories below `root` over smart HTTP, at `/git/NAME`. */
export function gitBackend(root: string): Serve {
  return (request, response, raw) => {
    if (!request.path.startsWith('/git/')) return false;
    const [path = '', query = ''] = request.path.slice('/git'.length).split('?');
    const child = spawn('git', ['http-backend'], {
      env: {
        PATH: process.env['PATH'],
        GIT_PROJECT_ROOT: root,
        GIT_HTTP_EXPORT_ALL: '1',
        PATH_INFO: path,
        QUERY_STRING: query,
        REQUEST_METHOD: request.method,
        CONTENT_TYPE: raw.headers['content-type'] ?? '',
        HTTP_CONTENT_ENCODING: raw.headers['content-encoding'] ?? '',
        GIT_PROTOCOL: String(raw.headers['git-protocol'] ?? ''),
        CONTENT_LENGTH: String(request.body.length),
        REMOTE_USER: 'tester',
        GIT_CONFIG_COUNT: '1',
        GIT_CONFIG_KEY_0: 'safe.directory',
        GIT_CONFIG_VALUE_0: '*',
      },
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    const out: Buffer[] = [];
    child.stdin.on('error', () => undefined);
    child.stdin.end(request.body);
    child.stdout.on('data', (chunk: Buffer) => void out.push(chunk));
    child.on('close', () => {
      const all = Buffer.concat(out);
      const split = all.indexOf('\r\n\r\n');
      for (const line of all.toString('latin1', 0, Math.max(0, split)).split('\r\n')) {
        const colon = line.indexOf(':');
        const name = line.slice(0, colon).toLowerCase();
        const value = line.slice(colon + 1).trim();
        if (name === 'status') response.statusCode = Number(value.slice(0, 3));
        else if (colon > 0) response.setHeader(name, value);
      }
      response.end(all.subarray(split + 4));
    });
    return true;
  };
}

interface TestAuthority {
  readonly keys: webcrypto.CryptoKeyPair;
  readonly certificate: x509.X509Certificate;
}

async function makeAuthority(): Promise<TestAuthority> {
  const keys = await webcrypto.subtle.generateKey(CURVE, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: `01${randomBytes(8).toString('hex')}`,
    name: [{ CN: ['Test of the outside world'] }],
    notBefore: new Date(Date.now() - 3_600_000),
    notAfter: new Date(Date.now() + 3_600_000),
    keys,
    signingAlgorithm: SIGNING,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { keys, certificate };
}

async function makeLeaf({
  keys: issuer,
  certificate: signer,
}: TestAuthority): Promise<{ key: string; certificate: string }> {
  const keys = await webcrypto.subtle.generateKey(CURVE, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: `01${randomBytes(8).toString('hex')}`,
    subject: [{ CN: [ORIGIN_HOST] }],
    issuer: signer.subject,
    notBefore: new Date(Date.now() - 3_600_000),
    notAfter: new Date(Date.now() + 3_600_000),
    publicKey: keys.publicKey,
    signingKey: issuer.privateKey,
    signingAlgorithm: SIGNING,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension([{ type: 'ip', value: ORIGIN_HOST }]),
      await x509.AuthorityKeyIdentifierExtension.create(signer),
    ],
  });
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey));
  const key = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
  return {
    key: key.export({ format: 'pem', type: 'pkcs8' }).toString(),
    certificate: certificate.toString('pem'),
  };
}
