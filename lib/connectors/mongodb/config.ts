import * as z from 'zod';
import type { ConnectorConfig } from '../connector.ts';
import { fieldTypes, lazy, lazySchemas } from '../lazy-schemas.ts';

const connection = lazy(() =>
  z.strictObject({
    type: z.literal('mongodb').describe('MongoDB 4.4 or later: replica set, sharded cluster or standalone server.'),
    url: z
      .string()
      .regex(/^mongodb(\+srv)?:\/\//, 'has to begin with mongodb:// or mongodb+srv://')
      .describe('Address as `mongodb://user@host:27017/database?replicaSet=rs0`. The password may stand in it as a reference.'),
    database: z.string().min(1).optional().describe('Database. Absent: the one in `url`.'),
  }),
);

const collection = lazy(() => z.string().min(1));

const source = lazy(() =>
  z.strictObject({
    collection: collection().describe('Collection or view to read.'),
    fields: fieldTypes()
      .optional()
      .describe(
        'Types of fields by name: `int64`, `decimal(10,2)`, `timestamp(3, zoned)`, … What is not named is inferred; a value that does not fit is no row.',
      ),
  }),
);

const destination = lazy(() =>
  z.strictObject({
    collection: collection()
      // https://www.mongodb.com/docs/manual/reference/limits/#mongodb-limit-Restriction-on-Collection-Names
      .regex(
        /^(?!\.|system\.)(?!.*\.(\.|$))[^$\0]+$/s,
        'has to be a name that MongoDB takes: without $ and NUL, not beginning with system., no dot at an end or beside another',
      )
      .describe('Collection to write. Made where it is missing.'),
    timestamps: z
      .enum(['auto', 'date', 'text'])
      .default('auto')
      .describe(
        '`auto`: a zoned timestamp of at most three fraction digits becomes a Date, every other one text. `date`: a Date always (without a zone: UTC); a value with microseconds is refused. `text`: text always.',
      ),
    objectIds: z.array(z.string().min(1)).default([]).describe('Columns whose 24 hexadecimal digits are stored as ObjectId.'),
  }),
);

export const config: ConnectorConfig = lazySchemas(
  { connection, source, destination },
  {
    capabilities: {
      source: {
        modes: ['full', 'fullWithId', 'id', 'timestamp', 'lastDestinationId', 'lastDestinationTimestamp', 'stream'],
        where: true,
        deletes: true,
        schemaless: true,
      },
      destination: {
        writes: ['insert', 'upsert', 'replace'],
        deletes: ['hard', 'soft', 'ignore'],
        deadLetter: true,
        max: true,
        guarantee: 'exactly-once effect on a replica set or sharded cluster; idempotent by key on a standalone server',
      },
    },
    secretFields: ['url'],
  },
);
