import { SyncError, toSyncError } from '../../errors.ts';

/** The code that SQLite or the file system gave, such as `SQLITE_FULL` or `EACCES`. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

/** Another connection has the file for the moment: the same call may pass a little later. */
export function isBusy(error: unknown): boolean {
  const code = codeOf(error);
  return code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED');
}

/** Errors of SQLite and the file system by their codes; extended codes (`SQLITE_IOERR_WRITE`) go with their class. */
export function storeError(error: unknown, path: string): SyncError {
  if (error instanceof SyncError) return error;
  const code = codeOf(error);
  if (code === '') return toSyncError(error);
  if (isBusy(error)) {
    return new SyncError(
      'STORE_UNAVAILABLE',
      `The state file ${path} is held by another process, and stayed so: end that process or name another file with --state.`,
      {
        retry: 'backoff',
        cause: error,
      },
    );
  }
  switch (code.split('_').slice(0, 2).join('_')) {
    case 'SQLITE_FULL':
    case 'ENOSPC':
    case 'EDQUOT':
      return new SyncError('DISK_FULL', `No space is left for the state file ${path}: free some, then run again.`, { cause: error });
    case 'SQLITE_CANTOPEN':
    case 'SQLITE_READONLY':
    case 'SQLITE_PERM':
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new SyncError(
        'PERMISSION_DENIED',
        `The state file ${path} may not be written (${code}): make its folder writable or name another file with --state.`,
        {
          cause: error,
        },
      );
    case 'ENOTDIR':
    case 'EEXIST':
    case 'EISDIR':
    case 'ENOENT':
    case 'ENAMETOOLONG':
      return new SyncError('CONFIG_INVALID', `${path} cannot be a state file (${code}): name another one with --state.`, { cause: error });
    case 'SQLITE_NOTADB':
    case 'SQLITE_CORRUPT':
      return new SyncError(
        'STORE_UNAVAILABLE',
        `The state file ${path} is damaged (${code}): move it away and run with --existing adopt; each destination holds its own position, and the syncs go on from there.`,
        { cause: error },
      );
    default:
      return new SyncError('STORE_UNAVAILABLE', `The state file ${path} cannot be used (${code}): look at its disk and try again.`, {
        retry: 'backoff',
        cause: error,
      });
  }
}
