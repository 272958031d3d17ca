/** SIGINT and SIGTERM: the first asks for a stop at a clean boundary, the second ends the process at once. */
import { SyncError } from '../errors.ts';

/** 128 + the signal's number, as shells have it. */
const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const;

/** Under `npm run` one Ctrl-C arrives twice: from the terminal and, passed on, from npm. */
const echoMs = 250;

export interface Stop extends Disposable {
  readonly signal: AbortSignal;
  /** Exit status of the signal that came, else null. */
  readonly exitCode: number | null;
}

export function stopOnSignals(onFirst: () => void): Stop {
  const controller = new AbortController();
  let exitCode: number | null = null;
  let firstAt = 0;
  const listener = (name: keyof typeof exitCodes) => {
    if (exitCode !== null) {
      if (Date.now() - firstAt > echoMs) process.exit(exitCodes[name]);
      return;
    }
    firstAt = Date.now();
    exitCode = exitCodes[name];
    onFirst();
    controller.abort(new SyncError('CANCELLED', `stopped by ${name}`, { retry: 'now' }));
  };
  const onInterrupt = () => listener('SIGINT');
  const onTerminate = () => listener('SIGTERM');
  process.on('SIGINT', onInterrupt);
  process.on('SIGTERM', onTerminate);
  return {
    signal: controller.signal,
    get exitCode() {
      return exitCode;
    },
    [Symbol.dispose]() {
      process.off('SIGINT', onInterrupt);
      process.off('SIGTERM', onTerminate);
    },
  };
}
