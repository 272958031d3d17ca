/** An authority, and certificates of it, made anew by openssl: for 127.0.0.1 and localhost, unless `altNames` says otherwise in openssl's words. */
import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface Certificate {
  /** PEM text, as is `key` (PKCS #8). */
  readonly cert: string;
  readonly key: string;
}

const fresh = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

export async function certificates<Name extends string>(
  folder: string,
  names: readonly Name[],
  altNames: Partial<Record<Name, string>> = {},
): Promise<{ ca: string; of: Record<Name, Certificate> }> {
  const openssl = (...parameters: string[]): void => void execFileSync('openssl', parameters, { cwd: folder, stdio: 'pipe' });
  const read = (name: string): Promise<string> => readFile(join(folder, name), 'utf8');
  openssl('req', '-x509', ...fresh, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=test authority');
  const made: Partial<Record<Name, Certificate>> = {};
  for (const name of names) {
    const [key, request, cert] = [`${name}.key`, `${name}.csr`, `${name}.pem`];
    openssl(
      'req',
      ...fresh,
      '-keyout',
      key,
      '-out',
      request,
      '-subj',
      `/CN=${name}`,
      '-addext',
      `subjectAltName=${altNames[name] ?? 'IP:127.0.0.1,DNS:localhost'}`,
    );
    openssl('x509', '-req', '-in', request, '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-copy_extensions', 'copy', '-out', cert);
    made[name] = { cert: await read(cert), key: await read(key) };
  }
  return { ca: await read('ca.pem'), of: made as Record<Name, Certificate> };
}
