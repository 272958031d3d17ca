/** I1, I2: the destination's disk is really full. The error says so and where; what was committed before stays, and with room again the next run completes the set. */
import { chown, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, it } from 'vitest';
import { openCoordination } from '../../lib/coordination/coordination.ts';
import type { Row, Schema } from '../../lib/values/types.ts';
import { column, freshName } from '../conformance/drive.ts';
import type { Harness } from '../conformance/harness.ts';
import { mysqlHarness } from '../connectors/mysql-harness.ts';
import { postgresHarness } from '../connectors/postgres-harness.ts';
import { sqliteHarness } from '../connectors/sqlite-harness.ts';
import { unprivileged } from '../support/servers/account.ts';
import { startMysql } from '../support/servers/mysql.ts';
import { describeWith, server } from '../support/servers.ts';
import { type SmallDisk, smallDisk } from '../support/small-disk.ts';
import { between } from './between.ts';

const diskBytes = 8 << 20;
const count = 4_000;
const columns = [column('id', 'int32', false), column('v', 'string')];

/** A destination whose table lies where room is short. */
interface Place {
  readonly destination: Harness;
  fill(): Promise<void>;
  free(): Promise<void>;
}

type MakePlace = (stack: AsyncDisposableStack, table: string) => Promise<Place | string>;

const elsewhere = 'the server is not on this machine';
const notAllowed = 'nothing may be mounted here';

async function onDisk(stack: AsyncDisposableStack, make: (disk: SmallDisk) => Promise<Harness>): Promise<Place | string> {
  const disk = await smallDisk(diskBytes);
  if (disk === undefined) return notAllowed;
  stack.use(disk);
  return { destination: stack.use(await make(disk)), fill: () => disk.fill(diskBytes - (2 << 20)), free: () => disk.free() };
}

const places: Readonly<Record<'sqlite' | 'postgres' | 'mysql', MakePlace>> = {
  sqlite: (stack, table) =>
    onDisk(stack, async (disk) => {
      const harness = stack.use(await sqliteHarness());
      const path = join(disk.path, 'copy.db');
      const database = new Database(path);
      database.exec(`CREATE TABLE ${table} (id INTEGER, v TEXT)`);
      const read: Harness['read'] = async () => database.prepare(`SELECT id, v FROM ${table}`).raw().all() as Row[];
      const dispose = async (): Promise<void> => void database.close();
      return { ...harness, connection: harness.config.connection.parse({ type: 'sqlite', path }), read, [Symbol.asyncDispose]: dispose };
    }),
  postgres: async (stack, table) => {
    const way = (await server('postgres'))?.way;
    if (way !== 'program' && way !== 'package') return elsewhere;
    return onDisk(stack, async (disk) => {
      const harness = stack.use(await postgresHarness());
      const path = join(disk.path, 'tablespace');
      await mkdir(path, { mode: 0o700 });
      const owner = unprivileged('postgres');
      if (owner !== undefined) await chown(path, owner.uid, owner.gid);
      await harness.execute?.(`CREATE TABLESPACE ${table} LOCATION '${path}'`);
      await harness.execute?.(`CREATE TABLE ${table} (id int, v text) TABLESPACE ${table}`);
      const dispose = async (): Promise<void> => {
        await harness.execute?.(`DROP TABLE ${table}`);
        await harness.execute?.(`DROP TABLESPACE ${table}`);
      };
      return { ...harness, [Symbol.asyncDispose]: dispose };
    });
  },
  // A server of its own whose one file may not grow on: on a disk that is full InnoDB may end the whole server
  mysql: async (stack, table) => {
    const own = stack.use(await startMysql({ arguments: ['--innodb-file-per-table=0', '--innodb-data-file-path=ibdata1:12M:autoextend:max:16M'] }));
    const destination = stack.use(await mysqlHarness(own));
    await destination.execute(`CREATE TABLE ${table} (id int, v longtext)`);
    const fill = async (): Promise<void> => {
      await destination.execute('CREATE TABLE filler (v longblob)');
      for (let i = 0; i < 20; i++) await destination.execute("INSERT INTO filler VALUES (REPEAT('x', 100000))");
    };
    return { destination, fill, free: () => destination.execute('DROP TABLE filler') };
  },
};

for (const kind of ['sqlite', 'postgres', 'mysql'] as const) {
  await describeWith([kind, 'sqlite'], `a full disk, destination ${kind}`, () => {
    it('is named, leaves what was committed, and with room again the run goes on', { timeout: 60_000 }, async ({ skip }) => {
      await using stack = new AsyncDisposableStack();
      const table = freshName('small');
      const place = await places[kind](stack, table);
      if (typeof place === 'string') return skip(place);
      const { destination } = place;
      const source = stack.use(await sqliteHarness());
      const schema: Schema = { name: freshName('source'), columns, key: ['id'] };
      await source.create(
        schema,
        Array.from({ length: count }, (_, i): Row => [i, `${i}`.padEnd(500, '.')]),
      );
      const sync = stack.use(await between({ source, destination }, { from: schema.name, to: table, more: { batch: { rows: 200, bytes: 1_000_000 } } }));
      await place.fill();
      // The time limit ends the attempts, which would go on for some ten seconds
      const failed = await sync.run({ deadline: Date.now() + 4_000 });
      expect(failed).toMatchObject({ status: 'failed', error: { code: 'DISK_FULL', message: expect.stringMatching(/full|space|room/i) } });
      expect(failed.error?.message).toContain(table);
      expect(failed.written).toBeGreaterThan(0);
      expect(failed.written).toBeLessThan(count);
      await place.free();
      expect(await sync.run()).toMatchObject({ status: 'succeeded', error: null, written: count - failed.written });
      const found = await destination.read(table, columns);
      expect(found.map(([id]) => Number(id)).sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
    });
  });
}

await describeWith(['sqlite'], 'a full disk under the state file', () => {
  it('is named, with the file', async ({ skip }) => {
    const disk = await smallDisk(1 << 20);
    if (disk === undefined) return skip('nothing may be mounted here');
    await using _disk = disk;
    await disk.fill((1 << 20) - 4_096);
    const path = join(disk.path, 'state.db');
    await expect(openCoordination({ path })).rejects.toMatchObject({ code: 'DISK_FULL', message: expect.stringContaining(path) });
    await disk.free();
    await using _store = await openCoordination({ path });
  });
});
