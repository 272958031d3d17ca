import { SyncError } from '../errors.ts';

/** Options that several commands share, as the command line gives them. */
export interface CommonFlags {
  readonly sync?: readonly string[];
  readonly state?: string;
  readonly etcd?: string;
  readonly json?: boolean;
}

/**
 * `--sync a b FILE`: the option takes every word that follows, the file too. A last word that looks like a file's name, where none was given, is that file.
 */
export function fileAndNames(
  file: string | undefined,
  names: readonly string[] | undefined,
): { readonly file: string | undefined; readonly names: readonly string[] | undefined } {
  const last = names?.at(-1);
  if (names === undefined || file !== undefined || last === undefined || !/\.(ya?ml|json)$/i.test(last)) return { file, names };
  if (names.length === 1) throw new SyncError('CONFIG_INVALID', `--sync takes names of syncs, and ${last} looks like a file: put it first, or name a sync.`);
  return { file: last, names: names.slice(0, -1) };
}
