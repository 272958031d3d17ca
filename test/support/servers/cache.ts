import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What servers need that is fetched once and kept: class paths, Python environments. */
export const cacheFolder = fileURLToPath(new URL('../../../.cache/test-servers', import.meta.url));

/**
 * Fills `name` in the cache, once; resolves with its path. Two runs at a time may both do the work, and the first to finish has it kept: nobody ever sees a folder that
 * is half made.
 */
export async function cached(name: string, fill: (folder: string) => Promise<void>): Promise<string> {
  const kept = join(cacheFolder, name);
  if (existsSync(kept)) return kept;
  const making = `${kept}.${process.pid}`;
  await rm(making, { recursive: true, force: true });
  await mkdir(making, { recursive: true });
  try {
    await fill(making);
    await rename(making, kept).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(making, { recursive: true, force: true });
  }
  return kept;
}
