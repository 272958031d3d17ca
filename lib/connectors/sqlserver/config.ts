import * as z from 'zod';
import type { ConnectorConfig } from '../connector.ts';
import { lazy, lazySchemas } from '../lazy-schemas.ts';

const connection = lazy(() =>
  z
    .strictObject({
      type: z.literal('sqlserver').describe('SQL Server or Azure SQL.'),
      url: z
        .string()
        .regex(/^(sqlserver|mssql):\/\//, 'has to begin with sqlserver:// or mssql://')
        .optional()
        .describe(
          'Address as `sqlserver://user@host:1433?database=name`, or `mssql://user@host:1433/name`. Stands in place of host, port, instance, user and database; the password may stand in it as a reference. Takes the parameters database, encrypt and trustServerCertificate.',
        ),
      host: z.string().min(1).optional().describe('Host name or address.'),
      port: z.int().min(1).max(65535).optional().describe('Port; 1433 where it is left out.'),
      instance: z.string().min(1).optional().describe('Named instance, whose port is asked of the SQL Server Browser. Stands in place of port.'),
      user: z.string().min(1).optional().describe('Login to connect as.'),
      password: z.string().optional().describe('Password, best as a reference to the environment or a secret. Outranks the one in `url`.'),
      database: z.string().min(1).optional().describe("Database to connect to; the login's own where it is left out."),
      ssl: z
        .enum(['disable', 'require', 'verify-full'])
        .optional()
        .describe(
          '`disable`: only the login is encrypted, where the server can. `require`: encrypted, the certificate is not checked. `verify-full`, the default: encrypted, certificate and host name are checked. Outranks what `url` says.',
        ),
      sslCa: z.string().min(1).optional().describe("Certificate authority for `verify-full`: PEM text, or the path of a PEM file. Absent: the system's own."),
      requestTimeoutSeconds: z
        .int()
        .min(1)
        .max(86_400)
        .optional()
        .describe('How long the server may take until it begins to answer a request. No limit where it is left out: a run ends with its own time limit.'),
    })
    .superRefine((fields, context) => {
      if ((fields.url === undefined) === (fields.host === undefined)) {
        context.addIssue({ code: 'custom', message: 'needs either url or host', path: fields.url === undefined ? [] : ['host'] });
      }
      for (const name of ['port', 'instance', 'user', 'database'] as const) {
        if (fields.url !== undefined && fields[name] !== undefined)
          context.addIssue({ code: 'custom', message: 'stands in url already: give one of the two', path: [name] });
      }
      if (fields.port !== undefined && fields.instance !== undefined)
        context.addIssue({ code: 'custom', message: 'has a port of its own: give one of the two', path: ['instance'] });
    }),
);

const source = lazy(() =>
  z
    .strictObject({
      table: z.string().min(1).optional().describe("Table or view to read: `schema.table`, or `table` in the user's default schema."),
      query: z
        .string()
        .min(1)
        .optional()
        .describe('A SELECT to read instead of a table. Without a closing semicolon, WITH or ORDER BY: it stands in brackets.'),
    })
    .refine((fields) => (fields.table === undefined) !== (fields.query === undefined), { message: 'needs exactly one of table and query' }),
);

const destination = lazy(() =>
  z.strictObject({
    table: z
      .string()
      .min(1)
      .describe("Table to write: `schema.table`, or `table` in the user's default schema. Made from the source's columns where it is missing."),
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
