/** The wall clock, by which the leases of a state file run, may be set. */
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { expect, it } from 'vitest';
import { EmbeddedStore } from '../../lib/coordination/embedded/store.ts';
import { lockManager } from '../../lib/coordination/lock.ts';
import { request, unique } from '../conformance/coordination-support.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

it.each(['a store that is open', 'one that is opened then'])(
  'no lock outlives its dead holder by more than its time where the clock was set back, for %s',
  async (who) => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'state.db');
    const resource = unique('orders');
    const held = { ...request(resource), ttlSeconds: 1 };
    await using store = await EmbeddedStore.open(path);
    const lease = await store.grant(1);
    await store.txn({ compare: [], success: [{ op: 'put', key: `lock/${resource}/w/dead`, value: '{}', lease }] });
    // An hour too early on the clock that was set back is an hour too late in the file
    const file = new Sqlite(path);
    file.exec('update leases set expires_at = expires_at + 3600000');
    file.close();
    const other = who.includes('opened') ? await EmbeddedStore.open(path) : store;
    await using _other = other === store ? null : other;
    const outcome = await lockManager(other).acquire({ ...held, waitMs: 10_000 });
    if (!outcome.held) throw new Error('the dead one holds it still');
    expect(outcome.lock.resource).toBe(resource);
    await outcome.lock[Symbol.asyncDispose]();
  },
);
