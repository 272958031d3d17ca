/**
 * Parquet by hyparquet, which makes doubles of decimals and milliseconds of timestamps when it is left to convert. So the logical types are taken out of the metadata that it reads with, and the physical values,
 * which it gives exactly, are converted here.
 */
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib';
import {
  type AsyncBuffer,
  type FileMetaData,
  parquetMetadataAsync,
  parquetRead,
  parquetSchema,
  type RowGroup,
  type SchemaElement,
  type SchemaTree,
} from 'hyparquet';
import { SyncError } from '../../errors.ts';
import { readRange } from './object-bytes.ts';
import { type ColumnPages, openGroup } from './parquet-pages.ts';
import { type LogicalColumn, logicalColumn } from './parquet-values.ts';
import { type Cell, Malformed, type ObjectToRead, pieceRecords, type ReadRecord, type RecordReader } from './records.ts';

/** A row group is decoded in slices of so many values, and of so many bytes as they are when they are unpacked; of its compressed bytes the pages are held that a slice needs. */
const valuesAtOnce = 1_000_000;
const sliceBytes = 16 * 1024 ** 2;

const compressors = {
  GZIP: (bytes: Uint8Array) => gunzipSync(bytes),
  ZSTD: (bytes: Uint8Array) => zstdDecompressSync(bytes),
  BROTLI: (bytes: Uint8Array) => brotliDecompressSync(bytes),
};

interface Opened {
  readonly metadata: FileMetaData;
  readonly columns: readonly LogicalColumn[];
}

function footerOf({ bucket, object, signal }: ObjectToRead): AsyncBuffer {
  return {
    byteLength: object.bytes,
    slice: async (from, to = object.bytes) => {
      const bytes = await readRange(bucket, object, [from, to], signal);
      return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer;
    },
  };
}

/** The library throws plain errors for what is no Parquet; the bucket's are ours. */
async function orMalformed<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof SyncError || error instanceof Malformed) throw error;
    throw new Malformed(`is no whole Parquet file (${error instanceof Error ? error.message : String(error)})`);
  }
}

function isFlat({ children }: SchemaTree): boolean {
  return children.length === 0;
}

function plain(element: SchemaElement): SchemaElement {
  const { converted_type: _converted, logical_type: _logical, ...rest } = element;
  return rest;
}

async function open(read: ObjectToRead): Promise<Opened> {
  const metadata = await orMalformed(() => parquetMetadataAsync(footerOf(read)));
  const { children } = parquetSchema(metadata);
  const columns = children.map((child) => {
    if (isFlat(child)) return logicalColumn(child.element, read.object.key);
    throw new SyncError(
      'UNSUPPORTED',
      `${read.object.key}: column ${child.element.name} is nested (a list, map or group), which is not read from Parquet. Write it as JSON text.`,
      {
        key: read.object.key,
        column: child.element.name,
      },
    );
  });
  return { metadata: { ...metadata, schema: metadata.schema.map((element, i) => (i === 0 ? element : plain(element))) }, columns };
}

/** The values of one column in the rows [rowStart, rowEnd) of a row group. */
async function valuesOf({ metadata }: Opened, name: string, { pages, rowStart, rowEnd }: Slice): Promise<unknown[]> {
  const values: unknown[] = new Array(rowEnd - rowStart);
  let found = 0;
  await orMalformed(async () => {
    const { bytes, group, firstRow } = await pages.take(rowStart, rowEnd);
    await parquetRead({
      file: { byteLength: bytes.byteLength, slice: () => bytes },
      metadata: { ...metadata, row_groups: [group] },
      rowStart: rowStart - firstRow,
      rowEnd: rowEnd - firstRow,
      columns: [name],
      compressors,
      utf8: false,
      geoparquet: false,
      // 96-bit timestamps, which are known by their physical type
      parsers: { timestampFromNanoseconds: (nanos: bigint) => nanos },
      // Whole pages, of which the slice may have a part
      onChunk: ({ columnData, rowStart: inPages }) => {
        const first = firstRow + inPages;
        const end = Math.min(columnData.length, rowEnd - first);
        for (let i = Math.max(0, rowStart - first); i < end; i++) {
          values[first + i - rowStart] = columnData[i];
          found++;
        }
      },
    });
  });
  if (found !== values.length) throw new Malformed(`is no whole Parquet file (column ${name} has ${found} of ${values.length} values)`);
  return values;
}

interface Slice {
  readonly pages: ColumnPages;
  /** From the beginning of the group. */
  readonly rowStart: number;
  readonly rowEnd: number;
}

/** Rows that are decoded at once. */
function sliceRows({ columns, num_rows }: RowGroup): number {
  let bytes = 0;
  for (const { meta_data: about } of columns) bytes += Number(about?.total_uncompressed_size ?? 0);
  const perRow = Math.max(1, bytes / Math.max(1, Number(num_rows)));
  return Math.max(pieceRecords, Math.min(Math.floor(valuesAtOnce / Math.max(1, columns.length)), Math.floor(sliceBytes / perRow)));
}

export const parquet: RecordReader = {
  unit: 'row',
  async declared(read) {
    return (await open(read)).columns;
  },
  async *read(read): AsyncGenerator<ReadRecord[]> {
    const opened = await open(read);
    const { metadata, columns } = opened;
    let groupStart = 0;
    for (const group of metadata.row_groups) {
      const groupRows = Number(group.num_rows);
      const rows = sliceRows(group);
      const pages = read.from.rows < groupStart + groupRows ? await orMalformed(() => openGroup(read, group)) : [];
      for (let rowStart = Math.max(0, read.from.rows - groupStart); rowStart < groupRows; rowStart += rows) {
        read.signal.throwIfAborted();
        const rowEnd = Math.min(rowStart + rows, groupRows);
        const values: unknown[][] = [];
        for (const [i, { name }] of columns.entries()) {
          const column = pages[i];
          if (column === undefined) throw new Malformed(`is no whole Parquet file (a row group without column ${name})`);
          values.push(await valuesOf(opened, name, { pages: column, rowStart, rowEnd }));
        }
        for (let from = rowStart; from < rowEnd; from += pieceRecords) {
          const piece: ReadRecord[] = [];
          for (let at = from; at < Math.min(from + pieceRecords, rowEnd); at++)
            piece.push(record(columns, values, { at: at - rowStart, number: groupStart + at + 1 }));
          yield piece;
        }
      }
      groupStart += groupRows;
    }
  },
};

/** `at`: index of the row in the values of each column. */
function record(columns: readonly LogicalColumn[], values: readonly (readonly unknown[])[], { at, number }: { at: number; number: number }): ReadRecord {
  const cells = new Map<string, Cell>();
  let bytes = 0;
  for (let i = 0; i < columns.length; i++) {
    const column = columns[i];
    if (column === undefined) continue;
    const physical = values[i]?.[at] ?? null;
    const value = physical === null ? null : column.value(physical);
    bytes += typeof value === 'string' || value instanceof Uint8Array ? value.length + 4 : 8;
    if (value === undefined)
      return { number, cells: { reason: `has a value in ${column.name} that is no ${column.type.kind}`, raw: '' }, bytes, end: { bytes: 0, rows: number } };
    cells.set(column.name, { value, type: column.type });
  }
  return { number, cells, bytes, end: { bytes: 0, rows: number } };
}
