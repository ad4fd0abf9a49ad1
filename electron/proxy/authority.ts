import 'reflect-metadata';
import { randomBytes, webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import { createSecureContext, type SecureContext } from 'node:tls';
import * as x509 from '@peculiar/x509';

/** Contexts kept; the one that was not used for longest goes first. */
const MAX_LEAVES = 512;
const DAY_MS = 86_400_000;
/** A leaf lives this long and is made anew a day before. Clients refuse server certificates of more than 398 days. */
const LEAF_DAYS = 30;

/** Makes certificates for the names that clients ask for. */
export interface Authority {
  /** The context for a host name or address; rejects when the authority's key cannot sign. */
  context(host: string): Promise<SecureContext>;
}

/**
 * Opens the authority: leaf certificates of EC P-256 with the name (or address) as their one subject alternative name, all with one key of
 * this process. `extended` keeps them to servers.
 */
export async function openAuthority(caCertificatePem: string, caKeyPem: string): Promise<Authority> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const ca = new x509.X509Certificate(caCertificatePem);
  const caKey = await webcrypto.subtle.importKey(
    'pkcs8',
    x509.PemConverter.decodeFirst(caKeyPem),
    algorithm,
    false,
    ['sign'],
  );
  const leafKeys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const leafKeyPem = x509.PemConverter.encode(
    await webcrypto.subtle.exportKey('pkcs8', leafKeys.privateKey),
    'PRIVATE KEY',
  );
  const authorityKey = await x509.AuthorityKeyIdentifierExtension.create(ca, false, webcrypto);
  const subjectKey = await x509.SubjectKeyIdentifierExtension.create(leafKeys.publicKey, false, webcrypto);
  const leaves = new Map<string, { readonly context: Promise<SecureContext>; readonly until: number }>();

  const make = async (host: string): Promise<SecureContext> => {
    const serial = randomBytes(16);
    serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
    const leaf = await x509.X509CertificateGenerator.create(
      {
        serialNumber: serial.toString('hex'),
        // A common name holds 64 characters; who looks there at all looks at the alternative names first.
        subject: [{ CN: [host.slice(0, 64)] }],
        issuer: ca.subjectName,
        notBefore: new Date(Date.now() - DAY_MS),
        notAfter: new Date(Math.min(Date.now() + LEAF_DAYS * DAY_MS, ca.notAfter.getTime())),
        publicKey: leafKeys.publicKey,
        signingKey: caKey,
        signingAlgorithm: algorithm,
        extensions: [
          new x509.SubjectAlternativeNameExtension([{ type: isIP(host) === 0 ? 'dns' : 'ip', value: host }]),
          new x509.BasicConstraintsExtension(false, undefined, true),
          new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
          new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
          authorityKey,
          subjectKey,
        ],
      },
      webcrypto,
    );
    return createSecureContext({
      key: leafKeyPem,
      cert: `${leaf.toString('pem')}\n${caCertificatePem}`,
      minVersion: 'TLSv1.2',
    });
  };

  return {
    context: (host) => {
      const found = leaves.get(host);
      leaves.delete(host);
      const leaf =
        found !== undefined && found.until > Date.now()
          ? found
          : { context: make(host), until: Date.now() + (LEAF_DAYS - 1) * DAY_MS };
      leaves.set(host, leaf);
      leaf.context.catch(() => leaves.delete(host));
      if (leaves.size > MAX_LEAVES) {
        const oldest = leaves.keys().next();
        if (oldest.done !== true) leaves.delete(oldest.value);
      }
      return leaf.context;
    },
  };
}
