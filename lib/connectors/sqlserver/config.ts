import * as z from 'zod';
import type { ConnectorConfig } from '../connector.ts';
import { lazy, lazySchemas } from '../lazy-schemas.ts';
import {
  destinationFields,
  givenOnce,
  oneOfTableAndQuery,
  passwordField,
  portField,
  sourceFields,
  sqlCapabilities,
  sslCaField,
  sslField,
} from '../sql/config.ts';

const tableForm = ": `schema.table`, or `table` in the user's default schema";

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
      port: portField(1433),
      instance: z.string().min(1).optional().describe('Named instance, whose port is asked of the SQL Server Browser. Stands in place of port.'),
      user: z.string().min(1).optional().describe('Login to connect as.'),
      password: passwordField(),
      database: z.string().min(1).optional().describe("Database to connect to; the login's own where it is left out."),
      ssl: sslField(
        '`disable`: only the login is encrypted, where the server can. `require`: encrypted, the certificate is not checked. `verify-full`, the default: encrypted, certificate and host name are checked. Outranks what `url` says.',
      ),
      sslCa: sslCaField(),
      requestTimeoutSeconds: z
        .int()
        .min(1)
        .max(86_400)
        .optional()
        .describe('How long the server may take until it begins to answer a request. No limit where it is left out: a run ends with its own time limit.'),
    })
    .superRefine((fields, context) => {
      givenOnce(['port', 'instance', 'user', 'database'])(fields, context);
      if (fields.port !== undefined && fields.instance !== undefined)
        context.addIssue({ code: 'custom', message: 'has a port of its own: give one of the two', path: ['instance'] });
    }),
);

const source = lazy(() =>
  z
    .strictObject({
      ...sourceFields(tableForm, 'A SELECT to read instead of a table. Without a closing semicolon, WITH or ORDER BY: it stands in brackets.'),
    })
    .refine(...oneOfTableAndQuery),
);

const destination = lazy(() => z.strictObject(destinationFields(tableForm)));

export const config: ConnectorConfig = lazySchemas(
  { connection, source, destination },
  {
    capabilities: sqlCapabilities,
    secretFields: ['url', 'password'],
  },
);
