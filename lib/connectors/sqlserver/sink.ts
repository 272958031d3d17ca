/** The statements that take a batch from the session's own table, where it is bulk loaded, to the target: by write mode, never by MERGE. */
import type { DeleteMode, WriteMode } from '../connector.ts';
import { qualified } from '../sql/dialect.ts';
import { type ColumnWriter, columnWriter } from './column-writer.ts';
import { exactCollation, quote, sqlserverDialect } from './dialect.ts';
import type { BulkColumn } from './session.ts';
import { folds, type ReadyTable, stageName } from './target.ts';
import { type ColumnFacts, isText } from './types.ts';

/** Seen by its own session alone: no lock of another holds a load up, and a client that freezes in one holds nobody up. */
export const batchTable = '#idra_batch';

export interface Sink {
  readonly columns: readonly ColumnWriter[];
  /** Of the batch's table: number and operation of the row, then the columns. */
  readonly bulk: readonly BulkColumn[];
  /** Run in each session before the first batch. */
  readonly prepare: readonly string[];
  /** Take the loaded rows to the target, in the transaction. */
  merge(deletes: boolean): readonly string[];
  /** The first row with a text that the code page of its column, or the bytes that it has, cannot keep: columns are those of the key, as text, then the index of the column. */
  readonly codedCheck: string | null;
  /** Put the staged rows in the place of the old ones, in the transaction of the last batch. */
  readonly final: readonly string[];
  /** Table that a `replace` fills first, quoted. */
  readonly stage: string | null;
}

/** See `Sink.stage`. */
export function stageOf(table: ReadyTable, sync: { readonly sync: string; readonly shard: string }): { readonly table: string; readonly quoted: string } {
  const name = stageName({ ...sync, table: table.name });
  return { table: name, quoted: qualified(sqlserverDialect, table.schema, name) };
}

export function sinkFor(
  table: ReadyTable,
  asked: { readonly write: WriteMode; readonly deletes: DeleteMode; readonly sync: string; readonly shard: string },
): Sink {
  const { write, deletes } = asked;
  const keyed = write === 'upsert' ? new Set(table.incoming.key) : new Set<string>();
  const columns = table.columns.map((column, i) =>
    columnWriter({ ...column, nullable: column.nullable && !keyed.has(column.name) }, (table.incoming.columns[i] ?? column).type),
  );
  const stage = write === 'replace' ? stageOf(table, asked).quoted : null;
  const parts = partsOf(table, columns, stage ?? table.into);
  const soft = deletes === 'soft' && stage === null;
  const staged = columns.map(({ staged: type }, i) => `c${i} ${type} NULL`);
  const names = table.columns.map(({ name }) => quote(name)).join(', ');
  return {
    columns,
    bulk: [{ name: 'n', type: 'bigint' }, { name: 'op', type: 'bigint' }, ...columns.map(({ bulk }, i) => ({ name: `c${i}`, ...bulk }))],
    prepare: [
      `CREATE TABLE ${batchTable} (n bigint NOT NULL, op bigint NOT NULL${staged.map((each) => `, ${each}`).join('')})`,
      ...(table.columns.some(({ identity }) => identity) ? [`SET IDENTITY_INSERT ${table.into} ON`] : []),
    ],
    merge: (removes) => (write === 'upsert' ? upsert(parts, { removes, soft }) : insert(parts, { removes, soft })),
    codedCheck: codedCheck(parts),
    final: stage === null ? [] : [`DELETE FROM ${table.into}`, `INSERT INTO ${table.into} (${names}) SELECT ${names} FROM ${stage}`, `DELETE FROM ${stage}`],
    stage,
  };
}

interface Parts {
  readonly into: string;
  readonly columns: readonly ColumnWriter[];
  readonly names: readonly string[];
  /** Indexes of the key's columns. */
  readonly key: readonly number[];
  /** Those of them whose values the server tells apart but for what pads them. */
  readonly padded: ReadonlySet<number>;
  readonly marker: ReadyTable['marker'];
}

function partsOf(table: ReadyTable, columns: readonly ColumnWriter[], into: string): Parts {
  const key = table.incoming.key.map((name) => columns.findIndex((column) => column.name === name)).filter((i) => i >= 0);
  const padded = key.filter((i) => isPadded(table.columns[i]?.facts));
  return { into, columns, names: columns.map(({ name }) => quote(name)), key, padded: new Set(padded), marker: table.marker };
}

/** Comparing pads the shorter of two texts with spaces, and of two binary values with zero bytes, so that different ones are equal. */
function isPadded(facts: ColumnFacts | undefined): boolean {
  return facts !== undefined && (facts.base === 'varbinary' || (isText(facts) && !folds(facts)));
}

function value({ columns }: Parts, index: number, alias: string): string {
  return columns[index]?.convert(`${alias}.c${index}`) ?? 'NULL';
}

function values(parts: Parts): string {
  return parts.columns.map((_, i) => value(parts, i, 's')).join(', ');
}

/** One key and the other, to the last space and zero byte: a row is never changed in the place of another. */
function same(parts: Parts, sides: (index: number) => readonly [string, string]): string {
  const equal = parts.key.map((i) => {
    const [one, other] = sides(i);
    return `${one} = ${other}${parts.padded.has(i) ? ` AND DATALENGTH(${one}) = DATALENGTH(${other})` : ''}`;
  });
  return equal.join(' AND ');
}

function matches(parts: Parts): string {
  return same(parts, (i) => [`t.${parts.names[i]}`, value(parts, i, 's')]);
}

/** The last row of each key, as the target tells keys apart. */
function latest(parts: Parts, where = ''): string {
  const by = parts.key.map((i) => `${value(parts, i, 's')}${parts.padded.has(i) ? `, DATALENGTH(${value(parts, i, 's')})` : ''}`).join(', ');
  return `(SELECT s.*, ROW_NUMBER() OVER (PARTITION BY ${by} ORDER BY s.n DESC) AS r FROM ${batchTable} AS s${where}) AS s`;
}

interface Removing {
  /** The batch has deletes. */
  readonly removes: boolean;
  readonly soft: boolean;
}

function insert(parts: Parts, { removes, soft }: Removing): string[] {
  const all = `INSERT INTO ${parts.into} (${parts.names.join(', ')}) SELECT ${values(parts)} FROM ${batchTable} AS s`;
  if (!removes) return [all];
  if (soft) return [`${all} WHERE s.op <> 2`, remove(parts, soft)];
  const again = same(parts, (i) => [value(parts, i, 'd'), value(parts, i, 's')]);
  return [
    `DELETE t FROM ${parts.into} AS t WHERE EXISTS (SELECT 1 FROM ${batchTable} AS s WHERE s.op = 2 AND ${matches(parts)})`,
    `${all} WHERE s.op <> 2 AND NOT EXISTS (SELECT 1 FROM ${batchTable} AS d WHERE d.op = 2 AND d.n > s.n AND ${again})`,
  ];
}

/**
 * Key ranges are locked by the first statement that looks for a key (UPDLOCK, HOLDLOCK) until the transaction ends: nobody can bring a key in between the
 * UPDATE that did not find it and the INSERT.
 */
function upsert(parts: Parts, { removes, soft }: Removing): string[] {
  const { into, names, key, marker } = parts;
  // With a soft delete the row has to be there before it is marked
  const rows = soft ? latest(parts, ' WHERE s.op <> 2') : latest(parts);
  const set = names.flatMap((name, i) => (key.includes(i) ? [] : [`${name} = ${value(parts, i, 's')}`]));
  if (marker !== null) set.push(`${quote(marker.column)} = ${marker.unmarked}`);
  const update = `UPDATE t SET ${set.join(', ')} FROM ${into} AS t WITH (UPDLOCK, HOLDLOCK) JOIN ${rows} ON ${matches(parts)} WHERE s.r = 1 AND s.op <> 2`;
  const add =
    `INSERT INTO ${into} (${names.join(', ')}) SELECT ${values(parts)} FROM ${rows} WHERE s.r = 1 AND s.op <> 2 ` +
    `AND NOT EXISTS (SELECT 1 FROM ${into} AS t WITH (UPDLOCK, HOLDLOCK) WHERE ${matches(parts)})`;
  return [...(set.length === 0 ? [] : [update]), add, ...(removes ? [remove(parts, soft)] : [])];
}

/** Deletes or marks the rows whose last operation in the batch is a delete. */
function remove(parts: Parts, soft: boolean): string {
  const { into, marker } = parts;
  const from = `FROM ${into} AS t WITH (UPDLOCK, HOLDLOCK) JOIN ${latest(parts)} ON ${matches(parts)} WHERE s.r = 1 AND s.op = 2`;
  return soft && marker !== null ? `UPDATE t SET ${quote(marker.column)} = ${marker.marked} ${from}` : `DELETE t ${from}`;
}

function codedCheck(parts: Parts): string | null {
  const coded = parts.columns.flatMap((column, i) => (column.coded ? [i] : []));
  if (coded.length === 0) return null;
  const keys = parts.key.map((i) => `CONVERT(nvarchar(900), s.c${i}), `).join('');
  // Through the column's own length, which counts bytes: CONVERT cuts off without a word what is beyond
  const through = (i: number): string => {
    const { declared = '' } = parts.columns[i] ?? {};
    const back = `CONVERT(nvarchar(max), CONVERT(${declared === 'text' ? 'varchar(max)' : declared}, s.c${i}))`;
    return `(${back} COLLATE ${exactCollation} <> s.c${i} COLLATE ${exactCollation} OR DATALENGTH(${back}) <> DATALENGTH(s.c${i}))`;
  };
  const which = `CASE ${coded.map((i) => `WHEN ${through(i)} THEN ${i}`).join(' ')} END`;
  return `SELECT TOP (1) ${keys}${which} FROM ${batchTable} AS s WHERE ${coded.map(through).join(' OR ')}`;
}
