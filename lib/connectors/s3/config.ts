import * as z from 'zod';
import type { ConnectorConfig } from '../connector.ts';
import { fieldTypes, lazy, lazySchemas } from '../lazy-schemas.ts';
import { partitionFault } from './partition-template.ts';

const connection = lazy(() =>
  z.strictObject({
    type: z
      .literal('s3')
      .describe('Amazon S3, or a server that speaks its protocol. Credentials come from the environment, a profile or the role: they have no field here.'),
    bucket: z.string().min(3).max(63).describe('Name of the bucket.'),
    region: z.string().min(1).optional().describe("The bucket's region, such as eu-west-1. Absent: the environment's."),
    endpoint: z
      .string()
      .regex(/^https?:\/\//, 'has to begin with http:// or https://')
      .optional()
      .describe('Address of an S3-compatible server. Absent: AWS, or what AWS_ENDPOINT_URL_S3 and AWS_ENDPOINT_URL say.'),
    forcePathStyle: z
      .boolean()
      .optional()
      .describe('Whether the bucket stands in the path of requests rather than in the host name. Default: true with an endpoint, false without.'),
  }),
);

const source = lazy(() =>
  z
    .strictObject({
      path: z.string().describe('Prefix of the keys to read (`orders/`), or one whole key. Empty: the whole bucket.'),
      suffix: z.string().min(1).optional().describe('Only keys that end so, such as `.jsonl.gz`.'),
      format: z
        .enum(['auto', 'jsonl', 'csv', 'parquet', 'json'])
        .default('auto')
        .describe('`auto`: by the end of the key. `json`: one array of objects, or one object. Default auto.'),
      compression: z.enum(['auto', 'none', 'gzip', 'zstd']).default('auto').describe('`auto`: by the end of the key (`.gz`, `.zst`). Default auto.'),
      order: z
        .enum(['modified', 'key'])
        .default('modified')
        .describe(
          'What mode stream goes by. `modified`: the time of upload, the whole prefix is listed on each run. `key`: new objects always have keys that sort after the old ones. Default modified.',
        ),
      delimiter: z
        .string()
        .regex(/^[\t\x20-\x7e]$/, 'has to be one ASCII character')
        .refine((text) => text !== '"', 'is what quotes values')
        .default(',')
        .describe('Between the values of a CSV line. Default a comma.'),
      header: z.boolean().default(true).describe('CSV: the first line has the names of the columns; otherwise they are column1, column2, … Default true.'),
      fields: fieldTypes()
        .optional()
        .describe('Types of fields by name: `int64`, `decimal(10,2)`, `timestamp(6, zoned)`, … What is not named is inferred; what does not fit is no row.'),
    })
    .superRefine(({ format: read, delimiter, header }, context) => {
      if (read === 'auto' || read === 'csv') return;
      for (const [name, changed] of [
        ['delimiter', delimiter !== ','],
        ['header', !header],
      ] as const)
        if (changed) context.addIssue({ code: 'custom', message: `has a meaning with format csv alone, not with ${read}`, path: [name] });
    }),
);

const destination = lazy(() =>
  z
    .strictObject({
      path: z
        .string()
        .regex(/^[^/]/, 'has to name a prefix such as orders/, without a slash before it')
        .describe('Prefix under which objects are written, such as `orders/`. A closing slash is added.'),
      format: z.enum(['jsonl', 'csv', 'parquet']).default('jsonl').describe('Default jsonl.'),
      compression: z.enum(['none', 'gzip', 'zstd', 'snappy']).optional().describe('Default none; snappy with Parquet, which alone has it.'),
      partition: z
        .string()
        .min(1)
        .optional()
        .describe(
          'Folders made from the row, such as `dt={updated_at:yyyy-MM-dd}` or `country={country}/year={at:yyyy}`. Patterns have yyyy, MM, dd and HH, in UTC where the column has a zone.',
        ),
    })
    .superRefine((fields, context) => {
      if (fields.compression === 'snappy' && fields.format !== 'parquet')
        context.addIssue({ code: 'custom', message: 'snappy goes with format parquet alone', path: ['compression'] });
      const fault = fields.partition === undefined ? null : partitionFault(fields.partition);
      if (fault !== null) context.addIssue({ code: 'custom', message: fault, path: ['partition'] });
    }),
);

export const config: ConnectorConfig = lazySchemas(
  { connection, source, destination },
  {
    capabilities: {
      source: { modes: ['full', 'stream'], where: false, deletes: false, schemaless: true },
      destination: {
        writes: ['insert', 'upsert', 'replace'],
        deletes: ['ignore'],
        deadLetter: true,
        max: false,
        guarantee: 'exactly-once effect for readers of the manifest',
      },
    },
    secretFields: [],
  },
);
