import { onSqlserver } from '../servers/sqlserver.ts';
import type { Fresh } from './fresh.ts';

/** A database of its own on the server at `url`. */
export async function freshSqlserver(url: string, name: string): Promise<Fresh> {
  await onSqlserver(url, `create database [${name}]`);
  const own = new URL(url);
  own.searchParams.set('database', name);
  return {
    url: own.href,
    name,
    [Symbol.asyncDispose]: async () => {
      // Refused while a session is still in it: such as one of a child that was killed a moment ago
      await onSqlserver(url, `drop database [${name}]`).catch(() =>
        onSqlserver(url, `alter database [${name}] set single_user with rollback immediate; drop database [${name}]`),
      );
    },
  };
}
