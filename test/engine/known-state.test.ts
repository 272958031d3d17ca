import { describe, expect, it } from 'vitest';
import type { Destination, DestinationState } from '../../lib/connectors/connector.ts';
import type { Checkpoint } from '../../lib/coordination/contract.ts';
import { knownClaim, knownState } from '../../lib/engine/known-state.ts';
import { reconcile } from '../../lib/engine/reconcile.ts';
import { definition, orders } from './samples.ts';

const checkpoint: Checkpoint = { epoch: 1n, fence: 10n, seq: 5n, batchId: 'b5', cursor: 'c5', at: '2026-01-01T00:00:00Z' };
const asState: DestinationState = { epoch: 1n, fence: 10n, seq: 5n, batchId: 'b5', cursor: 'c5' };
const own: DestinationState = { ...asState, seq: 6n, batchId: 'b6', cursor: 'c6' };

function destination(parts: Pick<Destination, 'stateless'>): Destination {
  return {
    system: 'any',
    state: async () => (parts.stateless === true ? null : own),
    prepare: async () => ({ schema: orders, existed: true, hasRows: false }),
    open: async () => Promise.reject(new Error('not asked for')),
    [Symbol.asyncDispose]: async () => undefined,
    ...parts,
  };
}

describe('the state to go by', () => {
  it("is the destination's own where it keeps one, whatever the store has", async () => {
    const keeps = destination({});
    expect(await knownState(keeps, checkpoint)).toEqual(own);
    expect(await knownState(keeps, null)).toEqual(own);
    expect(knownClaim(keeps, checkpoint)).toEqual({});
  });

  it('is the checkpoint where the destination keeps none, and its writer is told', async () => {
    const stateless = destination({ stateless: true });
    expect(await knownState(stateless, checkpoint)).toEqual(asState);
    expect(knownClaim(stateless, checkpoint)).toEqual({ known: asState });
  });

  it('is nothing before the first run of a stateless destination', async () => {
    const stateless = destination({ stateless: true });
    expect(await knownState(stateless, null)).toBeNull();
    expect(knownClaim(stateless, null)).toEqual({});
  });

  it('lets a stateless destination resume, which would otherwise be taken for an emptied one', async () => {
    const target = { schema: orders, existed: true, hasRows: false };
    const found = { definition: definition(), checkpoint, target, epoch: 1n, fence: 11n, existing: 'refuse' as const, origin: null };
    expect(reconcile({ ...found, state: await knownState(destination({ stateless: true }), checkpoint) })).toEqual({ kind: 'resume' });
    expect(() => reconcile({ ...found, state: null })).toThrow(/RESYNC|checkpoint of sync/);
  });
});
