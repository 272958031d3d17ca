import { createHash, randomUUID } from 'node:crypto';
import type { SyncDefinition } from '../config/definition.ts';

/** Of batches whose rows are in the stage of a `replace` and not yet in the table. */
const stagedPrefix = 'staged-';

/** Whose batch it is, eight hexadecimal digits each: of the coordination store, of the destination's table, and of what the definition makes of the source's rows. */
export interface Origin {
  readonly store: string;
  readonly table: string;
  readonly rows: string;
}

/** `store`: the coordination store's identity. `table`: as the destination calls it. */
export function originOf(definition: SyncDefinition, { store, table }: { readonly store: string; readonly table: string }): Origin {
  const { source, columns, where, mask, key, cursor } = definition;
  const digits = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 8);
  return {
    store: digits(store),
    table: digits(table),
    rows: digits(JSON.stringify([source.options, columns, where, mask, key.length > 0 ? key : cursor.key])),
  };
}

/**
 * A pass over everything that was begun under another definition: of what is there of it some rows would have been left out by now, or masked. What is appended is not taken back.
 */
export function isOfAnotherPass(batchId: string | null, { mode, write }: SyncDefinition, origin: Origin): boolean {
  const begun = originIn(batchId);
  return mode === 'full' && write !== 'insert' && begun !== null && begun.rows !== origin.rows;
}

/**
 * Fresh for each attempt at a batch. Tells where the rows of its position are, so that a sync whose write mode or table was changed in the middle does not go on from rows that its table lacks, and
 * through which store it was written, so that two deployments with a sync of one name do not go on from each other's positions.
 */
export function newBatchId({ staged, origin }: { readonly staged: boolean; readonly origin: Origin }): string {
  return `${staged ? stagedPrefix : ''}${randomUUID()}@${origin.store}.${origin.table}.${origin.rows}`;
}

/** For a batch that leaves the position where it is: it stays what the batch before had made it. */
export function sameBatchOrigin(batchId: string | null, origin: Origin): string {
  return newBatchId({ staged: isStaged(batchId), origin: originIn(batchId) ?? origin });
}

export function isStaged(batchId: string | null): boolean {
  return batchId?.startsWith(stagedPrefix) === true;
}

/** Null for a batch of an older version, which told nothing. */
export function originIn(batchId: string | null): Origin | null {
  const [, store, table, rows] = /@([0-9a-f]{8})\.([0-9a-f]{8})\.([0-9a-f]{8})$/.exec(batchId ?? '') ?? [];
  return store === undefined || table === undefined || rows === undefined ? null : { store, table, rows };
}
