import * as z from 'zod';
import type { ConnectorConfig } from '../connector.ts';
import { lazy, lazySchemas } from '../lazy-schemas.ts';
import { destinationFields, oneOfTableAndQuery, sourceFields, sqlCapabilities } from '../sql/config.ts';

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
      ...sourceFields(''),
      integerTimes: z
        .enum(['refuse', 'seconds', 'milliseconds'])
        .default('refuse')
        .describe(
          'What an integer in a column declared as DATETIME or TIMESTAMP means: seconds or milliseconds since 1970 in UTC. Refused by name unless it is said.',
        ),
    })
    .refine(...oneOfTableAndQuery),
);

const destination = lazy(() => z.strictObject(destinationFields('')));

export const config: ConnectorConfig = lazySchemas(
  { connection, source, destination },
  {
    capabilities: sqlCapabilities,
    secretFields: [],
  },
);
