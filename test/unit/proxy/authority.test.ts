import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { connect, createServer } from 'node:tls';
import { openAuthority } from '../../../electron/proxy/authority.ts';
import { makeAuthority } from '../../support/certificates.ts';

/** What a strict client says of the certificate that the authority makes for a host. */
async function seenBy(host: string, asked: string): Promise<string> {
  const ca = await makeAuthority('Countersign of a test');
  const authority = await openAuthority(ca.cert, ca.key);
  const context = await authority.context(host);
  const server = createServer({ SNICallback: (_name, done) => done(null, context) }, (socket) =>
    socket.end(),
  );
  server.setSecureContext({});
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect({
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    servername: asked,
    ca: ca.cert,
  });
  const said = await new Promise<string>((settle) => {
    socket.once('secureConnect', () => settle(socket.getPeerCertificate().subjectaltname ?? ''));
    socket.once('error', (error: NodeJS.ErrnoException) => settle(error.code ?? ''));
  });
  socket.destroy();
  server.close();
  return said;
}

test('a certificate is good for the name that it was made for, and for no other', async () => {
  assert.equal(await seenBy('one.test', 'one.test'), 'DNS:one.test');
  assert.equal(await seenBy('one.test', 'two.test'), 'ERR_TLS_CERT_ALTNAME_INVALID');
});

test('a name longer than a common name may be has a certificate too', async () => {
  const long = `${'a'.repeat(60)}.${'b'.repeat(60)}.test`;
  assert.equal(await seenBy(long, long), `DNS:${long}`);
});

test('a certificate is made once for a host, and forgotten when too many others were', async () => {
  const ca = await makeAuthority('Countersign of a test');
  const authority = await openAuthority(ca.cert, ca.key);
  const first = await authority.context('one.test');
  assert.equal(await authority.context('one.test'), first);
  for (let i = 0; i < 513; i += 1) await authority.context(`h${i}.test`);
  assert.notEqual(await authority.context('one.test'), first);
});
