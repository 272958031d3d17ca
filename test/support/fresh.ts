/** A database, prefix or bucket for one test file. See test/README.md. */
import { randomBytes } from 'node:crypto';
import { freshEtcd } from './fresh/etcd.ts';
import type { Fresh } from './fresh/fresh.ts';
import { freshKafka } from './fresh/kafka.ts';
import { freshMongodb } from './fresh/mongodb.ts';
import { freshMysql } from './fresh/mysql.ts';
import { freshPostgres } from './fresh/postgres.ts';
import { freshS3 } from './fresh/s3.ts';
import { freshSqlite } from './fresh/sqlite.ts';
import { freshSqlserver } from './fresh/sqlserver.ts';
import { type Backend, serverOrReason } from './servers.ts';

export type { Fresh } from './fresh/fresh.ts';

type FreshBackend = Exclude<Backend, 'aws'>;

const make: Readonly<Record<FreshBackend, (url: string, name: string) => Fresh | Promise<Fresh>>> = {
  postgres: freshPostgres,
  mysql: freshMysql,
  sqlite: (_url, name) => freshSqlite(name),
  etcd: freshEtcd,
  kafka: freshKafka,
  mongodb: freshMongodb,
  s3: freshS3,
  sqlserver: freshSqlserver,
};

/**
 * Rejects where this run has no such server: call it inside `describeWith`. `on` takes another server than the shared one, such as a private one or a
 * proxy before it.
 */
export async function freshDatabase(backend: FreshBackend, on?: { readonly url: string }): Promise<Fresh> {
  const server = on ?? (await serverOrReason(backend));
  if ('reason' in server) throw new Error(`no ${backend}: ${server.reason}`);
  return make[backend](server.url, `idra_${randomBytes(6).toString('hex')}`);
}
