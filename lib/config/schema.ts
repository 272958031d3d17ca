/**
 * The definitions file, field by field. The descriptions are what an editor shows; they reach it through `syncs.schema.json`, made from here.
 * What depends on the connector's type is parsed by the connector's own schemas (see sections.ts).
 */
import * as z from 'zod';
import { deleteModes, modes, writeModes } from '../connectors/connector.ts';
import { maskRules } from './definition.ts';
import { durationPattern, parseDuration, parseSize, sizePattern } from './duration.ts';

/** Works as a part of a key in etcd, of a file name and of an object key alike. */
export const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;
const nameReason = 'has to begin with a letter or digit and go on with letters, digits, "." "_" or "-", at most 100 of them';

const text = z.string();
const name = text.regex(namePattern, nameReason);
const columnName = text.min(1, 'has to name a column');
const columnList = z.array(columnName).min(1, 'has to name at least one column');
const columnOrList = z
  .union([columnName, columnList], 'has to be a column or a list of columns')
  .transform((value) => (typeof value === 'string' ? [value] : value));

const durationText = text.regex(durationPattern, 'has to be a duration such as 30s, 5m or 1h30m');

/** `whole`: what ends up as whole seconds takes no fraction of one. */
function duration(minMs: number, maxMs: number, range: string, whole = false) {
  return durationText.transform((value, context) => {
    const ms = parseDuration(value);
    if (ms === undefined || ms < minMs || ms > maxMs || (whole && ms % 1000 !== 0)) {
      context.addIssue({ code: 'custom', message: `has to be ${range}${whole ? ', in whole seconds' : ''}` });
      return z.NEVER;
    }
    return ms;
  });
}

const hourMs = 3_600_000;
const maxBatchBytes = 1024 ** 3;

const size = z
  .union(
    [z.int(), text.regex(sizePattern, 'has to be a size such as 16MB or 512KB, or a number of bytes')],
    'has to be a size such as 16MB or 512KB, or a number of bytes',
  )
  .transform((value, context) => {
    const bytes = typeof value === 'number' ? value : parseSize(value);
    if (bytes === undefined || bytes < 1024 || bytes > maxBatchBytes) {
      context.addIssue({ code: 'custom', message: 'has to be between 1KB and 1GB' });
      return z.NEVER;
    }
    return bytes;
  });

const columns = z.strictObject({
  include: columnList.optional().describe('Source columns to read; all of them where it is left out.'),
  exclude: columnList.optional().describe('Source columns to leave out.'),
  rename: z.record(columnName, columnName).default({}).describe('Source column → name in the destination.'),
});

const cursor = z.strictObject({
  column: columnName.optional().describe('Column that tells what is new: an id that grows for the id modes, a time of change for the timestamp modes.'),
  key: columnOrList
    .optional()
    .describe('Unique column or columns that order rows of the same timestamp. Without it whole groups of equal timestamps are read as one.'),
  lookback: duration(0, 366 * 24 * hourMs, 'between 0s and 366d', true)
    .default(0)
    .describe('How far behind the last timestamp each run begins again, for rows that were committed late. Needs `write: upsert`. Default 0s.'),
  nulls: z
    .enum(['refuse', 'include'])
    .default('refuse')
    .describe(
      'Rows without a value in the cursor column: `refuse` stops the run when there are any, `include` reads them in a pass of their own, once: those that come after it are not read. Not with `lastDestinationId` and `lastDestinationTimestamp`. Default refuse.',
    ),
});

const batch = z.strictObject({
  rows: z.int().min(1).max(10_000_000).default(50_000).describe('Rows in one transaction of the destination, at most. Default 50000.'),
  bytes: size
    .default(16 * 1024 ** 2)
    .describe('Bytes in one transaction, at most, as the source counts them: `16MB`, `512KB`, or a number. A KB is 1024 bytes. Default 16MB.'),
});

const lock = z.strictObject({
  mode: z
    .enum(['exclusive', 'shared'])
    .default('exclusive')
    .describe('`shared` holders of a resource run together, an `exclusive` one alone. Default exclusive.'),
  wait: duration(0, 24 * hourMs, 'between 0s and 24h')
    .default(0)
    .describe('How long to wait for the lock before the run is skipped. Default 0s: not at all.'),
  resource: name.optional().describe('What is locked. Syncs that name the same resource share its lock. Default: the name of the sync.'),
  ttl: duration(1000, hourMs, 'between 1s and 1h', true).default(30_000).describe('How long a lock outlives a process that died. Default 30s.'),
});

const end = z.looseObject({ connection: text.describe('Name of a connection.') });

export const syncSchema = z.strictObject({
  name: name.describe('Name of the sync, unique in the file. Its position is kept under this name: after a rename it begins anew.'),
  enabled: z.boolean().default(true).describe('`false`: never run by itself. Default true.'),
  every: duration(1000, 366 * 24 * hourMs, 'between 1s and 366d')
    .optional()
    .describe('Time from one run to the next: `30s`, `5m`, `1h30m`. Not together with `cron`.'),
  cron: text.optional().describe('Times of the runs as a cron pattern of five fields, or six with seconds first. Not together with `every`.'),
  timezone: text.optional().describe('Time zone of `cron`, such as Europe/Rome. Default UTC.'),
  source: end.describe('Where rows come from.'),
  destination: end.describe('Where rows go.'),
  columns: columns.default({ rename: {} }).describe('Which columns are read, and under which names they are written.'),
  where: text.min(1).optional().describe('Condition on the rows, in the words of the source; the source itself evaluates it.'),
  mask: z
    .record(
      columnName,
      // A bare null in YAML is the value null: it can only mean the rule of that name.
      z.union([z.enum(maskRules), z.null()], `has to be one of ${maskRules.join(', ')}`).transform((rule) => rule ?? 'null'),
    )
    .default({})
    .describe(
      'Source column → what is written in place of its value. `sha256`: its digest. `redact`: ***. `null`: NULL. `partial`: all but the last four characters hidden.',
    ),
  mode: z
    .enum(modes)
    .default('full')
    .describe(
      '`full`: everything, each run. `fullWithId`, `id`: rows above the last id. `timestamp`: rows changed since the last run. `lastDestinationId`, `lastDestinationTimestamp`: rows above the largest value in the destination. `stream`: the source’s own stream. `cdc`: the database’s log. Default full.',
    ),
  cursor: cursor.default({ lookback: 0, nulls: 'refuse' }).describe('How new rows are told from old ones.'),
  key: columnOrList
    .optional()
    .describe(
      'Source column or columns that identify a row; what an upsert goes by. Default: `cursor.key`, unless the source has keys and none of them is within it; else the key that the source declares.',
    ),
  write: z
    .enum(writeModes)
    .optional()
    .describe(
      '`insert`: rows are added. `upsert`: a row with the same key is updated. `replace`: the new rows take the place of all old ones at once, only with mode full. Default: upsert with mode timestamp, insert with every other.',
    ),
  deletes: z
    .enum(deleteModes)
    .optional()
    .describe(
      'What a deletion in the source does: `hard` deletes, `soft` marks, `ignore` does nothing. Default: hard where the source reports deletions in the mode of the sync (stream), ignore elsewhere.',
    ),
  softDeleteColumn: columnName.optional().describe('Column that `deletes: soft` writes the time of the deletion to. Default _deleted_at.'),
  schema: z
    .enum(['evolve', 'freeze'])
    .default('evolve')
    .describe(
      '`evolve`: columns that appear in the source are added to the destination; rows that were copied before have NULL there until they change in the source or are copied anew. `freeze`: they stop the sync. Default evolve.',
    ),
  batch: batch.default({ rows: 50_000, bytes: 16 * 1024 ** 2 }).describe('How much goes into one transaction of the destination.'),
  lock: lock.default({ mode: 'exclusive', wait: 0, ttl: 30_000 }).describe('Who may run beside whom.'),
  onError: z
    .enum(['stop', 'deadLetter'])
    .default('stop')
    .describe(
      'A row that the destination refuses: `stop` ends the run before it, `deadLetter` sets it aside with the reason and goes on; with `lastDestinationId` and `lastDestinationTimestamp` only where `write` is upsert. Default stop.',
    ),
});

export type ParsedSync = z.output<typeof syncSchema>;

/** What every connection has, whatever its type. */
export const connectionSchema = z.looseObject({
  type: text.describe('Type of the connector.'),
  maxConcurrent: z
    .int()
    .min(1)
    .max(10_000)
    .optional()
    .describe('At most so many syncs use this connection at once, over all machines; one whose source and destination it is counts twice. Default: no limit.'),
});

/** The file around them. Fields that begin with `x-` are free, as a place for YAML anchors. */
export const fileFields = {
  $schema: text.optional().describe('Address of this JSON Schema, for editors.'),
  connections: z.record(name, z.unknown()).default({}).describe('Databases, buckets, brokers and services by name.'),
  syncs: z.array(z.unknown()).default([]).describe('What is moved from where to where.'),
};
