/**
 * Step 5 of the protocol: where to start. The destination is authoritative; the coordination store's checkpoint tells whether somebody has lost something.
 *
 * | destination           | store               | start                                                                            |
 * |-----------------------|---------------------|----------------------------------------------------------------------------------|
 * | nothing committed     | nothing committed   | at the beginning; refused where an insert would stand beside rows of unknown origin |
 * | nothing committed     | a checkpoint        | refused: the destination was emptied, restored or exchanged                       |
 * | seq n, no table       | any                 | refused: what stands before the cursor was dropped, or is in a table of another name |
 * | seq n, of another table | any               | refused: the definition names another table than before, or is another's of the same name |
 * | seq n                 | no checkpoint       | refused: the store was wiped                                                      |
 * | seq n, by another store | a checkpoint      | refused: another deployment has a sync of the same name                           |
 * | seq n, fence ≥ ours   | any                 | refused: the store went back in time                                              |
 * | seq n, no position, rows | any              | refused for an insert in a mode that goes by position: it would add them once more |
 * | seq n                 | seq m, m ≤ n        | at the destination's cursor                                                       |
 * | seq n                 | seq m, m > n        | at the destination's cursor: it was restored, and the source still has what follows (or says `RESYNC_REQUIRED`) |
 *
 * A checkpoint with seq 0 is stored before the first claim, so that "wiped" and "killed before the first checkpoint" are told apart.
 */
import type { SyncDefinition } from '../config/definition.ts';
import type { DestinationState, Target } from '../connectors/connector.ts';
import type { Checkpoint } from '../coordination/contract.ts';
import { type ErrorCode, SyncError } from '../errors.ts';
import { type Origin, originIn } from './batch-id.ts';
import type { Existing } from './deps.ts';

/** `resume`: the cursor that the claim returns. `seed`: the user's choice where nothing fits. */
export type Start = { readonly kind: 'resume' } | { readonly kind: 'seed'; readonly choice: Exclude<Existing, 'refuse'>; readonly raiseEpoch: boolean };

export interface Findings {
  readonly definition: SyncDefinition;
  readonly state: DestinationState | null;
  readonly checkpoint: Checkpoint | null;
  readonly target: Target;
  readonly epoch: bigint;
  readonly fence: bigint;
  readonly existing: Existing;
  /** Of this run's batches; null where the store has no identity yet. */
  readonly origin: Origin | null;
}

const choices =
  'Choose: `idra run --existing adopt` keeps the rows and goes on from the position that is known (from the beginning where none is), `--existing max` starts after the largest cursor value in the destination, ' +
  '`--existing replace` empties the destination and copies everything anew.';

function problem(findings: Findings): { code: ErrorCode; what: string; raiseEpoch: boolean } | null {
  const { definition, state, checkpoint, target, epoch, fence, origin } = findings;
  const { name: sync, mode, write } = definition;
  const table = target.schema.name;
  const stored = checkpoint !== null && checkpoint.seq > 0n;
  const rewound = state !== null && (state.epoch > epoch || (state.epoch === epoch && state.fence > fence));
  const goesOn = write !== 'replace' && mode !== 'lastDestinationId' && mode !== 'lastDestinationTimestamp';
  const last = state === null || state.cursor === null || !goesOn ? null : originIn(state.batchId);
  if (checkpoint !== null && last !== null && origin !== null && last.store !== origin.store) {
    return {
      code: 'CHECKPOINT_CONFLICT',
      raiseEpoch: rewound,
      what: `The last batch of sync ${sync} in ${table} was written through another coordination store: another deployment has a sync of the same name, and both would go on from each other's positions. Give one of them another name.`,
    };
  }
  if (rewound) {
    return {
      code: 'STORE_REWOUND',
      raiseEpoch: true,
      what: `${table} was last written for sync ${sync} under epoch ${state.epoch}, fence ${state.fence}; the coordination store has only come to epoch ${epoch}, fence ${fence}. It was wiped, exchanged or restored from an older state, and needs a new epoch: each choice below raises it, as \`idra epoch raise\` does.`,
    };
  }
  // A full pass that replaces, and the modes that ask the destination itself, need no position.
  if (!goesOn) return null;
  if (state !== null && state.seq > 0n) {
    if (state.cursor !== null && !target.existed) {
      return {
        code: 'RESYNC_REQUIRED',
        raiseEpoch: false,
        what: `${table} is not there, but sync ${sync} has committed ${state.seq} batches up to a position: the rows before it were dropped, or are in a table of another name.`,
      };
    }
    if (last !== null && origin !== null && last.table !== origin.table) {
      return {
        code: 'RESYNC_REQUIRED',
        raiseEpoch: false,
        what: `Sync ${sync} has committed ${state.seq} batches up to a position, but not to ${table}: the rows before the position are in a table of another name. Either the definition named that one, or another definition has a sync of the same name; then give one of them another name.`,
      };
    }
    if (checkpoint !== null && state.cursor === null && target.hasRows && write === 'insert' && mode !== 'full') {
      return {
        code: 'CHECKPOINT_MISSING',
        raiseEpoch: false,
        what: `${table} holds rows, and sync ${sync}, which has run in another mode before, has no position behind them: inserting from the beginning would double them.`,
      };
    }
    if (checkpoint !== null) return null;
    return {
      code: 'CHECKPOINT_MISSING',
      raiseEpoch: false,
      what: `${table} holds ${state.seq} committed batches of sync ${sync}, but the coordination store has no checkpoint of it: the store was wiped or is another one.`,
    };
  }
  if (stored && mode !== 'full') {
    return {
      code: 'RESYNC_REQUIRED',
      raiseEpoch: false,
      what: `The coordination store has a checkpoint of sync ${sync} (batch ${checkpoint.seq}), but ${table} has no state of it: the destination was emptied, restored from before the first run, or is another one.`,
    };
  }
  if (target.hasRows && write === 'insert') {
    return {
      code: 'CHECKPOINT_MISSING',
      raiseEpoch: false,
      what: `${table} already holds rows, and nothing tells which of them sync ${sync} has written: inserting beside them could double them.`,
    };
  }
  return null;
}

/**
 * Whether the user's choice counts although nothing forbids to go on: an upsert finds rows that it has not written, or none is left of those before the position. A sync that is level with its
 * table is not begun anew by it.
 */
function isAsked(findings: Findings): findings is Findings & { readonly existing: 'max' | 'replace' } {
  const { definition, state, target, existing } = findings;
  const { mode, write } = definition;
  if (write === 'replace' || mode === 'lastDestinationId' || mode === 'lastDestinationTimestamp') return false;
  if (existing !== 'replace' && (existing !== 'max' || mode === 'full' || mode === 'stream')) return false;
  if (state === null || state.seq === 0n) return target.hasRows;
  return state.cursor !== null && !target.hasRows;
}

/** Throws `STORE_REWOUND`, `CHECKPOINT_MISSING` or `RESYNC_REQUIRED` with the choices, unless one of them was made. */
export function reconcile(findings: Findings): Start {
  const found = problem(findings);
  if (found === null) return isAsked(findings) ? { kind: 'seed', choice: findings.existing, raiseEpoch: false } : { kind: 'resume' };
  if (findings.existing !== 'refuse') return { kind: 'seed', choice: findings.existing, raiseEpoch: found.raiseEpoch };
  throw new SyncError(found.code, `${found.what} ${choices}`, { sync: findings.definition.name, table: findings.target.schema.name });
}
