/** Idra's connector types: how each one's connection is read, and what its `table` and `query` are here. */
import { translateMysql } from './mysql.ts';
import { translateKafka, translateMongodb, translateRest, translateS3, translateSqlserver } from './others.ts';
import { translatePostgres } from './postgres.ts';
import type { TranslatedConnection } from './result.ts';
import type { IdraConnector } from './schema.ts';
import { translateSqlite } from './sqlite.ts';
import type { Side } from './translate.ts';

export interface ConnectorKind {
  connect(connector: IdraConnector, side: Side): TranslatedConnection;
  /** Field of the source and of the destination that Idra calls `table`. */
  readonly table: string;
  /** Takes a query in place of a table. */
  readonly query: boolean;
  /** Reads a stream: its `id` names no column then. */
  readonly stream: boolean;
  /** Fields of Idra's connector that only some types use; set on another type they are refused. */
  readonly uses: readonly ('token' | 'attributes' | 'database')[];
}

/** `database` outside the connection string, as SQL connectors take it: the two have to agree. */
function withDatabase(translated: TranslatedConnection, database: string): TranslatedConnection {
  const named = translated.fields.database;
  if (database === '' || translated.faults.length > 0 || named === database) return translated;
  if (named !== undefined) return { ...translated, faults: ['names another database than the field database: make them agree'] };
  return { ...translated, fields: { ...translated.fields, database } };
}

const sql = { table: 'table', query: true, stream: false, uses: ['database'] } as const;

export const connectorKinds: Readonly<Record<string, ConnectorKind>> = {
  PostgresGORM: { ...sql, connect: ({ connection_string, database }) => withDatabase(translatePostgres(connection_string), database) },
  MysqlGORM: { ...sql, connect: ({ connection_string, database }) => withDatabase(translateMysql(connection_string), database) },
  SqliteGORM: { ...sql, uses: [], connect: ({ connection_string }) => translateSqlite(connection_string) },
  MssqlGORM: { ...sql, uses: [], connect: translateSqlserver },
  MongodbConnector: { table: 'collection', query: false, stream: true, uses: ['database'], connect: translateMongodb },
  KafkaConnector: { table: 'topic', query: false, stream: true, uses: ['attributes'], connect: translateKafka },
  s3JsonConnector: { table: 'path', query: false, stream: true, uses: ['database'], connect: translateS3 },
  RestConnector: { table: 'path', query: false, stream: false, uses: ['token', 'attributes'], connect: translateRest },
};
