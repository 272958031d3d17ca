import { SyncError } from '../errors.ts';

export interface BatchCounts {
  read: number;
  filtered: number;
  deadLettered: number;
  bytes: number;
}

/** Row accounting. Only committed batches count, so that the report is true whatever happens to the open one. */
export class Tally {
  read = 0;
  written = 0;
  deleted = 0;
  filtered = 0;
  deadLettered = 0;
  batches = 0;
  bytes = 0;

  /** Adds a committed batch. Throws `ROWS_UNACCOUNTED` where the destination took another number of rows than it was given. */
  add(batch: BatchCounts, committed: { readonly written: number; readonly deleted: number }, sync: string): void {
    this.read += batch.read;
    this.written += committed.written;
    this.deleted += committed.deleted;
    this.filtered += batch.filtered;
    this.deadLettered += batch.deadLettered;
    this.bytes += batch.bytes;
    this.batches += 1;
    const accounted = committed.written + committed.deleted + batch.filtered + batch.deadLettered;
    if (accounted !== batch.read) {
      throw new SyncError(
        'ROWS_UNACCOUNTED',
        `Sync ${sync} read ${batch.read} rows in a batch, but ${committed.written} written + ${committed.deleted} deleted + ${batch.filtered} filtered + ${batch.deadLettered} dead-lettered make ${accounted}.`,
        { sync },
      );
    }
  }
}
