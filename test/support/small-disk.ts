/** A disk that can really be full: a file system in memory, mounted where that is allowed (root, or sudo without a password). */
import { execFileSync } from 'node:child_process';
import { rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryFolder } from './temporary-folder.ts';

export interface SmallDisk extends AsyncDisposable {
  /** Everybody may write there. */
  readonly path: string;
  /** Takes space away. */
  fill(bytes: number): Promise<void>;
  /** Gives it back. */
  free(): Promise<void>;
}

/** Undefined where nothing may be mounted. */
export async function smallDisk(bytes: number): Promise<SmallDisk | undefined> {
  const folder = await temporaryFolder();
  const as = process.getuid?.() === 0 ? [] : ['sudo', '-n'];
  const run = (...words: string[]): void => {
    const [command = '', ...parameters] = [...as, ...words];
    execFileSync(command, parameters, { stdio: 'pipe' });
  };
  try {
    run('mount', '-t', 'tmpfs', '-o', `size=${bytes},mode=1777`, 'idra-test', folder.path);
  } catch {
    // No right, no such file system, no such command: the caller says what is not tested then
    await folder[Symbol.asyncDispose]();
    return undefined;
  }
  const filler = join(folder.path, 'filler');
  return {
    path: folder.path,
    fill: (size) => writeFile(filler, Buffer.alloc(size, 1)),
    free: async () => {
      await truncate(filler);
      await rm(filler);
    },
    [Symbol.asyncDispose]: async () => {
      // A server may hold a file of it open for a moment
      run('umount', '-l', folder.path);
      await folder[Symbol.asyncDispose]();
    },
  };
}
