import { type StatsListener, unwatchFile, watchFile } from 'node:fs';

/** Tells when a file has another time or size than before. By polling: editors that replace files and network folders leave other means blind. */
export class FileWatch implements Disposable {
  readonly #path: string;
  readonly #listener: StatsListener;
  #isChanged = false;
  #wake: (() => void) | null = null;

  constructor(path: string, intervalMs = 1000) {
    this.#path = path;
    this.#listener = (now, before) => {
      // A file that is gone is about to be replaced, or is missed at the next start: nothing to read yet.
      if (now.mtimeMs === 0 || (now.mtimeMs === before.mtimeMs && now.size === before.size)) return;
      this.#isChanged = true;
      this.#wake?.();
    };
    watchFile(path, { interval: intervalMs }, this.#listener);
  }

  /** Resolves to true at the next change, at once where one came since the last call; to false when the signal aborts. */
  async changed(signal: AbortSignal): Promise<boolean> {
    if (!this.#isChanged && !signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
      this.#wake = null;
    }
    if (signal.aborted) return false;
    this.#isChanged = false;
    return true;
  }

  [Symbol.dispose](): void {
    unwatchFile(this.#path, this.#listener);
  }
}
