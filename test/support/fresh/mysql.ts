import mysql from 'mysql2/promise';
import type { Fresh } from './fresh.ts';

async function administer(url: string, statement: string): Promise<void> {
  const connection = await mysql.createConnection({ uri: url });
  try {
    await connection.query(statement);
  } finally {
    await connection.end();
  }
}

/** A database of its own on the server at `url`, in utf8mb4. */
export async function freshMysql(url: string, name: string): Promise<Fresh> {
  await administer(url, `create database \`${name}\` character set utf8mb4`);
  const own = new URL(url);
  own.pathname = `/${name}`;
  return { url: own.href, name, [Symbol.asyncDispose]: () => administer(url, `drop database if exists \`${name}\``) };
}
