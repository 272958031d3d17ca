/** A database, prefix or bucket for one test file. See test/README.md. */
import { randomBytes } from 'node:crypto';
import type { Fresh } from './fresh/fresh.ts';
import { type Backend, serverOrReason } from './servers.ts';

export type { Fresh } from './fresh/fresh.ts';

type FreshBackend = Exclude<Backend, 'aws'>;

/** Each loaded when it is asked for: all drivers together take a second of the processor, in each of a hundred test files. */
const make: Readonly<Record<FreshBackend, (url: string, name: string) => Promise<Fresh>>> = {
  postgres: async (url, name) => (await import('./fresh/postgres.ts')).freshPostgres(url, name),
  mysql: async (url, name) => (await import('./fresh/mysql.ts')).freshMysql(url, name),
  sqlite: async (_url, name) => (await import('./fresh/sqlite.ts')).freshSqlite(name),
  etcd: async (url, name) => (await import('./fresh/etcd.ts')).freshEtcd(url, name),
  kafka: async (url, name) => (await import('./fresh/kafka.ts')).freshKafka(url, name),
  mongodb: async (url, name) => (await import('./fresh/mongodb.ts')).freshMongodb(url, name),
  s3: async (url, name) => (await import('./fresh/s3.ts')).freshS3(url, name),
  sqlserver: async (url, name) => (await import('./fresh/sqlserver.ts')).freshSqlserver(url, name),
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
