import { SyncError } from '../../errors.ts';

/** `sslCa` as PEM text: it stands there itself, or names a file. */
export async function readAuthority(authority: string): Promise<string> {
  if (authority.includes('-----BEGIN')) return authority;
  // Not before: it would be loaded with each driver
  const { readFile } = await import('node:fs/promises');
  try {
    return await readFile(authority, 'utf8');
  } catch (cause) {
    throw new SyncError('CONFIG_INVALID', `The certificate authority ${authority} cannot be read.`, { file: authority, field: 'sslCa', cause });
  }
}
