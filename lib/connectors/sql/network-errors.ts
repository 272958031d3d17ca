/** Codes by which Node itself says that a connection failed; drivers add codes of their own. */

/** No connection could be made, or it was lost: https://nodejs.org/api/errors.html#common-system-errors */
export const networkErrors: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ECONNABORTED',
]);

const encryption = /^(CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|ERR_TLS|ERR_SSL|EPROTO|HOSTNAME_MISMATCH)/;

/** The connection could not be encrypted, or the certificate is not to be believed. */
export function isEncryptionError(code: string): boolean {
  return encryption.test(code);
}
