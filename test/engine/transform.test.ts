import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { compileMasks } from '../../lib/engine/mask.ts';
import { outputSchema } from '../../lib/engine/output-schema.ts';
import { chooseRawFormat } from '../../lib/engine/path.ts';
import { Tally } from '../../lib/engine/tally.ts';
import type { Row } from '../../lib/values/types.ts';
import { definition, orders } from './samples.ts';

const errorOf = (work: () => unknown): { code?: string; message?: string } => {
  try {
    work();
    return {};
  } catch (error) {
    return error as { code: string; message: string };
  }
};

describe('masks', () => {
  const masked = (rule: 'sha256' | 'redact' | 'null' | 'partial', rows: Row[]): Row[] => {
    compileMasks(orders.columns, { email: rule })?.(rows);
    return rows;
  };

  it('replace every value and leave NULL and the other columns alone', () => {
    const digest = createHash('sha256').update('a@b.example').digest('hex');
    expect(masked('sha256', [['1', 'a@b.example', '1.10']])).toEqual([['1', digest, '1.10']]);
    expect(
      masked('redact', [
        ['1', 'a@b.example', null],
        ['2', null, '0'],
      ]),
    ).toEqual([
      ['1', '***', null],
      ['2', null, '0'],
    ]);
    expect(masked('null', [['1', 'a@b.example', null]])).toEqual([['1', null, null]]);
    expect(
      masked('partial', [
        ['1', 'a@b.example', null],
        ['2', 'abc', null],
      ]),
    ).toEqual([
      ['1', '*******mple', null],
      ['2', '***', null],
    ]);
  });

  it('change the type of the column to what they leave', () => {
    const schema = outputSchema(orders, definition({ mask: { total: 'sha256' } }));
    expect(schema.columns[2]).toEqual({ name: 'total', type: { kind: 'string', maxLength: 64 }, nullable: true });
  });
});

describe('columns as the destination meets them', () => {
  it('have no key that a mask has made equal for different rows, and an upsert by it is refused', () => {
    const mask = { id: 'redact' } as const;
    expect(errorOf(() => outputSchema(orders, definition({ write: 'upsert', mask })))).toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('mask.id'),
    });
    expect(outputSchema(orders, definition({ mode: 'full', write: 'replace', mask })).key).toEqual([]);
    expect(outputSchema(orders, definition({ write: 'upsert', mask: { id: 'sha256' } })).key).toEqual(['id']);
  });

  it('are renamed, and the key with them', () => {
    const schema = outputSchema(orders, definition({ columns: { rename: { id: 'order_id' } } }));
    expect(schema.columns.map((column) => column.name)).toEqual(['order_id', 'email', 'total']);
    expect(schema.key).toEqual(['order_id']);
  });

  it('must exist where rename, mask or key name them', () => {
    for (const changes of [{ columns: { rename: { nope: 'x' } } }, { mask: { nope: 'redact' as const } }, { key: ['nope'] }]) {
      const { code, message } = errorOf(() => outputSchema(orders, definition(changes)));
      expect(code).toBe('NOT_FOUND');
      expect(message).toMatch(/nope/);
    }
  });

  it('must not come to share a name, and an upsert needs a key', () => {
    expect(errorOf(() => outputSchema(orders, definition({ columns: { rename: { id: 'email' } } }))).code).toBe('CONFIG_INVALID');
    const keyless = errorOf(() => outputSchema({ ...orders, key: [] }, definition({ write: 'upsert' })));
    expect(keyless).toMatchObject({ code: 'KEY_REQUIRED', message: expect.stringContaining('`key` of the sync itself (beside `source`, not within it)') });
  });
});

describe('the raw path', () => {
  const format = { name: 'bulk', signature: 'int8,text' };

  it('is taken only where both ends speak one format with one signature and no row has to be seen', () => {
    expect(chooseRawFormat(definition(), { rawFormats: [format] }, { rawFormats: [format] })).toEqual(format);
    expect(chooseRawFormat(definition(), { rawFormats: [format] }, { rawFormats: [{ ...format, signature: 'int8,varchar' }] })).toBeNull();
    expect(chooseRawFormat(definition(), {}, { rawFormats: [format] })).toBeNull();
    expect(chooseRawFormat(definition({ mask: { email: 'null' } }), { rawFormats: [format] }, { rawFormats: [format] })).toBeNull();
    expect(chooseRawFormat(definition({ onError: 'deadLetter' }), { rawFormats: [format] }, { rawFormats: [format] })).toBeNull();
  });
});

describe('row accounting', () => {
  it('stops where the destination took another number of rows than it was given', () => {
    const tally = new Tally();
    tally.add({ read: 10, filtered: 1, deadLettered: 2, bytes: 5 }, { written: 6, deleted: 1 }, 'orders');
    expect(tally).toMatchObject({ read: 10, written: 6, deleted: 1, filtered: 1, deadLettered: 2, batches: 1, bytes: 5 });
    expect(errorOf(() => tally.add({ read: 10, filtered: 0, deadLettered: 0, bytes: 0 }, { written: 9, deleted: 0 }, 'orders')).code).toBe('ROWS_UNACCOUNTED');
  });
});
