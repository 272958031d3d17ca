import type { SyncDefinition } from '../../lib/config/definition.ts';
import type { Schema } from '../../lib/values/types.ts';

/** A definition with every default, for tests of single steps. */
export function definition(changes: Partial<SyncDefinition> = {}): SyncDefinition {
  return {
    name: 'orders',
    enabled: true,
    schedule: null,
    source: { connection: 'a', options: { table: 'orders' } },
    destination: { connection: 'b', options: { table: 'orders' } },
    columns: { rename: {} },
    mask: {},
    mode: 'id',
    cursor: { column: 'id', key: [], lookbackSeconds: 0, nulls: 'refuse' },
    key: [],
    write: 'insert',
    deletes: 'ignore',
    softDeleteColumn: '_deleted_at',
    schema: 'evolve',
    batch: { rows: 50_000, bytes: 16 * 1024 * 1024 },
    lock: { mode: 'exclusive', waitMs: 0, resource: 'orders', ttlSeconds: 30 },
    onError: 'stop',
    ...changes,
  };
}

export const orders: Schema = {
  name: 'public.orders',
  columns: [
    { name: 'id', type: { kind: 'int64' }, nullable: false },
    { name: 'email', type: { kind: 'string', maxLength: 100 }, nullable: true },
    { name: 'total', type: { kind: 'decimal', precision: 38, scale: 20 }, nullable: true },
  ],
  key: ['id'],
};
