import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseEvent } from '../../functions/middleware/event.ts';
import { SyncError } from '../../lib/errors.ts';

const envelope = (detail: unknown, over: object = {}) => ({
  version: '0',
  id: '6a7e8feb-b491-4cf7-a9f1-bf3703467718',
  'detail-type': 'Sync Requested',
  source: 'idra',
  account: '000000000000',
  time: '2026-01-01T00:00:00Z',
  region: 'eu-west-1',
  resources: [],
  detail,
  ...over,
});

function refusal(event: unknown): SyncError {
  try {
    parseEvent(event);
  } catch (error) {
    if (error instanceof SyncError) return error;
    throw error;
  }
  throw new Error(`it was taken: ${JSON.stringify(event)}`);
}

describe('event of the sync function', () => {
  it('is taken bare and as the bus delivers it', () => {
    const job = { sync: 'orders', shard: '2', slot: 1_700_000_000_000, hop: 3, stalled: 1 };
    expect(parseEvent(job)).toEqual(job);
    expect(parseEvent(envelope(job))).toEqual(job);
    expect(parseEvent({ sync: 'orders' })).toEqual({ sync: 'orders' });
  });

  it.each([
    [{}, 'sync'],
    [{ sync: '' }, 'sync'],
    [{ sync: 7 }, 'sync'],
    [{ sync: 'orders', slot: '12' }, 'slot'],
    [{ sync: 'orders', slot: 1.5 }, 'slot'],
    [{ sync: 'orders', slot: -1 }, 'slot'],
    [{ sync: 'orders', hop: null }, 'hop'],
    [{ sync: 'orders', shard: 0 }, 'shard'],
    [envelope({ sync: 7 }), 'detail.sync'],
    [envelope({ sync: 'orders', hop: 'x' }), 'detail.hop'],
    [envelope(undefined), 'detail'],
    [envelope('orders'), 'detail'],
    [envelope({ sync: 'orders' }, { source: 'aws.s3' }), 'source'],
    [envelope({ sync: 'orders' }, { 'detail-type': 'Scheduled Event' }), 'detail-type'],
  ])('%j is refused, and the error names %s', (event, field) => {
    const { code, place, message } = refusal(event);
    expect({ code, field: place.field }).toEqual({ code: 'CONFIG_INVALID', field });
    expect(message).toContain(field);
  });

  it.each([[null], ['orders'], [[]], [undefined], [12]])('%j is refused', (event) => {
    expect(refusal(event).code).toBe('CONFIG_INVALID');
  });

  it('names a field that it does not know, instead of passing it over', () => {
    expect(refusal({ sync: 'orders', slots: 1 }).message).toContain('slots');
  });

  it('takes a valid job or throws a SyncError, whatever comes', () => {
    fc.assert(
      fc.property(fc.anything(), (event) => {
        try {
          expect(typeof parseEvent(event).sync).toBe('string');
        } catch (error) {
          expect(error).toBeInstanceOf(SyncError);
        }
      }),
    );
  });
});
