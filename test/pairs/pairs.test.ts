/**
 * Every source into every destination: each value of the round-trip set arrives exactly, or is refused by name. The zones of this process and of the servers' sessions are set to odd ones,
 * and have to change nothing.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Harness } from '../conformance/harness.ts';
import { comparable } from '../conformance/same.ts';
import { mysqlHarness } from '../connectors/mysql-harness.ts';
import { postgresHarness } from '../connectors/postgres-harness.ts';
import { sqliteHarness } from '../connectors/sqlite-harness.ts';
import { sqlserverHarness } from '../connectors/sqlserver-harness.ts';
import { describeWith, server } from '../support/servers.ts';
import { refusedBy, type System, systems } from './expectations.ts';
import { type Case, columns, fill, move } from './pair.ts';

/** Half an hour off, with and without summer time. */
const zones = ['America/St_Johns', 'Asia/Kolkata'] as const;

const make: Readonly<Record<System, () => Promise<Harness>>> = {
  postgres: async () => {
    const harness = await postgresHarness();
    const name = harness.quote?.(new URL(harness.url).pathname.slice(1));
    // What every session begins with unless it says otherwise
    for (const setting of [
      "TimeZone = 'Pacific/Chatham'",
      "DateStyle = 'SQL, DMY'",
      'extra_float_digits = -10',
      "bytea_output = 'escape'",
      "IntervalStyle = 'sql_standard'",
    ])
      await harness.execute?.(`ALTER DATABASE ${name} SET ${setting}`);
    return harness;
  },
  mysql: mysqlHarness,
  sqlite: sqliteHarness,
  sqlserver: sqlserverHarness,
};

/** MariaDB has no zone for a single database: the whole server goes to an odd one, unless it is the user's own. */
async function setServerZone(harness: Harness, zone: string): Promise<void> {
  if (harness.system === 'mysql' && (await server('mysql'))?.way !== 'environment') await harness.execute?.(`SET GLOBAL time_zone = '${zone}'`);
}

function expectedOf({ value, type, name }: Case): unknown {
  return [name, comparable(value, type)];
}

for (const from of systems) {
  for (const to of systems) {
    await describeWith([...new Set([from, to])], `${from} → ${to}`, () => {
      let source: Harness;
      let destination: Harness;
      const zoneBefore = process.env.TZ;
      beforeAll(async () => {
        source = await make[from]();
        destination = await make[to]();
        for (const end of [source, destination]) await setServerZone(end, '-03:30');
      });
      afterAll(async () => {
        for (const end of [source, destination]) await setServerZone(end, 'SYSTEM');
        await source[Symbol.asyncDispose]();
        await destination[Symbol.asyncDispose]();
        if (zoneBefore === undefined) delete process.env.TZ;
        else process.env.TZ = zoneBefore;
      });

      describe.each(zones)('in %s', (zone) => {
        it('passes each value exactly, or sets it aside by name', { timeout: 120_000 }, async () => {
          process.env.TZ = zone;
          expect(new Date(0).getTimezoneOffset() % 60).not.toBe(0);
          const { schema, cases } = await fill(source);
          const refused = (each: Case): boolean => {
            const sources = Object.hasOwn(refusedBy[to], each.name) ? refusedBy[to][each.name] : undefined;
            return sources !== undefined && (sources.length === 0 || sources.includes(from));
          };
          const aside = await move(source, destination, { table: schema.name, more: { onError: 'deadLetter' } });
          expect(aside.report.error).toBeNull();
          const failed = new Map(aside.letters.map((letter) => [cases.find(({ id }) => letter.place === `id=${id}`)?.name, letter]));
          expect([...failed.keys()].sort()).toEqual(
            cases
              .filter(refused)
              .map(({ name }) => name)
              .sort(),
          );
          for (const each of cases.filter(refused)) {
            const letter = failed.get(each.name);
            expect(letter?.code, each.name).toBe('VALUE_UNREPRESENTABLE');
            // Column and key; the table is the destination's
            expect(letter?.reason).toContain(columns[each.index]?.name);
            expect(letter?.reason).toContain(String(each.id));
          }
          const kept = cases.filter((each) => !refused(each));
          const held = (rows: ReadonlyMap<number, readonly unknown[]>): unknown =>
            kept.map(({ id, index, name, type }) => [name, comparable((rows.get(id)?.[index] ?? null) as never, type)]);
          expect(held(aside.rows)).toEqual(kept.map(expectedOf));
          expect(aside.report).toMatchObject({ status: 'succeeded', read: cases.length, written: kept.length, deadLettered: cases.length - kept.length });

          // And on the fast path, where rows are not looked at one by one
          const ids = kept.map(({ id }) => id).join(', ');
          const fast = await move(source, destination, {
            table: schema.name,
            more: { where: `id IN (${ids})`, mode: 'id', cursor: { column: 'id', key: [], lookbackSeconds: 0, nulls: 'refuse' } },
          });
          expect(fast.report.error).toBeNull();
          expect(held(fast.rows)).toEqual(kept.map(expectedOf));
          expect(fast.rows.size).toBe(kept.length);
        });
      });

      it('stops at a value that it refuses, with an error that names table, column and key', { timeout: 60_000 }, async () => {
        const { schema, cases } = await fill(source);
        const bad = cases.find(({ name }) => refusedBy[to][name]?.length === 0);
        if (bad === undefined) return;
        const { report } = await move(source, destination, { table: schema.name, more: { where: `id = ${bad.id}` } });
        expect(report.status).toBe('failed');
        expect(report.error?.code).toBe('VALUE_UNREPRESENTABLE');
        for (const named of ['from_', columns[bad.index]?.name ?? '', String(bad.id)]) expect(report.error?.message).toContain(named);
      });
    });
  }
}
