import { createServer } from 'node:net';

/** A loopback port that was free a moment ago. Another process may take it before the server does: a start that fails is tried again on another. */
export async function freePort(): Promise<number> {
  const probe = createServer();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  probe.once('error', reject).listen(0, '127.0.0.1', resolve);
  await promise;
  const address = probe.address();
  await new Promise((done) => probe.close(done));
  if (address === null || typeof address === 'string') throw new Error('no loopback port is free');
  return address.port;
}
