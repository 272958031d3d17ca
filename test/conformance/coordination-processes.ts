/** Real processes at one store: killed, frozen, contending. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Coordination, coordinationOver } from '../../lib/coordination/coordination.ts';
import { program } from '../support/programs.ts';
import { type IdraProcess, spawnIdra } from '../support/spawn-idra.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { checkpoint, hold, release, request, type StoreUnderTest, unique } from './coordination-support.ts';

const script = await program('coordination-child');

export function processSuite(make: () => StoreUnderTest): void {
  describe('several processes', () => {
    let own: Coordination;
    beforeAll(async () => {
      own = coordinationOver(await make().open());
      return () => own[Symbol.asyncDispose]();
    });
    const child = (...parameters: string[]): IdraProcess => spawnIdra(script, { arguments: [JSON.stringify(make().options), ...parameters] });

    it('gets the lock of a holder that was killed, within its TTL', { timeout: 30_000 }, async () => {
      const resource = unique('killed');
      await using holder = child('hold', resource);
      const fence = BigInt((await holder.line(/^held/)).split(' ')[1] ?? 0);
      const refused = await own.locks.acquire(request(resource));
      expect(refused.held).toBe(false);
      if (!refused.held) expect(refused.holders[0]).toContain(`process ${holder.pid}`);
      await holder.kill();
      const begin = performance.now();
      const lock = await hold(own.locks, resource, { waitMs: 15_000 });
      // Its TTL is 2 s; etcd looks at leases each half second, and one that sits on a new leader gets some time more.
      expect(performance.now() - begin).toBeLessThan(6_000);
      expect(lock.fence).toBeGreaterThan(fence);
      await release(lock);
    });

    it('refuses the checkpoint of a holder that was frozen past its lease', { timeout: 30_000 }, async () => {
      const resource = unique('frozen');
      await using zombie = child('hold', resource, 'freeze');
      await zombie.line(/^freezing/);
      await using lock = await hold(own.locks, resource, { waitMs: 15_000 });
      const stored = await own.checkpoints.load(resource, '0');
      const mine = checkpoint(lock.fence);
      await own.checkpoints.save(resource, '0', { checkpoint: mine, expected: stored?.revision ?? 0n, lock });
      zombie.resume();
      expect(await zombie.line(/^refused/)).toBe('refused LOCK_LOST');
      expect(await zombie.line(/^lost/)).toBe('lost true');
      expect(await zombie.exited).toEqual({ code: 0, signal: null });
      expect(await own.checkpoints.load(resource, '0')).toMatchObject({ batchId: mine.batchId });
    });

    it('lets only one at a time into what the lock guards', { timeout: 60_000 }, async () => {
      await using folder = await temporaryFolder();
      const file = join(folder.path, 'count');
      await writeFile(file, '0');
      const resource = unique('contended');
      const children = Array.from({ length: 3 }, () => child('count', resource, file, '15'));
      try {
        for (const each of children) expect(await each.exited, each.stderr.join('\n')).toEqual({ code: 0, signal: null });
        expect(await readFile(file, 'utf8')).toBe('45');
        expect(await own.locks.queue(resource)).toEqual([]);
      } finally {
        for (const each of children) await each[Symbol.asyncDispose]();
      }
    });

    it('keeps no process alive once the lock is released and the store closed', { timeout: 20_000 }, async () => {
      await using leaving = child('leave', unique('leave'));
      await leaving.line(/^done/);
      const begin = performance.now();
      expect(await leaving.exited).toEqual({ code: 0, signal: null });
      expect(performance.now() - begin).toBeLessThan(1_500);
    });
  });
}
