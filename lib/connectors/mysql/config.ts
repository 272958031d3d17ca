import * as z from 'zod';
import type { ConnectorConfig } from '../connector.ts';
import { lazy, lazySchemas } from '../lazy-schemas.ts';

const connection = lazy(() =>
  z
    .strictObject({
      type: z.literal('mysql').describe('MySQL or MariaDB.'),
      url: z
        .string()
        .regex(/^(mysql):\/\//, 'has to begin with mysql://')
        .optional()
        .describe(
          'Address as `mysql://user@host:3306/database`. Stands in place of host, port, user and database; the password may stand in it as a reference.',
        ),
      host: z.string().min(1).optional().describe('Host name, address, or directory of a Unix socket.'),
      port: z.int().min(1).max(65535).optional().describe('Port; 3306 where it is left out.'),
      user: z.string().min(1).optional().describe('User to connect as.'),
      password: z.string().optional().describe('Password, best as a reference to the environment or a secret. Outranks the one in `url`.'),
      database: z.string().min(1).optional().describe('Database to connect to.'),
      ssl: z
        .enum(['disable', 'require', 'verify-full'])
        .optional()
        .describe('`disable`: plain. `require`: encrypted, the certificate is not checked. `verify-full`: encrypted, certificate and host name are checked.'),
      sslCa: z.string().min(1).optional().describe("Certificate authority for `verify-full`: PEM text, or the path of a PEM file. Absent: the system's own."),
    })
    .superRefine((fields, context) => {
      if ((fields.url === undefined) === (fields.host === undefined)) {
        context.addIssue({ code: 'custom', message: 'needs either url or host', path: fields.url === undefined ? [] : ['host'] });
      }
      for (const name of ['port', 'user', 'database'] as const) {
        if (fields.url !== undefined && fields[name] !== undefined)
          context.addIssue({ code: 'custom', message: 'stands in url already: give one of the two', path: [name] });
      }
    }),
);

const source = lazy(() =>
  z
    .strictObject({
      table: z.string().min(1).optional().describe('Table or view to read: `table`, or `database.table`.'),
      query: z.string().min(1).optional().describe('A SELECT to read instead of a table. Without a closing semicolon.'),
    })
    .refine((fields) => (fields.table === undefined) !== (fields.query === undefined), { message: 'needs exactly one of table and query' }),
);

const destination = lazy(() =>
  z.strictObject({
    table: z.string().min(1).describe("Table to write: `table`, or `database.table`. Made from the source's columns where it is missing."),
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
    secretFields: ['url', 'password'],
  },
);
