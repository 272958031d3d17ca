import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';

/** Where Node keeps what it has compiled for workers and for the processes that tests start. */
export const compiledFolder = path.resolve(import.meta.dirname, '../../../.cache/compiled');

const keptMs = 2 * 86_400_000;

/** Each change of a file leaves what was compiled of it before, and Node removes nothing. What is still in use is compiled once more. */
export function removeOldCode(): void {
  mkdirSync(compiledFolder, { recursive: true });
  for (const entry of readdirSync(compiledFolder, { recursive: true, withFileTypes: true, encoding: 'utf8' })) {
    const file = path.join(entry.parentPath, entry.name);
    // Another run may be at it as well
    const found = entry.isFile() ? statSync(file, { throwIfNoEntry: false }) : undefined;
    if (found !== undefined && found.mtimeMs < Date.now() - keptMs) rmSync(file, { force: true });
  }
}
