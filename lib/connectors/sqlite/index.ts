import { existsSync } from 'node:fs';
import { access, constants } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { CheckResult, Connector, DiscoveredTable } from '../connector.ts';
import { writtenName } from '../sql/names.ts';
import { findTable, listTables } from './catalog.ts';
import { fileOf, noFileError, openDatabase, type SqliteConnection, Statements } from './database.ts';
import { SqliteDestination } from './destination.ts';
import { quote } from './dialect.ts';
import { sqliteError } from './errors.ts';
import { estimateRows } from './estimate.ts';
import { describeTable } from './relation.ts';
import { openSource } from './source.ts';

export const connector: Connector = {
  async check(connection: unknown): Promise<CheckResult> {
    const file = connection as SqliteConnection;
    const absent = await absentFile(file);
    if (absent !== null) return absent;
    const database = await openDatabase(file, { write: false });
    try {
      const statements = new Statements(database);
      const version = statements.first({ sql: 'SELECT sqlite_version()', params: [] })?.[0];
      const tables = listTables(statements).length;
      const writable = await access(fileOf(file), constants.W_OK).then(
        () => true,
        () => false,
      );
      return {
        server: `SQLite ${version}`,
        read: `read ${tables === 1 ? '1 table or view' : `${tables} tables and views`}`,
        write: writable ? 'create and write tables' : 'nothing: the file may not be written to',
      };
    } catch (error) {
      throw sqliteError(error, `read the SQLite file ${file.path}`);
    } finally {
      database.close();
    }
  },

  async discover(connection: unknown, signal: AbortSignal): Promise<DiscoveredTable[]> {
    const database = await openDatabase(connection as SqliteConnection, { write: false });
    try {
      const statements = new Statements(database);
      const found: DiscoveredTable[] = [];
      for (const name of listTables(statements)) {
        signal.throwIfAborted();
        const table = findTable(statements, quote(name));
        if (table === null) continue;
        const { relation, columns, rowid } = describeTable(statements, table, '');
        found.push({
          name: writtenName(name),
          columns: columns.map(({ column }) => column),
          key: table.key,
          ...(rowid ? { estimatedRows: estimateRows(statements, relation.from).rows } : {}),
        });
      }
      return found;
    } catch (error) {
      throw sqliteError(error, 'list the tables');
    } finally {
      database.close();
    }
  },

  openSource: (connection, request) => openSource(connection as SqliteConnection, request),

  async openDestination(connection, request) {
    return new SqliteDestination(connection as SqliteConnection, request);
  },
};

/** Null where there is a file, or no folder in which one could be made. */
async function absentFile(file: SqliteConnection): Promise<CheckResult | null> {
  const path = fileOf(file);
  if (existsSync(path) || !existsSync(dirname(path))) return null;
  const writable = await access(dirname(path), constants.W_OK).then(
    () => true,
    () => false,
  );
  return {
    server: 'SQLite',
    read: 'nothing: there is no such file yet',
    write: writable ? 'the file is made by the first run that writes to it' : 'nothing: the folder of the file may not be written to',
    absent: noFileError(file),
  };
}
