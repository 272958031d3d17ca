import { join } from 'node:path';
import { temporaryFolder } from '../temporary-folder.ts';
import type { Fresh } from './fresh.ts';

/** Path of a database file that does not exist yet, in a folder that goes with it. */
export async function freshSqlite(name: string): Promise<Fresh> {
  const folder = await temporaryFolder();
  return { url: join(folder.path, `${name}.db`), name, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}
