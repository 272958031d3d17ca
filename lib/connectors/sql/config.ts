/** What the definitions of SQL databases share. Made lazily by those who use it; no driver is loaded. */
import * as z from 'zod';
import type { Capabilities } from '../connector.ts';

export const sqlCapabilities: Capabilities = {
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
};

export const portField = (standard: number) => z.int().min(1).max(65535).optional().describe(`Port; ${standard} where it is left out.`);

export const passwordField = () => z.string().optional().describe('Password, best as a reference to the environment or a secret. Outranks the one in `url`.');

export const sslField = (about: string) => z.enum(['disable', 'require', 'verify-full']).optional().describe(about);

export const sslCaField = () =>
  z.string().min(1).optional().describe("Certificate authority for `verify-full`: PEM text, or the path of a PEM file. Absent: the system's own.");

/** For `superRefine`: an address is given once, as a whole or in `parts`. */
export function givenOnce<Part extends string>(parts: readonly Part[]) {
  return (fields: { readonly [Name in Part | 'url' | 'host']?: unknown }, context: z.core.$RefinementCtx): void => {
    if ((fields.url === undefined) === (fields.host === undefined)) {
      context.addIssue({ code: 'custom', message: 'needs either url or host', path: fields.url === undefined ? [] : ['host'] });
    }
    for (const name of parts) {
      if (fields.url !== undefined && fields[name] !== undefined)
        context.addIssue({ code: 'custom', message: 'stands in url already: give one of the two', path: [name] });
    }
  };
}

/** A server with databases that are reached by host, port, user and password. */
export function serverConnection(server: { type: 'mysql' | 'postgres'; about: string; scheme: RegExp; begins: string; address: string; port: number }) {
  return z
    .strictObject({
      type: z.literal(server.type).describe(server.about),
      url: z
        .string()
        .regex(server.scheme, `has to begin with ${server.begins}`)
        .optional()
        .describe(`Address as \`${server.address}\`. Stands in place of host, port, user and database; the password may stand in it as a reference.`),
      host: z.string().min(1).optional().describe('Host name, address, or directory of a Unix socket.'),
      port: portField(server.port),
      user: z.string().min(1).optional().describe('User to connect as.'),
      password: passwordField(),
      database: z.string().min(1).optional().describe('Database to connect to.'),
      ssl: sslField('`disable`: plain. `require`: encrypted, the certificate is not checked. `verify-full`: encrypted, certificate and host name are checked.'),
      sslCa: sslCaField(),
    })
    .superRefine(givenOnce(['port', 'user', 'database']));
}

const selectOnly = 'A SELECT to read instead of a table. Without a closing semicolon.';

/** `form`: how a table is named there. */
export const sourceFields = (form: string, query = selectOnly) => ({
  table: z.string().min(1).optional().describe(`Table or view to read${form}.`),
  query: z.string().min(1).optional().describe(query),
});

export const oneOfTableAndQuery = [
  (fields: { readonly table?: unknown; readonly query?: unknown }): boolean => (fields.table === undefined) !== (fields.query === undefined),
  { message: 'needs exactly one of table and query' },
] as const;

export const destinationFields = (form: string) => ({
  table: z.string().min(1).describe(`Table to write${form}. Made from the source's columns where it is missing.`),
});
