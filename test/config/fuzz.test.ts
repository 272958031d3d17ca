import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, it } from 'vitest';
import { parse } from 'yaml';
import { DefinitionsError } from '../../lib/config/faults.ts';
import { load } from './support.ts';

const read = (name: string) => parse(readFileSync(join(import.meta.dirname, 'fixtures', name), 'utf8'));

/** Loads, or says why not with a place in the text; anything else that is thrown is a bug. */
function survives(text: string): boolean {
  try {
    load(text);
    return true;
  } catch (error) {
    if (!(error instanceof DefinitionsError)) throw error;
    const lines = text.split('\n').length;
    return (
      error.faults.length > 0 &&
      error.faults.every(({ line, column, message }) => line >= 1 && line <= lines && column >= 1 && message.trim() !== '' && !message.includes('undefined'))
    );
  }
}

function paths(value: unknown, path: (string | number)[] = []): (string | number)[][] {
  if (value === null || typeof value !== 'object') return [path];
  return [path, ...Object.entries(value).flatMap(([name, item]) => paths(item, [...path, Array.isArray(value) ? Number(name) : name]))];
}

function replaced(value: unknown, [first, ...rest]: (string | number)[], by: unknown): unknown {
  if (first === undefined) return by;
  const copy = Array.isArray(value) ? [...value] : { ...(value as object) };
  Reflect.set(copy, first, replaced(Reflect.get(value as object, first), rest, by));
  return copy;
}

describe('any text', () => {
  it('is read or refused with a reason', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), survives), { numRuns: 300 });
  });

  it.each(['full.yaml', 'idra.json'])('like %s, with one part of it turned into something else', (name) => {
    const whole = read(name);
    const odd = fc.oneof(fc.jsonValue(), fc.constantFrom('${env:X}', '${x', '__proto__', 'constructor', '', '1h', -1, 1e300));
    fc.assert(
      fc.property(fc.constantFrom(...paths(whole)), odd, (path, by) => survives(JSON.stringify(replaced(whole, path, by), null, 1))),
      { numRuns: 400 },
    );
  });

  it('with any name for a column, a connection or a sync', () => {
    fc.assert(
      fc.property(fc.string(), (name) => {
        const end = (table: string) => ({ connection: name, table });
        return survives(
          JSON.stringify({
            connections: { [name]: { type: 'sqlite', path: name } },
            syncs: [{ name, source: end('a'), destination: end(name), columns: { rename: { [name]: name } }, mask: { [name]: 'redact' } }],
          }),
        );
      }),
    );
  });
});
