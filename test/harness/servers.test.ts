import Database from 'better-sqlite3';
import { Etcd3 } from 'etcd3';
import mysql from 'mysql2/promise';
import pg from 'pg';
import { expect, it } from 'vitest';
import { freshDatabase } from '../support/fresh.ts';
import { describeWith } from '../support/servers.ts';

await describeWith(['postgres'], 'PostgreSQL', ({ postgres }) => {
  it('has a database of its own, and refuses a wrong password', async () => {
    const fresh = await freshDatabase('postgres');
    const client = new pg.Client({ connectionString: fresh.url });
    await client.connect();
    const { rows } = await client.query('select current_database() as name');
    await client.end();
    expect(rows).toEqual([{ name: fresh.name }]);
    await fresh[Symbol.asyncDispose]();
    await expect(new pg.Client({ connectionString: fresh.url }).connect()).rejects.toMatchObject({ code: '3D000' });
    const wrong = new URL(postgres.url);
    wrong.password = 'wrong';
    await expect(new pg.Client({ connectionString: wrong.href }).connect()).rejects.toMatchObject({ code: '28P01' });
  });
});

await describeWith(['mysql'], 'MariaDB or MySQL', () => {
  it('has a database of its own', async () => {
    const fresh = await freshDatabase('mysql');
    const connection = await mysql.createConnection({ uri: fresh.url });
    const [rows] = await connection.query('select database() as name, @@local_infile as local, @@binlog_format as binlog');
    await connection.end();
    expect(rows).toEqual([{ name: fresh.name, local: 1, binlog: 'ROW' }]);
    await fresh[Symbol.asyncDispose]();
    await expect(mysql.createConnection({ uri: fresh.url })).rejects.toMatchObject({ errno: 1049 });
  });
});

await describeWith(['sqlite'], 'SQLite', ({ sqlite }) => {
  it('has a file of its own', async () => {
    expect(sqlite.version).toMatch(/^SQLite 3\.\d+/);
    await using fresh = await freshDatabase('sqlite');
    const database = new Database(fresh.url);
    database.exec('create table t (x int)');
    database.close();
  });
});

await describeWith(['etcd'], 'etcd', () => {
  it('has a prefix of its own, emptied at the end', async () => {
    const fresh = await freshDatabase('etcd');
    expect(fresh.name).toMatch(/\/$/);
    const client = new Etcd3({ hosts: fresh.url.split(',').map((host) => `http://${host}`) });
    await client.put(`${fresh.name}a`).value('1');
    await client.put(`x${fresh.name}a`).value('1');
    await fresh[Symbol.asyncDispose]();
    expect(await client.getAll().prefix(fresh.name).strings()).toEqual({});
    expect(await client.getAll().prefix(`x${fresh.name}`).strings()).toEqual({ [`x${fresh.name}a`]: '1' });
    await client.delete().prefix(`x${fresh.name}`);
    client.close();
  });
});
