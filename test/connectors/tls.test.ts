/** Encrypted connections as they are really made: authority and name are checked where that is asked for, and nothing goes out in plain where it is not to. */
import { chown, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import mysql from 'mysql2/promise';
import pg from 'pg';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Connector, ConnectorConfig } from '../../lib/connectors/connector.ts';
import { config as mysqlConfig } from '../../lib/connectors/mysql/config.ts';
import { connector as mysqlConnector } from '../../lib/connectors/mysql/index.ts';
import { config as postgresConfig } from '../../lib/connectors/postgres/config.ts';
import { connector as postgresConnector } from '../../lib/connectors/postgres/index.ts';
import { SyncError } from '../../lib/errors.ts';
import { type Certificate, certificates } from '../support/certificates.ts';
import { unprivileged } from '../support/servers/account.ts';
import { startMysql } from '../support/servers/mysql.ts';
import { startPostgres } from '../support/servers/postgres.ts';
import { describeWith } from '../support/servers.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

interface Encrypted {
  readonly url: string;
  /** A query with the cipher of its own session, or NULL. */
  readonly cipher: string;
  /** Another certificate, for connections to come. */
  present(certificate: Certificate): Promise<void>;
}

type Names = 'both' | 'address' | 'name' | 'other';
const altNames = { address: 'IP:127.0.0.1', name: 'DNS:localhost', other: 'DNS:db.example,IP:10.9.9.9' };
const never = new AbortController().signal;

async function postgresTls(stack: AsyncDisposableStack): Promise<Encrypted> {
  const server = stack.use(await startPostgres());
  const query = async (sql: string): Promise<void> => {
    const client = new pg.Client({ connectionString: server.url, ssl: false });
    await client.connect();
    await client.query(sql).finally(() => client.end());
  };
  const present = async ({ cert, key }: Certificate): Promise<void> => {
    await write(join(server.process.folder, 'data'), { 'server.crt': cert, 'server.key': key }, unprivileged('postgres'));
    await query('ALTER SYSTEM SET ssl = on');
    await query('SELECT pg_reload_conf()');
  };
  return { url: server.url, present, cipher: 'SELECT 1 AS id, cipher FROM pg_stat_ssl WHERE pid = pg_backend_pid()' };
}

async function mysqlTls(stack: AsyncDisposableStack, first: Certificate, ca: string): Promise<Encrypted> {
  const server = stack.use(
    await startMysql({
      files: { 'ca.crt': ca, 'server.crt': first.cert, 'server.key': first.key },
      // MySQL takes no certificate that its own authority, made by itself unless it is given one, has not signed
      arguments: ['--ssl-ca=%/ca.crt', '--ssl-cert=%/server.crt', '--ssl-key=%/server.key'],
    }),
  );
  const query = async (sql: string): Promise<unknown> => {
    const connection = await mysql.createConnection({ uri: server.url });
    return (await connection.query(sql).finally(() => connection.end()))[0];
  };
  const isMariadb = JSON.stringify(await query('SELECT VERSION()')).includes('MariaDB');
  const present = async ({ cert, key }: Certificate): Promise<void> => {
    await write(server.process.folder, { 'server.crt': cert, 'server.key': key }, unprivileged('mysql'));
    await query(isMariadb ? 'FLUSH SSL' : 'ALTER INSTANCE RELOAD TLS');
  };
  const status = `${isMariadb ? 'information_schema' : 'performance_schema'}.SESSION_STATUS`.toLowerCase();
  return { url: server.url, present, cipher: `SELECT 1 AS id, NULLIF(VARIABLE_VALUE, '') AS cipher FROM ${status} WHERE VARIABLE_NAME = 'SSL_CIPHER'` };
}

async function write(folder: string, files: Readonly<Record<string, string>>, account: ReturnType<typeof unprivileged>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await writeFile(join(folder, name), text, { mode: 0o600 });
    if (account !== undefined) await chown(join(folder, name), account.uid, account.gid);
  }
}

const kinds = {
  postgres: { connector: postgresConnector, config: postgresConfig, start: postgresTls },
  mysql: { connector: mysqlConnector, config: mysqlConfig, start: mysqlTls },
} satisfies Record<string, { connector: Connector; config: ConnectorConfig; start: unknown }>;

for (const kind of ['postgres', 'mysql'] as const) {
  await describeWith([kind], `encryption, ${kind}`, (servers) => {
    const { connector, config } = kinds[kind];
    let made: Awaited<ReturnType<typeof certificates<Names>>>;
    let foreign: string;
    let server: Encrypted;

    beforeAll(async () => {
      const stack = new AsyncDisposableStack();
      const [folder, elsewhere] = [stack.use(await temporaryFolder()), stack.use(await temporaryFolder())];
      made = await certificates(folder.path, ['both', 'address', 'name', 'other'], altNames);
      foreign = (await certificates(elsewhere.path, [])).ca;
      server = await kinds[kind].start(stack, made.of.both, made.ca);
      return () => stack.disposeAsync();
    }, 60_000);

    /** The cipher of a session that was opened with these fields; null: plain. */
    async function open(fields: object, url = server.url): Promise<string | null> {
      const connection = config.connection.parse({ type: kind, url, ...fields });
      const options = config.source.parse({ query: server.cipher });
      const cursor = { key: ['id'], lookbackSeconds: 0, nulls: 'refuse' } as const;
      await using source = await connector.openSource(connection, { sync: 'tls', options, mode: 'full', cursor, peer: 'elsewhere' }, never);
      for await (const chunk of source.read({ from: null, maxRows: 10, maxBytes: 10_000 }, never))
        if (chunk.kind === 'rows' && chunk.rows[0] !== undefined) return chunk.rows[0][1] as string | null;
      throw new Error('no row');
    }

    async function refused(fields: object, url?: string): Promise<SyncError> {
      const error = await open(fields, url).then(
        (found) => new Error(`connected: ${found}`),
        (reason: unknown) => reason,
      );
      if (!(error instanceof SyncError)) throw error;
      expect(error).toMatchObject({ code: 'CONNECTION_FAILED', retry: 'never' });
      expect(error.message).toMatch(/encrypt/);
      return error;
    }

    const byName = (): string => server.url.replace('127.0.0.1', 'localhost');

    it('is there with require, whoever signed', async () => {
      await server.present(made.of.other);
      expect(await open({ ssl: 'require' })).toMatch(/AES|CHACHA/);
    });

    it('verify-full takes the own authority, as text or as a file, and the name that was asked for', async () => {
      await server.present(made.of.both);
      await using folder = await temporaryFolder();
      const path = join(folder.path, 'ca.pem');
      await writeFile(path, made.ca);
      expect(await open({ ssl: 'verify-full', sslCa: made.ca })).toMatch(/AES|CHACHA/);
      expect(await open({ ssl: 'verify-full', sslCa: path }, byName())).toMatch(/AES|CHACHA/);
    });

    it('verify-full refuses another authority, and the system where it knows none, and says where to look', async () => {
      await server.present(made.of.both);
      expect((await refused({ ssl: 'verify-full', sslCa: foreign })).message).toContain('sslCa');
      await refused({ ssl: 'verify-full' });
    });

    it.each([
      ['an address', 'name', false],
      ['an address', 'other', false],
      ['a name', 'address', true],
      ['a name', 'other', true],
    ] as const)('verify-full of %s refuses a certificate for %s', async (_asked, presented, named) => {
      await server.present(made.of[presented]);
      expect((await refused({ ssl: 'verify-full', sslCa: made.ca }, named ? byName() : undefined)).message).toContain('ALTNAME');
    });

    it.each([
      ['address', false],
      ['name', true],
    ] as const)('verify-full takes a certificate for the %s alone', async (presented, named) => {
      await server.present(made.of[presented]);
      // The second one may take up the first one's session, in which no certificate is sent
      for (let i = 0; i < 2; i++) expect(await open({ ssl: 'verify-full', sslCa: made.ca }, named ? byName() : undefined)).toMatch(/AES|CHACHA/);
    });

    it('an authority that cannot be read is named', async () => {
      await expect(open({ ssl: 'verify-full', sslCa: '/nowhere/ca.pem' })).rejects.toMatchObject({
        code: 'CONFIG_INVALID',
        message: expect.stringContaining('/nowhere/ca.pem'),
      });
    });

    it('disable is plain', async () => {
      expect(await open({ ssl: 'disable' })).toBeNull();
    });

    describe('a server without it', () => {
      // Servers that encrypt by themselves (MariaDB from 11.4, MySQL) have nothing to refuse
      it('is refused by require and verify-full, by name', async ({ skip }) => {
        const url = servers[kind].url;
        const plain = await open({ ssl: 'require' }, url).catch((error: unknown) => error);
        if (typeof plain === 'string') return skip('this server encrypts');
        await refused({ ssl: 'require' }, url);
        await refused({ ssl: 'verify-full', sslCa: made.ca }, url);
      });
    });
  });
}
