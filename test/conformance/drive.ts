/** Short ways to call the contract, with the order of calls that it prescribes. */
import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import type {
  Batch,
  Chunk,
  Claim,
  Committed,
  CursorSpec,
  Destination,
  DestinationRequest,
  Mode,
  ReadOptions,
  RowChunk,
  Source,
  SourceRequest,
  Target,
  Writer,
} from '../../lib/connectors/connector.ts';
import { type ErrorCode, SyncError } from '../../lib/errors.ts';
import type { Column, LogicalType, Row, Schema } from '../../lib/values/types.ts';
import type { Harness } from './harness.ts';

const never = new AbortController().signal;

export function column(name: string, type: LogicalType | LogicalType['kind'], nullable = true): Column {
  const simple: Readonly<Record<string, LogicalType>> = { time: { kind: 'time', fraction: 6 }, timestamp: { kind: 'timestamp', fraction: 6, zoned: false } };
  return { name, type: typeof type === 'string' ? (simple[type] ?? ({ kind: type } as LogicalType)) : type, nullable };
}

let tables = 0;
/** A table name that no other test of this run has. */
export function freshName(prefix = 't'): string {
  tables++;
  return `${prefix}_${tables}_${randomUUID().slice(0, 6)}`;
}

export interface SourceAsk {
  readonly mode?: Mode;
  readonly cursor?: Partial<CursorSpec>;
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
  readonly where?: string;
  readonly peer?: string;
  /** In place of the table's own. */
  readonly options?: unknown;
}

export function openSource(harness: Harness, table: string, ask: SourceAsk = {}): Promise<Source> {
  const { mode = harness.whole ?? 'full', cursor = {}, peer = 'elsewhere', options = harness.source(table), ...rest } = ask;
  const request: SourceRequest = { sync: 'conformance', options, mode, cursor: { key: [], lookbackSeconds: 0, nulls: 'refuse', ...cursor }, peer, ...rest };
  return harness.connector.openSource(harness.connection, request, never);
}

export interface ReadResult {
  readonly rows: Row[];
  readonly chunks: readonly RowChunk[];
  /** Each boundary with the number of rows up to it. */
  readonly boundaries: readonly { readonly cursor: string; readonly rows: number }[];
}

export async function readAll(source: Source, options: Partial<ReadOptions> = {}, signal: AbortSignal = never): Promise<ReadResult> {
  const rows: Row[] = [];
  const chunks: RowChunk[] = [];
  const boundaries: { cursor: string; rows: number }[] = [];
  for await (const chunk of source.read({ from: null, maxRows: 50_000, maxBytes: 16_000_000, ...options }, signal)) {
    const rowChunk = asRows(chunk);
    chunks.push({ ...rowChunk, rows: [...rowChunk.rows] });
    rows.push(...rowChunk.rows);
    if (chunk.boundary !== null) boundaries.push({ cursor: chunk.boundary, rows: rows.length });
  }
  return { rows, chunks, boundaries };
}

export function asRows(chunk: Chunk): RowChunk {
  if (chunk.kind !== 'rows') throw new Error('asked for rows, got a raw chunk');
  return chunk;
}

/** Opens, reads everything, closes. */
export async function readTable(
  harness: Harness,
  table: string,
  ask: SourceAsk & { readonly read?: Partial<ReadOptions> } = {},
): Promise<ReadResult & { readonly schema: Schema }> {
  const { read, ...rest } = ask;
  await using source = await openSource(harness, table, rest);
  return { ...(await readAll(source, read)), schema: source.schema };
}

export function destinationOf(harness: Harness, table: string, ask: Partial<DestinationRequest> = {}): Promise<Destination> {
  const request: DestinationRequest = {
    sync: syncOf(table),
    shard: '0',
    options: harness.destination(table),
    write: 'insert',
    deletes: 'hard',
    softDeleteColumn: '_deleted_at',
    schema: 'evolve',
    onError: 'stop',
    peer: 'elsewhere',
    ...ask,
  };
  return harness.connector.openDestination(harness.connection, request, never);
}

/** Each table is a sync of its own unless a test says otherwise. */
function syncOf(table: string): string {
  return `sync of ${table}`;
}

/** Without a sync: that of the table, filled in by `openWriter`. */
export function claimOf(fence: bigint | number, more: Partial<Claim> = {}): Claim {
  return { sync: '', shard: '0', epoch: 0n, fence: BigInt(fence), enforced: true, ...more };
}

export function chunkOf(rows: readonly Row[], more: Partial<RowChunk> = {}): RowChunk {
  return { kind: 'rows', rows: rows.map((row) => [...row]), bytes: rows.length * 100, boundary: null, ...more };
}

export function batchOf(cursor: string | null, more: Partial<Batch> = {}): Batch {
  return { batchId: randomUUID(), cursor, ...more };
}

export interface Prepared extends AsyncDisposable {
  readonly destination: Destination;
  readonly target: Target;
  readonly writer: Writer;
}

/** Prepared, claimed and open for writing; disposed of together. */
export async function openWriter(harness: Harness, schema: Schema, ask: Partial<DestinationRequest> & { readonly claim?: Claim } = {}): Promise<Prepared> {
  const { claim = claimOf(1), ...request } = ask;
  const destination = await destinationOf(harness, schema.name, request);
  try {
    const target = await destination.prepare(schema);
    const writer = await destination.open(target, { ...claim, sync: claim.sync || (ask.sync ?? syncOf(schema.name)) });
    return {
      destination,
      target,
      writer,
      [Symbol.asyncDispose]: async () => {
        await writer[Symbol.asyncDispose]();
        await destination[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await destination[Symbol.asyncDispose]();
    throw error;
  }
}

/** One batch from open to commit. */
export async function writeAll(
  harness: Harness,
  schema: Schema,
  rows: readonly Row[],
  ask: Partial<DestinationRequest> & { readonly claim?: Claim; readonly chunk?: Partial<RowChunk>; readonly batch?: Partial<Batch> } = {},
): Promise<Committed> {
  const { chunk, batch, ...rest } = ask;
  await using open = await openWriter(harness, schema, rest);
  await open.writer.write(chunkOf(rows, chunk));
  return await open.writer.commit(batchOf('after', batch));
}

/** The error of `work`, which has to be a SyncError with this code (or one of them); what its message has to name follows. */
export async function failure(work: () => Promise<unknown>, code: ErrorCode | readonly ErrorCode[], ...named: readonly string[]): Promise<SyncError> {
  let error: unknown;
  try {
    await work();
  } catch (caught) {
    error = caught;
  }
  if (error === undefined) throw new Error(`expected ${code}, and nothing was thrown`);
  if (!(error instanceof SyncError)) throw error;
  if (![code].flat().includes(error.code)) throw new Error(`expected ${code}, got ${error.code}: ${error.message}`, { cause: error });
  for (const name of named) expect(`${error.message} ${JSON.stringify(error.place)}`).toContain(name);
  return error;
}
