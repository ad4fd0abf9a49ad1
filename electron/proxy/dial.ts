import { lookup } from 'node:dns/promises';
import { connect, isIP, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import {
  checkServerIdentity,
  connect as connectTls,
  createSecureContext,
  getCACertificates,
  type SecureContext,
  type TLSSocket,
} from 'node:tls';
import ipaddr from 'ipaddr.js';
import { err, ok, type Result } from '../core/result.ts';
import type { DialFault } from './protocol-handler.ts';

const DIAL_MS = 10_000;

/** What a name led to, once. */
export interface Resolution {
  /** The one address that is judged and dialled. */
  readonly address: string;
  /** It is no address of the public network, though the name does not say so. */
  readonly near: boolean;
}

/** True for every address that is not one of the public network: loopback, private, link-local, metadata, multicast … */
export function isNearAddress(address: string): boolean {
  try {
    return ipaddr.process(address).range() !== 'unicast';
  } catch {
    return true;
  }
}

/** True for a host that says itself that it is near: an address, or a name of the loopback. */
export function saysNear(host: string): boolean {
  return isIP(host) !== 0 || host === 'localhost' || host.endsWith('.localhost');
}

/**
 * Resolves a host. When one of its addresses is near, that is the one: policy judges the worst that a name leads to, and rebinding finds
 * nobody who asks twice.
 */
export async function resolveHost(host: string): Promise<Result<Resolution, DialFault>> {
  if (isIP(host) !== 0) return ok({ address: host, near: false });
  try {
    const found = await lookup(host, { all: true, order: 'verbatim' });
    const near = found.find(({ address }) => isNearAddress(address));
    // With both families there, a machine without IPv6 would wait in vain.
    const plain = found.find(({ family }) => family === 4) ?? found[0];
    const chosen = near ?? plain;
    if (chosen === undefined) throw new Error('no address');
    return ok({ address: chosen.address, near: near !== undefined && !saysNear(host) });
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? 'no answer';
    return err({
      code: 'unresolved',
      message: `the name \`${host}\` leads nowhere (${why}); check the spelling and the network`,
    });
  }
}

/** Connects to an address, not to a name. */
export function dialAddress(address: string, port: number, host: string): Promise<Result<Socket, DialFault>> {
  return new Promise((settle) => {
    const socket = connect({ host: address, port, noDelay: true });
    const fail = (code: DialFault['code'], why: string): void => {
      clearTimeout(timer);
      socket.destroy();
      settle(
        err({
          code,
          message: `\`${host}\` port ${port} cannot be reached (${why}); is it up, and is the network?`,
        }),
      );
    };
    const timer = setTimeout(() => fail('timed-out', `no answer in ${DIAL_MS / 1000} s`), DIAL_MS);
    const failed = (error: NodeJS.ErrnoException): void => fail('unreachable', error.code ?? 'refused');
    socket.once('error', failed);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.off('error', failed);
      // Whoever uses it says what an error means; until then one must not end the process.
      socket.on('error', () => undefined);
      settle(ok(socket));
    });
  });
}

/** Roots that upstream certificates are checked against. */
export function upstreamRoots(extraRoots: readonly string[]): SecureContext {
  const roots = new Set([
    ...getCACertificates('system'),
    ...getCACertificates('bundled'),
    ...getCACertificates('extra'),
    ...extraRoots,
  ]);
  return createSecureContext({ ca: [...roots], minVersion: 'TLSv1.2' });
}

/**
 * Opens TLS to upstream. The certificate must be good for `host` and lead to one of the roots; nothing is written before that is known.
 */
export function secureUpstream(
  socket: Duplex,
  host: string,
  secureContext: SecureContext,
  protocols: readonly string[],
): Promise<Result<TLSSocket, DialFault>> {
  return new Promise((settle) => {
    const tls = connectTls({
      socket,
      secureContext,
      rejectUnauthorized: true,
      ALPNProtocols: [...protocols],
      ...(isIP(host) === 0 ? { servername: host } : {}),
      checkServerIdentity: (_name, certificate) => checkServerIdentity(host, certificate),
    });
    const fail = (fault: DialFault): void => {
      clearTimeout(timer);
      tls.destroy();
      socket.destroy();
      settle(err(fault));
    };
    const timer = setTimeout(
      () => fail({ code: 'timed-out', message: `\`${host}\` did not open TLS in ${DIAL_MS / 1000} s` }),
      DIAL_MS,
    );
    const failed = (error: NodeJS.ErrnoException): void => fail(tlsFault(host, error));
    const closed = (): void =>
      fail({ code: 'tls', message: `\`${host}\` closed the connection before TLS was open` });
    tls.once('error', failed);
    tls.once('close', closed);
    tls.once('secureConnect', () => {
      clearTimeout(timer);
      tls.off('error', failed);
      tls.off('close', closed);
      tls.on('error', () => undefined);
      settle(ok(tls));
    });
  });
}

const CERTIFICATE =
  /CERT|SELF_SIGNED|ISSUER|UNABLE_TO|ALTNAME|CHAIN|CRL|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE/;

function tlsFault(host: string, error: NodeJS.ErrnoException): DialFault {
  const code = error.code ?? 'unknown';
  return CERTIFICATE.test(code) && !code.startsWith('ERR_SSL')
    ? {
        code: 'bad-certificate',
        message: `the certificate of \`${host}\` is not good (${CERTIFICATE_WORDS[code] ?? code}), so somebody else may have answered; nothing was sent. Where this is the right server, the person adds its authority to COUNTERSIGN_EXTRA_ROOTS and starts the daemon again`,
      }
    : { code: 'tls', message: `TLS with \`${host}\` failed (${code}); nothing was sent` };
}

const CERTIFICATE_WORDS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'it has expired',
  CERT_NOT_YET_VALID: 'it is not valid yet',
  ERR_TLS_CERT_ALTNAME_INVALID: 'it is for another host',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'it is signed by itself',
  SELF_SIGNED_CERT_IN_CHAIN: 'its authority is not a known one',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its authority is not a known one',
  UNABLE_TO_GET_ISSUER_CERT: 'its authority is not a known one',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its authority is not a known one',
};
