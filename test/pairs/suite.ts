/**
 * One source into every destination: each value of the round-trip set arrives exactly, or is refused by name. The zones of this process and of the servers' sessions are set to odd ones,
 * and have to change nothing.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Harness } from '../conformance/harness.ts';
import { comparable } from '../conformance/same.ts';
import { type Backend, describeWith, server } from '../support/servers.ts';
import { type End, ends } from './ends.ts';
import { refusedBy, type System, systems } from './expectations.ts';
import { type Case, columns, fill, heldBy, move, typeFrom } from './pair.ts';

/** Half an hour off, with and without summer time. */
const zones = ['America/St_Johns', 'Asia/Kolkata'] as const;
/** Where a zone can come in: sessions have one, and drivers make dates. */
const zoned: readonly System[] = ['postgres', 'mysql', 'sqlite', 'sqlserver'];

/** MariaDB has no zone for a single database: the whole server goes to an odd one, unless it is the user's own. */
async function setServerZone(harness: Harness, zone: string): Promise<void> {
  if (harness.system === 'mysql' && (await server('mysql'))?.way !== 'environment') await harness.execute?.(`SET GLOBAL time_zone = '${zone}'`);
}

export async function pairsFrom(from: System): Promise<void> {
  let source: End;
  let everything: string;
  let made: Promise<void> | undefined;
  /** The source is made once for its eight destinations. */
  const makeSource = async (): Promise<void> => {
    source = await ends[from]();
    await setServerZone(source, '-03:30');
    everything = await fill(source, heldBy(source));
  };
  const zoneBefore = process.env.TZ;
  afterAll(async () => {
    if (zoneBefore === undefined) delete process.env.TZ;
    else process.env.TZ = zoneBefore;
    if (made === undefined) return;
    await made;
    await setServerZone(source, 'SYSTEM');
    await source[Symbol.asyncDispose]();
  });

  for (const to of systems) {
    const backends = [...new Set([from, to])].filter((system): system is Exclude<System, 'rest'> & Backend => system !== 'rest');
    await describeWith(backends, `${from} → ${to}`, () => {
      let destination: End;
      beforeAll(async () => {
        made ??= makeSource();
        await made;
        destination = await ends[to]();
        await setServerZone(destination, '-03:30');
      });
      afterAll(async () => {
        await setServerZone(destination, 'SYSTEM');
        await destination[Symbol.asyncDispose]();
      });
      const isRefused = (each: Case): boolean => {
        if (each.type.kind === 'json' && source.jsonIsText === true) return false;
        // MariaDB keeps JSON as text, MySQL does not
        if (to === 'mysql' && each.name === 'JSON digits past a double') return Object.hasOwn(destination.cannotHold, each.name);
        const sources = Object.hasOwn(refusedBy[to], each.name) ? refusedBy[to][each.name] : undefined;
        return sources !== undefined && (sources.length === 0 || sources.includes(from));
      };
      const kept = (): Case[] => heldBy(source).filter((each) => !isRefused(each));
      const held = (rows: ReadonlyMap<number, readonly unknown[]>): unknown =>
        kept().map((each) => [each.name, comparable((rows.get(each.id)?.[each.index] ?? null) as never, typeFrom(source, each))]);
      const expected = (): unknown => kept().map((each) => [each.name, comparable(each.value, typeFrom(source, each))]);

      describe.each(zoned.includes(from) && zoned.includes(to) ? zones : zones.slice(0, 1))('in %s', (zone) => {
        beforeAll(() => {
          process.env.TZ = zone;
          expect(new Date(0).getTimezoneOffset() % 60).not.toBe(0);
        });

        it('passes each value exactly', { timeout: 60_000 }, async () => {
          const table = await fill(source, kept());
          // The fast path of tables, where rows are not looked at one by one
          const byId = { cursor: { column: 'id', key: [], lookbackSeconds: 0, nulls: 'refuse' } } as const;
          const { report, rows } = await move(source, destination, { table, more: { mode: source.modes.fast, ...(source.modes.fast === 'id' ? byId : {}) } });
          expect(report.error).toBeNull();
          expect(held(rows)).toEqual(expected());
          expect(rows.size).toBe(kept().length);
        });

        it('sets aside by name what cannot be held, and passes the rest exactly', { timeout: 60_000 }, async ({ skip }) => {
          skip(!destination.config.capabilities.destination.deadLetter, 'keeps no dead letters');
          const cases = heldBy(source);
          const { report, rows, letters } = await move(source, destination, { table: everything, more: { onError: 'deadLetter' } });
          expect(report.error).toBeNull();
          const failed = new Map(letters.map((letter) => [cases.find(({ id }) => letter.place === `id=${id}`)?.name, letter]));
          const names = cases.filter(isRefused).map(({ name }) => name);
          expect([...failed.keys()].sort()).toEqual(names.sort());
          for (const each of cases.filter(isRefused)) {
            const letter = failed.get(each.name);
            expect(letter?.code, each.name).toBe('VALUE_UNREPRESENTABLE');
            // Column and key; the table is the destination's
            expect(letter?.reason).toContain(columns[each.index]?.name);
            expect(letter?.reason).toContain(String(each.id));
          }
          expect(held(rows)).toEqual(expected());
          expect(report).toMatchObject({ status: 'succeeded', read: cases.length, written: kept().length, deadLettered: names.length });
        });
      });

      it('stops at a value that it refuses, with an error that names table, column and key', { timeout: 60_000 }, async () => {
        const bad = heldBy(source).filter(isRefused);
        // Where nothing is set aside, each has to be seen to stop
        for (const each of destination.config.capabilities.destination.deadLetter ? bad.slice(0, 1) : bad) {
          const { report } = await move(source, destination, { table: await fill(source, [each]), more: {} });
          expect([each.name, report.status, report.error?.code]).toEqual([each.name, 'failed', 'VALUE_UNREPRESENTABLE']);
          for (const named of ['from_', columns[each.index]?.name ?? '', String(each.id)]) expect(report.error?.message).toContain(named);
        }
      });
    });
  }
}
