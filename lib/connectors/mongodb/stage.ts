/**
 * `replace`: the new rows gather in a collection of their own and take the place of the old ones by a rename, which no transaction can hold. So the last batch commits with the mark that the stage is complete,
 * then the stage is renamed; a run that dies in between leaves the mark, and the next claim renames. Each pass has a stage with a name of its own: a frozen run that wakes up later finds its stage gone.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { CreateCollectionOptions, Db, Document, IndexDescription } from 'mongodb';
import { findCollection } from './client.ts';
import { serverCode } from './errors.ts';

const namespaceNotFound = 26;

export function freshStageName(place: { readonly sync: string; readonly shard: string; readonly collection: string }): string {
  const { sync, shard, collection } = place;
  const owner = createHash('sha256')
    .update(JSON.stringify([sync, shard, collection]))
    .digest('hex')
    .slice(0, 16);
  return `_idra_stage_${owner}_${randomBytes(6).toString('hex')}`;
}

/** With the target's validator, collation and indexes, which the rename would otherwise take away. */
export async function createStage(db: Db, stage: string, collection: string): Promise<void> {
  const found = await findCollection(db, collection);
  const own: Document = found?.options ?? {};
  const kept = ['validator', 'validationLevel', 'validationAction', 'collation'].filter((name) => own[name] !== undefined);
  await db.createCollection(stage, Object.fromEntries(kept.map((name) => [name, own[name]])) as CreateCollectionOptions);
  const indexes = found === null ? [] : await db.collection(collection).indexes();
  const wanted = indexes.filter(({ name }) => name !== '_id_').map(({ v: _version, ns: _namespace, ...index }) => index as unknown as IndexDescription);
  if (wanted.length > 0) await db.collection(stage).createIndexes(wanted);
}

export async function dropStage(db: Db, stage: string): Promise<void> {
  try {
    await db.collection(stage).drop();
  } catch (error) {
    if (serverCode(error) !== namespaceNotFound) throw error;
  }
}

/** A stage that is no longer there has been renamed already. */
export async function swapStage(db: Db, stage: string, collection: string): Promise<void> {
  try {
    await db.renameCollection(stage, collection, { dropTarget: true });
  } catch (error) {
    if (serverCode(error) !== namespaceNotFound) throw error;
  }
}
