import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** Below the ports from which systems take those of outgoing connections (from 32768 on, or 49152): hundreds of clients come and go while a server starts. */
const range = [10_240, 32_767] as const;

/** A loopback port that was free a moment ago, by chance: two who ask at once hardly ever get the same. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = randomInt(...range);
    if (await isFree(port)) return port;
  }
  throw new Error('no loopback port is free');
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer();
  const { promise, resolve } = Promise.withResolvers<boolean>();
  probe.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  return promise;
}
