import { describe, expect, it } from 'vitest';
import type { SyncDefinition } from '../../lib/config/definition.ts';
import type { DestinationState } from '../../lib/connectors/connector.ts';
import type { Checkpoint } from '../../lib/coordination/contract.ts';
import { type Findings, reconcile } from '../../lib/engine/reconcile.ts';
import type { SyncError } from '../../lib/errors.ts';
import { definition, orders } from './samples.ts';

const state = (changes: Partial<DestinationState> = {}): DestinationState => ({ epoch: 0n, fence: 10n, seq: 5n, batchId: 'b5', cursor: 'c5', ...changes });
const checkpoint = (seq: bigint): Checkpoint => ({ epoch: 0n, fence: 10n, seq, batchId: 'b', cursor: 'c', at: '2026-01-01T00:00:00Z' });
const findings = (changes: Partial<Findings> = {}, of: Partial<SyncDefinition> = {}): Findings => ({
  definition: definition(of),
  state: state(),
  checkpoint: checkpoint(5n),
  target: { schema: orders, existed: true, hasRows: true },
  epoch: 0n,
  fence: 11n,
  existing: 'refuse',
  origin: null,
  ...changes,
});
const codeOf = (f: Findings): string => {
  try {
    return reconcile(f).kind;
  } catch (error) {
    const { code, message } = error as SyncError;
    for (const choice of ['adopt', 'max', 'replace']) expect(message).toContain(choice);
    return code;
  }
};

describe('where a run starts', () => {
  it('goes on from the destination, whether it is level with the store, ahead (killed before the checkpoint) or behind (restored)', () => {
    for (const seq of [5n, 4n, 0n, 9n]) expect(codeOf(findings({ checkpoint: checkpoint(seq) }))).toBe('resume');
  });

  it('starts at the beginning where nothing was committed anywhere, also after a kill between checkpoint 0 and the first commit', () => {
    const empty = { schema: orders, existed: false, hasRows: false };
    expect(codeOf(findings({ state: null, checkpoint: null, target: empty }))).toBe('resume');
    expect(codeOf(findings({ state: state({ seq: 0n, cursor: null }), checkpoint: checkpoint(0n), target: empty }))).toBe('resume');
  });

  it('refuses an insert beside rows of unknown origin, and lets an upsert repair them', () => {
    expect(codeOf(findings({ state: null, checkpoint: null }))).toBe('CHECKPOINT_MISSING');
    expect(codeOf(findings({ state: null, checkpoint: null }, { write: 'upsert' }))).toBe('resume');
    expect(codeOf(findings({ state: null, checkpoint: null }, { mode: 'full', write: 'replace' }))).toBe('resume');
    expect(codeOf(findings({ state: null, checkpoint: null }, { mode: 'lastDestinationId' }))).toBe('resume');
  });

  it('refuses a wiped store beside a full destination', () => {
    expect(codeOf(findings({ checkpoint: null }))).toBe('CHECKPOINT_MISSING');
    expect(codeOf(findings({ checkpoint: null }, { write: 'upsert' }))).toBe('CHECKPOINT_MISSING');
  });

  it('refuses an emptied or exchanged destination that the store knows as full', () => {
    for (const seq of [null, 0n]) {
      const found = seq === null ? null : state({ seq, cursor: null });
      expect(codeOf(findings({ state: found, target: { schema: orders, existed: true, hasRows: false } }))).toBe('RESYNC_REQUIRED');
    }
  });

  it('refuses a position whose table is not there, unless the sync needs none', () => {
    const target = { schema: orders, existed: false, hasRows: false };
    expect(codeOf(findings({ target }))).toBe('RESYNC_REQUIRED');
    expect(codeOf(findings({ target, checkpoint: null }))).toBe('RESYNC_REQUIRED');
    expect(codeOf(findings({ target, state: state({ cursor: null }) }, { mode: 'full' }))).toBe('resume');
    expect(codeOf(findings({ target }, { mode: 'lastDestinationId' }))).toBe('resume');
  });

  it('refuses to insert from the beginning where a full pass has written, and lets an upsert', () => {
    const done = state({ cursor: null });
    expect(codeOf(findings({ state: done }))).toBe('CHECKPOINT_MISSING');
    expect(codeOf(findings({ state: done }, { write: 'upsert' }))).toBe('resume');
    expect(codeOf(findings({ state: done }, { mode: 'full' }))).toBe('resume');
    expect(codeOf(findings({ state: done, target: { schema: orders, existed: true, hasRows: false } }))).toBe('resume');
  });

  it('asks for a new epoch where the store has gone back behind the fence of the destination', () => {
    expect(codeOf(findings({ fence: 9n }))).toBe('STORE_REWOUND');
    expect(codeOf(findings({ state: state({ epoch: 1n, fence: 1n }) }))).toBe('STORE_REWOUND');
    expect(codeOf(findings({ state: state({ epoch: 0n, fence: 999n }), epoch: 1n, fence: 1n }))).toBe('resume');
    expect(reconcile(findings({ fence: 9n, existing: 'adopt' }))).toEqual({ kind: 'seed', choice: 'adopt', raiseEpoch: true });
  });

  it('follows the choice that was made, and only where one was needed', () => {
    expect(reconcile(findings({ checkpoint: null, existing: 'max' }))).toEqual({ kind: 'seed', choice: 'max', raiseEpoch: false });
    expect(reconcile(findings({ existing: 'replace' }))).toEqual({ kind: 'resume' });
    expect(reconcile(findings({ existing: 'replace', state: state({ cursor: null }) }, { mode: 'full' }))).toEqual({ kind: 'resume' });
  });

  it.each(['max', 'replace'] as const)('follows %s where an upsert meets rows that it has not written, or its own are gone', (existing) => {
    const seed = { kind: 'seed', choice: existing, raiseEpoch: false };
    expect(reconcile(findings({ existing, state: null, checkpoint: null }, { write: 'upsert' }))).toEqual(seed);
    expect(reconcile(findings({ existing, target: { schema: orders, existed: true, hasRows: false } }, { write: 'upsert' }))).toEqual(seed);
    expect(reconcile(findings({ existing, state: null, checkpoint: null, target: { schema: orders, existed: true, hasRows: false } }))).toEqual({
      kind: 'resume',
    });
  });
});
