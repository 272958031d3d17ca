import { beforeAll } from 'vitest';
import type { EtcdOptions } from '../../lib/coordination/etcd/options.ts';
import { EtcdStore } from '../../lib/coordination/etcd/store.ts';
import { coordinationSuite } from '../conformance/coordination.ts';
import { freshDatabase } from '../support/fresh.ts';
import { describeWith } from '../support/servers.ts';

await describeWith(['etcd'], 'etcd store', () => {
  let etcd: EtcdOptions;
  beforeAll(async () => {
    const fresh = await freshDatabase('etcd');
    etcd = { hosts: fresh.url.split(','), prefix: fresh.name };
    return () => fresh[Symbol.asyncDispose]();
  });
  coordinationSuite(() => ({ open: () => EtcdStore.open(etcd), options: { etcd } }));
});
