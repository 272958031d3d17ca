import { Document } from 'yaml';
import type { Target } from './target.ts';

/** The demo's syncs.yaml: what a user would write by hand. Paths are absolute, so that it works from every folder. */
export function demoDefinitions(source: string, { type, fields, tablePrefix }: Target): string {
  const ends = (table: string) => ({ source: { connection: 'shop', table }, destination: { connection: 'copy', table: `${tablePrefix}${table}` } });
  const changing = (table: string) => ({ ...ends(table), mode: 'timestamp', cursor: { column: 'updated_at', key: 'id' }, write: 'upsert' });
  const document = new Document({
    connections: { shop: { type: 'sqlite', path: source }, copy: { type, ...fields } },
    syncs: [
      { name: 'customers', every: '10s', ...changing('customers') },
      { name: 'orders', every: '10s', ...changing('orders') },
      { name: 'order_items', every: '10s', ...ends('order_items'), mode: 'id', cursor: { column: 'id' }, write: 'insert' },
    ],
  });
  document.commentBefore = [
    ' Written by `idra demo`; yours to change, and written anew by the next demo.',
    ' customers and orders change: rows are found by (updated_at, id) and updated.',
    ' order_items only grows: rows above the last id are added.',
  ].join('\n');
  return document.toString({ lineWidth: 120, flowCollectionPadding: true });
}
