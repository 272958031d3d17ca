/** One table of twelve mixed columns, the same rows in all three databases. A million rows are about 295 MB as COPY text. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';

export const columns = ['id', 'qty', 'amount', 'score', 'active', 'name', 'descr', 'updated_at', 'day', 'uid', 'attrs', 'note'] as const;

export const ddl = {
  postgres:
    'CREATE TABLE wide (id bigint PRIMARY KEY, qty integer NOT NULL, amount numeric(18,4) NOT NULL, score double precision NOT NULL, active boolean NOT NULL, name text NOT NULL, descr text NOT NULL, ' +
    'updated_at timestamptz(6) NOT NULL, day date NOT NULL, uid uuid NOT NULL, attrs jsonb NOT NULL, note text)',
  mysql:
    'CREATE TABLE wide (id bigint PRIMARY KEY, qty int NOT NULL, amount decimal(18,4) NOT NULL, score double NOT NULL, active tinyint NOT NULL, name varchar(200) NOT NULL, descr varchar(400) NOT NULL, ' +
    'updated_at timestamp(6) NOT NULL, day date NOT NULL, uid char(36) NOT NULL, attrs json NOT NULL, note text) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin',
  sqlite:
    'CREATE TABLE wide (id integer PRIMARY KEY, qty integer NOT NULL, amount text NOT NULL, score real NOT NULL, active integer NOT NULL, name text NOT NULL, descr text NOT NULL, ' +
    'updated_at text NOT NULL, day text NOT NULL, uid text NOT NULL, attrs text NOT NULL, note text)',
} as const;

/** The table as the destination has it: with the types that hold exactly what the source's columns hold. */
export function destinationDdl(from: keyof typeof ddl, to: keyof typeof ddl): string {
  if (to !== 'postgres' || from === 'postgres') return ddl[to];
  if (from === 'mysql') return ddl.postgres.replace('active boolean', 'active integer').replace('uid uuid', 'uid varchar(36)');
  const text = ['amount numeric(18,4)', 'updated_at timestamptz(6)', 'day date', 'uid uuid', 'attrs jsonb'];
  const loose = text.reduce((sql, column) => sql.replace(column, `${column.split(' ')[0] ?? ''} text`), ddl.postgres);
  return loose.replace('qty integer', 'qty bigint').replace('active boolean', 'active bigint');
}

/** Fills `wide` in PostgreSQL. Text has tabs, quotes, backslashes, line ends and emoji now and then, as real text does. */
export const fill = (rows: number): string =>
  `INSERT INTO wide SELECT i, (i::bigint * 7919) % 100000, ((i::bigint * 104729) % 100000000)::numeric / 10000, sqrt(i::float8) * 3.7, i % 3 = 0, 'customer ' || md5(i::text),
   repeat(md5((i::bigint * 31)::text) || ' ', 3) || CASE WHEN i % 50 = 0 THEN E'tab\\there \\\\ "quoted" 🙂' ELSE 'plain' END,
   timestamptz '2024-01-01 00:00:00+00' + i * interval '1.234567 seconds', date '2020-01-01' + (i % 2000)::int, md5(i::text || 'u')::uuid,
   jsonb_build_object('k', i, 'tags', jsonb_build_array('a', 'b', i % 10), 'n', (i % 977) * 1.5), CASE WHEN i % 4 = 0 THEN NULL ELSE 'note ' || i END FROM generate_series(1, ${rows}) AS i`;

/** Rows as `psql` writes them for a database that knows neither `t` and `f` nor time zones. */
export const plainSelect =
  "SELECT id, qty, amount, score, active::int, name, descr, to_char(updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), day, uid, attrs, note FROM wide ORDER BY id";

/** Runs a shell pipeline; throws with what it wrote to its error output. */
export async function shell(script: string, env: Record<string, string> = {}): Promise<void> {
  const child = spawn('bash', ['-o', 'pipefail', '-e', '-c', script], { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...env } });
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`exit ${String(code)}: ${errors.slice(-2_000)}\n${script.slice(0, 400)}`);
}
