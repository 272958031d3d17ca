import { createHash, randomUUID } from 'node:crypto';

/** Of batches whose rows are in the stage of a `replace` and not yet in the table. */
const stagedPrefix = 'staged-';

/** Whose batch it is, eight hexadecimal digits each: of the coordination store, and of the destination's table. */
export interface Origin {
  readonly store: string;
  readonly table: string;
}

/** `store`: the coordination store's identity. `table`: as the destination calls it. */
export function originOf(store: string, table: string): Origin {
  const digits = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 8);
  return { store: digits(store), table: digits(table) };
}

/**
 * Fresh for each attempt at a batch. Tells where the rows of its position are, so that a sync whose write mode or table was changed in the middle does not go on from rows that its table lacks, and
 * through which store it was written, so that two deployments with a sync of one name do not go on from each other's positions.
 */
export function newBatchId({ staged, origin }: { readonly staged: boolean; readonly origin: Origin }): string {
  return `${staged ? stagedPrefix : ''}${randomUUID()}@${origin.store}.${origin.table}`;
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
  const [, store, table] = /@([0-9a-f]{8})\.([0-9a-f]{8})$/.exec(batchId ?? '') ?? [];
  return store === undefined || table === undefined ? null : { store, table };
}
