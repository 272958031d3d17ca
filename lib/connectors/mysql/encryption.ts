/** What the driver leaves out of TLS: the comparison of a certificate with an address, and the reason of a failure. */
import { isIP } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type mysql from 'mysql2';
import { SyncError } from '../../errors.ts';
import type { Settings } from './settings.ts';

/** The driver's own method, called before anything is sent on the encrypted connection, and its socket. */
interface Upgrading {
  stream: TLSSocket;
  startTLS(onSecure: (error?: Error) => void): void;
}

export interface Encryption {
  /** Throws where the identity had to be compared and was not. */
  assertCompared(): void;
  /** The error by its first code: the driver puts one of its own in its place. */
  explained(error: unknown): unknown;
}

/**
 * For an address the driver gives TLS no name, and Node compares the certificate with `localhost` then: so the comparison is made here. To be called before the server's greeting
 * is read, that is in the same turn in which the connection was made.
 */
export function watchEncryption(connection: mysql.Connection, { host, tls, name }: Settings): Encryption {
  const upgrading = connection as unknown as Upgrading;
  const start = upgrading.startTLS;
  const compares = tls?.verifyIdentity === true && isIP(host) !== 0;
  let compared = false;
  let code: unknown;
  upgrading.startTLS = (onSecure) => {
    start.call(upgrading, (failure) => {
      let error = failure;
      if (error === undefined && compares) {
        // Loaded by then: an unencrypted connection does not wait for it
        error = process.getBuiltinModule('node:tls').checkServerIdentity(host, upgrading.stream.getPeerCertificate());
        compared = error === undefined;
      }
      if (error !== undefined && 'code' in error) code = error.code;
      onSecure(error);
    });
  };
  return {
    assertCompared: () => {
      if (compares && !compared)
        throw new SyncError('INTERNAL', `The certificate of ${name} was not compared with its address: this release of Idra does not fit its MySQL driver.`);
    },
    explained: (error) => (error instanceof Error && typeof code === 'string' ? Object.assign(error, { code }) : error),
  };
}

/** As the driver takes it. The comparison with an address is not its business. */
export function driverTls({ host, tls }: Settings): mysql.SslOptions | undefined {
  return tls === undefined ? undefined : { ...tls, verifyIdentity: tls.verifyIdentity && isIP(host) === 0 };
}
