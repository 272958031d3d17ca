/** The statements that take a batch's rows to the table, by write mode. */
import type { WriteMode } from '../connector.ts';
import { qualified } from '../sql/dialect.ts';
import { createStage } from './create-table.ts';
import { mysqlDialect, quote } from './dialect.ts';
import { ownName, type ReadyTable } from './target.ts';

export interface Sink {
  /** Where rows are loaded to. */
  readonly into: string;
  /** A later row of the same key takes the place of an earlier one. */
  readonly replace: boolean;
  /** The target's own rows are locked while the batch is loaded: two batches must not load at once. */
  readonly direct: boolean;
  /** Run on each connection before the first batch, outside any transaction. */
  readonly prepare: readonly string[];
  /** Take the loaded rows to the target, in the transaction. */
  readonly merge: readonly string[];
  /** Put the staged rows in the place of the old ones, in the transaction of the last batch. */
  readonly final: readonly string[];
  /** Empties the stage for a pass that begins anew. */
  readonly restart: string | null;
}

export function sinkFor(table: ReadyTable, write: WriteMode, sync: { sync: string; shard: string }): Sink {
  const { into, columns, incoming, marker } = table;
  const names = columns.map(({ name }) => quote(name));
  const list = names.join(', ');
  const nothing = { prepare: [], merge: [], final: [], restart: null };
  if (write === 'insert') return { ...nothing, into, replace: false, direct: true };
  if (write === 'replace') {
    const stage = qualified(mysqlDialect, table.schema, ownName('stage', { ...sync, table: table.name }));
    return {
      ...nothing,
      into: stage,
      replace: false,
      direct: true,
      final: [`DELETE FROM ${into}`, `INSERT INTO ${into} (${list}) SELECT ${list} FROM ${stage}`, `DELETE FROM ${stage}`],
      restart: `DELETE FROM ${stage}`,
    };
  }
  if (table.upsert === 'replace') return { ...nothing, into, replace: true, direct: true };
  const stage = qualified(mysqlDialect, table.schema, ownName('load', { ...sync, table: table.name }));
  return {
    ...nothing,
    into: stage,
    replace: true,
    direct: false,
    prepare: [createStage(stage, columns, { temporary: true, key: incoming.key })],
    merge: [
      ...merge({ into, stage, names, key: incoming.key.map(quote), marker: marker === null ? null : quote(marker) }, table.upsert),
      `DELETE FROM ${stage}`,
    ],
  };
}

interface MergeParts {
  readonly into: string;
  readonly stage: string;
  readonly names: readonly string[];
  readonly key: readonly string[];
  readonly marker: string | null;
}

/**
 * `merge` is one statement, safe where the key is the only unique one: ON DUPLICATE KEY UPDATE changes whatever row it meets on any unique key. With
 * other unique keys rows are found by the key alone, and a clash on another key is an error.
 */
function merge({ into, stage, names, key, marker }: MergeParts, way: ReadyTable['upsert']): string[] {
  const set = [...names.map((name) => `t.${name} = s.${name}`), ...(marker === null ? [] : [`t.${marker} = NULL`])];
  const select = names.map((name) => `s.${name}`).join(', ');
  if (way === 'merge') {
    // INSERT has no alias for its table that both MySQL and MariaDB know
    const update = [...names.map((name) => `${into}.${name} = s.${name}`), ...(marker === null ? [] : [`${into}.${marker} = NULL`])];
    return [`INSERT INTO ${into} (${names.join(', ')}) SELECT ${select} FROM ${stage} AS s ON DUPLICATE KEY UPDATE ${update.join(', ')}`];
  }
  const on = key.map((name) => `t.${name} = s.${name}`).join(' AND ');
  return [
    `UPDATE ${into} AS t JOIN ${stage} AS s ON ${on} SET ${set.join(', ')}`,
    `INSERT INTO ${into} (${names.join(', ')}) SELECT ${select} FROM ${stage} AS s LEFT JOIN ${into} AS t ON ${on} WHERE t.${key[0]} IS NULL`,
  ];
}
