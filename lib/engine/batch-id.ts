import { randomUUID } from 'node:crypto';

/** Of batches whose rows are in the stage of a `replace` and not yet in the table. */
const stagedPrefix = 'staged-';

/** Fresh for each attempt at a batch. Tells where the rows of its position are, so that a sync whose write mode was changed in the middle of a pass does not go on from rows that its table lacks. */
export function newBatchId({ staged }: { readonly staged: boolean }): string {
  return `${staged ? stagedPrefix : ''}${randomUUID()}`;
}

export function isStaged(batchId: string | null): boolean {
  return batchId?.startsWith(stagedPrefix) === true;
}
