import pg from 'pg';
import type { Fresh } from './fresh.ts';

async function administer(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

/** A database of its own on the server at `url`; with it go all its connections and replication slots. */
export async function freshPostgres(url: string, name: string): Promise<Fresh> {
  await administer(url, `create database "${name}" template template0`);
  const own = new URL(url);
  own.pathname = `/${name}`;
  return {
    url: own.href,
    name,
    [Symbol.asyncDispose]: async () => {
      await administer(url, `select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = '${name}' and not active`);
      await administer(url, `drop database if exists "${name}" with (force)`);
    },
  };
}
