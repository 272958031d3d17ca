/** Each of the eight connectors at an end of a pair: a fixture as a source, a reader as a destination. */
import type { Mode } from '../../lib/connectors/connector.ts';
import { type Column, type Row, typeName } from '../../lib/values/types.ts';
import type { Harness } from '../conformance/harness.ts';
import { kafkaHarness } from '../connectors/kafka-harness.ts';
import { mongodbHarness } from '../connectors/mongodb-harness.ts';
import { mysqlHarness } from '../connectors/mysql-harness.ts';
import { postgresHarness } from '../connectors/postgres-harness.ts';
import { restHarness } from '../connectors/rest-harness.ts';
import { listed, s3World, unpacked } from '../connectors/s3-harness.ts';
import { sqliteHarness } from '../connectors/sqlite-harness.ts';
import { sqlserverHarness } from '../connectors/sqlserver-harness.ts';
import type { System } from './expectations.ts';
import { documentOf, rowOf } from './json-document.ts';

export interface End extends Harness {
  /** A run over everything, and one that may take a faster way. */
  readonly modes: { readonly whole: Mode; readonly fast: Mode };
  /** Has no type for JSON: as a source it gives texts, and nobody can know what is in them. */
  readonly jsonIsText?: true;
  /** Declares no key: the definition has to name it. */
  readonly keyless?: true;
  /** `count`: how many are due, for a system that shows them late. */
  read(table: string, columns: readonly Column[], count?: number): Promise<Row[]>;
}

const declared = { whole: 'full', fast: 'id' } as const;
const cannotHold = { 'JSON null': 'a JSON object has one null for both' } as const;

function fieldsOf(columns: readonly Column[]): Record<string, string> {
  return Object.fromEntries(columns.map(({ name, type }) => [name, typeName(type)]));
}

function noCatalogue(): Promise<never> {
  return Promise.reject(new Error('no columns are declared here'));
}

async function postgresEnd(): Promise<End> {
  const harness = await postgresHarness();
  const name = harness.quote?.(new URL(harness.url).pathname.slice(1));
  // What every session begins with unless it says otherwise
  for (const setting of [
    "TimeZone = 'Pacific/Chatham'",
    "DateStyle = 'SQL, DMY'",
    'extra_float_digits = -10',
    "bytea_output = 'escape'",
    "IntervalStyle = 'sql_standard'",
  ])
    await harness.execute?.(`ALTER DATABASE ${name} SET ${setting}`);
  return { ...harness, modes: declared };
}

async function s3End(): Promise<End> {
  const world = await s3World();
  let columns: readonly Column[] = [];
  return {
    system: 's3',
    connector: world.connector,
    config: world.config,
    connection: world.connection,
    modes: { whole: 'full', fast: 'stream' },
    keyless: true,
    source: (table) => world.source(`${table}/`, { fields: fieldsOf(columns) }),
    destination: (table) => world.destination(table),
    create: async (schema, rows) => {
      columns = schema.columns;
      await world.put(`${schema.name}/a.jsonl`, rows.map((row) => `${documentOf(columns, row)}\n`).join(''));
    },
    read: async (table, wanted) => {
      const rows: Row[] = [];
      for (const { key } of await listed(world, `${table}/`)) {
        const lines = (await unpacked(world, key)).split('\n').slice(0, -1);
        rows.push(...lines.map((line) => rowOf(wanted, line)));
      }
      return rows;
    },
    columns: noCatalogue,
    cannotHold,
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  };
}

export const ends: Readonly<Record<System, () => Promise<End>>> = {
  postgres: postgresEnd,
  mysql: async () => ({ ...(await mysqlHarness()), modes: declared }),
  sqlite: async () => ({ ...(await sqliteHarness()), modes: declared }),
  sqlserver: async () => ({ ...(await sqlserverHarness()), modes: declared, jsonIsText: true }),
  mongodb: async () => ({ ...(await mongodbHarness()), modes: declared, keyless: true }),
  kafka: async () => ({ ...(await kafkaHarness()), modes: { whole: 'stream', fast: 'stream' } }),
  s3: s3End,
  rest: async () => ({ ...(await restHarness()), modes: { whole: 'full', fast: 'full' }, keyless: true }),
};
