/** A service that keeps what is put to it by its address, and gives lists in pages. */
import { config } from '../../lib/connectors/rest/config.ts';
import { connector } from '../../lib/connectors/rest/index.ts';
import { type Column, type Row, typeName } from '../../lib/values/types.ts';
import type { Harness } from '../conformance/harness.ts';
import { documentOf, rowOf } from '../pairs/json-document.ts';
import { HttpFaultServer } from '../support/http-fault-server.ts';

const pageRows = 1_000;

export async function restHarness(): Promise<Harness> {
  const server = await HttpFaultServer.listen();
  const taken = new Map<string, Map<string, string>>();
  const lists = new Map<string, string[]>();
  let columns: readonly Column[] = [];
  return {
    system: 'rest',
    connector,
    config,
    connection: config.connection.parse({ type: 'rest', url: server.url, allowPrivate: true, maxResponseBytes: 32 * 1024 ** 2 }),
    source: (table, wanted = columns) =>
      config.source.parse({
        path: `/${table}`,
        pagination: { type: 'page', param: 'page' },
        fields: Object.fromEntries(wanted.map(({ name, type }) => [name, typeName(type)])),
      }),
    destination: (table) => {
      const bodies = taken.get(table) ?? new Map<string, string>();
      taken.set(table, bodies);
      server.route(`PUT /${table}/*`, ({ path, body }) => {
        bodies.set(path, body);
        return { status: 204 };
      });
      return config.destination.parse({ path: `/${table}/{id}`, delete: { path: `/${table}/{id}` } });
    },
    create: async (schema, rows) => {
      columns = schema.columns;
      const list = rows.map((row) => documentOf(schema.columns, row));
      lists.set(schema.name, list);
      server.route(`GET /${schema.name}`, ({ query }) => {
        const from = (Number(query.get('page') ?? 1) - 1) * pageRows;
        return { headers: { 'content-type': 'application/json' }, body: `[${list.slice(from, from + pageRows).join(',')}]` };
      });
    },
    append: async (schema, row) => {
      lists.get(schema.name)?.push(documentOf(schema.columns, row));
    },
    read: async (table, wanted): Promise<Row[]> => [...(taken.get(table)?.values() ?? [])].map((body) => rowOf(wanted, body)),
    columns: () => Promise.reject(new Error('a service has no catalogue')),
    cannotHold: { 'JSON null': 'a JSON object has one null for both' },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
