/** Where the demo's rows go: a file beside the sample, or a database of the user's own. */
import path from 'node:path';
import { passwordsInUrl, redactor } from '../../config/redactor.ts';
import { SyncError } from '../../errors.ts';

/** Holds the address in the definitions where it has a password: secrets do not go into files. */
export const urlVariable = 'IDRA_DEMO_URL';

export type TargetType = 'sqlite' | 'postgres' | 'mysql';

export interface Target {
  readonly type: TargetType;
  /** The connection's fields as they go into the definitions. */
  readonly fields: Readonly<Record<string, string>>;
  /** For people, without the password. */
  readonly title: string;
  /** Before the names of the tables: in a foreign database they should not meet others. */
  readonly tablePrefix: string;
  /** The address is in the environment variable, and has to be there for later commands. */
  readonly needsVariable: boolean;
}

/** `to` is a URL, or the path of an SQLite file; without it the file is `copy.db` in the demo's folder. A URL with a password is put into the process's environment. */
export function targetOf(to: string | undefined, folder: string): Target {
  if (to === undefined) {
    const file = path.join(folder, 'copy.db');
    return { type: 'sqlite', fields: { path: file }, title: path.relative('', file), tablePrefix: '', needsVariable: false };
  }
  const scheme = /^([a-z][a-z0-9+]*):\/\//i.exec(to)?.[1]?.toLowerCase();
  if (scheme === undefined) return { type: 'sqlite', fields: { path: path.resolve(to) }, title: to, tablePrefix: 'idra_demo_', needsVariable: false };
  const type = scheme === 'postgres' || scheme === 'postgresql' ? 'postgres' : scheme === 'mysql' || scheme === 'mariadb' ? 'mysql' : null;
  if (type === null) throw new SyncError('CONFIG_INVALID', `--to takes postgres://…, mysql://… or the path of an SQLite file, not ${scheme}://….`);
  const url = to.replace(/^mariadb:/i, 'mysql:');
  const needsVariable = passwordsInUrl(url).length > 0;
  redactor.add(url);
  if (needsVariable) process.env[urlVariable] = url;
  return { type, fields: { url: needsVariable ? `\${env:${urlVariable}}` : url }, title: redactor.redact(url), tablePrefix: 'idra_demo_', needsVariable };
}
