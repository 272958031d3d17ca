import * as z from 'zod';
import type { ConnectorConfig } from '../connector.ts';
import { lazy, lazySchemas } from '../lazy-schemas.ts';

const connection = lazy(() =>
  z.strictObject({
    type: z.literal('sqlite').describe('SQLite file.'),
    path: z
      .string()
      .min(1)
      .refine((path) => path.trim() !== ':memory:', { message: 'has to be a file: a database in memory is gone when the run ends' })
      .describe('Path of the database file, relative to the current folder. Made where it is missing, if it is written to.'),
  }),
);

const source = lazy(() =>
  z
    .strictObject({
      table: z.string().min(1).optional().describe('Table or view to read.'),
      query: z.string().min(1).optional().describe('A SELECT to read instead of a table. Without a closing semicolon.'),
      integerTimes: z
        .enum(['refuse', 'seconds', 'milliseconds'])
        .default('refuse')
        .describe(
          'What an integer in a column declared as DATETIME or TIMESTAMP means: seconds or milliseconds since 1970 in UTC. Refused by name unless it is said.',
        ),
    })
    .refine((fields) => (fields.table === undefined) !== (fields.query === undefined), { message: 'needs exactly one of table and query' }),
);

const destination = lazy(() =>
  z.strictObject({
    table: z.string().min(1).describe("Table to write. Made from the source's columns where it is missing."),
  }),
);

export const config: ConnectorConfig = lazySchemas(
  { connection, source, destination },
  {
    capabilities: {
      source: {
        modes: ['full', 'fullWithId', 'id', 'timestamp', 'lastDestinationId', 'lastDestinationTimestamp'],
        where: true,
        deletes: false,
        schemaless: false,
      },
      destination: {
        writes: ['insert', 'upsert', 'replace'],
        deletes: ['hard', 'soft', 'ignore'],
        deadLetter: true,
        max: true,
        guarantee: 'exactly-once effect',
      },
    },
    secretFields: [],
  },
);
