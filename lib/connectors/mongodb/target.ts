/** The collection that is written: what it has to be like, and what is made of it. */
import type { Collection, Db, Document } from 'mongodb';
import { SyncError } from '../../errors.ts';
import type { Schema } from '../../values/types.ts';
import type { DestinationRequest } from '../connector.ts';
import { findCollection } from './client.ts';
import { sampleColumns } from './collection.ts';

export interface Found {
  readonly existed: boolean;
  readonly hasRows: boolean;
}

/** Throws `SCHEMA_MISMATCH`, `KEY_REQUIRED`. Changes nothing. */
export async function inspect(
  db: Db,
  schema: Schema,
  options: { readonly request: DestinationRequest; readonly collection: string; readonly transactions: boolean },
): Promise<Found> {
  const { request, collection, transactions } = options;
  refuseNames(schema, collection);
  const byKey = request.write === 'upsert' || (!transactions && request.write === 'insert') || (!transactions && request.write === 'replace');
  if (byKey && schema.key.length === 0) {
    const why =
      request.write === 'upsert'
        ? `An upsert into ${collection}`
        : `A standalone server has no transactions, so that writing to ${collection} is safe by key alone: it`;
    throw new SyncError('KEY_REQUIRED', `${why} needs a key: name it in the definition.`, { table: collection });
  }
  const found = await findCollection(db, collection);
  if (found === null) return { existed: false, hasRows: false };
  if (found.type !== undefined && found.type !== 'collection')
    throw new SyncError('SCHEMA_MISMATCH', `${collection} is a ${found.type}: documents can be written to a collection only.`, { table: collection });
  const target = db.collection(collection);
  const hasRows = (await target.findOne({}, { projection: { _id: 1 } })) !== null;
  if (byKey && request.write !== 'replace' && !(await isUnique(target, schema.key)))
    throw new SyncError(
      'KEY_REQUIRED',
      `${collection} has no unique index over exactly ${schema.key.join(', ')}, by which rows would be written: create it, or choose another key.`,
      { table: collection },
    );
  if (request.schema === 'freeze' && hasRows) await refuseNewFields(target, schema);
  return { existed: true, hasRows };
}

/** A collection with a unique index over the key. The index makes the collection, so that none is left without it. */
export async function make(db: Db, schema: Schema, collection: string): Promise<void> {
  if (schema.key.length === 0 || isId(schema.key)) await db.createCollection(collection);
  else await db.collection(collection).createIndex(Object.fromEntries(schema.key.map((name) => [name, 1] as const)), { unique: true, name: '_idra_key' });
}

function isId(key: readonly string[]): boolean {
  return key.length === 1 && key[0] === '_id';
}

async function isUnique(target: Collection<Document>, key: readonly string[]): Promise<boolean> {
  if (isId(key)) return true;
  const wanted = [...key].sort().join('\0');
  return (await target.indexes()).some(
    (index) => index.unique === true && index.partialFilterExpression === undefined && Object.keys(index.key).sort().join('\0') === wanted,
  );
}

/** An update takes a dot for a path and a dollar sign for an operator. */
function refuseNames({ columns }: Schema, table: string): void {
  for (const { name } of columns) {
    const why =
      name === ''
        ? 'is empty'
        : name.startsWith('$')
          ? 'begins with a dollar sign'
          : name.includes('.')
            ? 'has a dot'
            : name.includes('\0')
              ? 'has a NUL'
              : null;
    if (why !== null)
      throw new SyncError(
        'SCHEMA_MISMATCH',
        `${table} cannot take the column ${JSON.stringify(name)}: its name ${why}, which MongoDB reads otherwise. Give it another name (columns.rename).`,
        { table, column: name },
      );
  }
}

async function refuseNewFields(target: Collection<Document>, schema: Schema): Promise<void> {
  const { collectionName: table } = target;
  const known = new Set((await sampleColumns(target, { collection: table }, {})).schema.columns.map(({ name }) => name));
  for (const { name: column } of schema.columns)
    if (!known.has(column))
      throw new SyncError(
        'SCHEMA_MISMATCH',
        `No document of ${table} that was looked at has a field ${JSON.stringify(column)}, and schema: freeze adds none.`,
        { table, column },
      );
}
