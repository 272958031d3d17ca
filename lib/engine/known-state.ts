import type { Destination, DestinationState } from '../connectors/connector.ts';
import type { Checkpoint } from '../coordination/contract.ts';

/**
 * The state to go by: the destination's own, which outranks the store, or the store's checkpoint where the destination keeps none (`stateless`). The guarantee is weaker then: a batch that was
 * written and whose checkpoint was lost is written once more.
 */
export async function knownState(destination: Destination, checkpoint: Checkpoint | null): Promise<DestinationState | null> {
  return destination.stateless === true ? checkpointState(checkpoint) : destination.state();
}

/** What `open` is told about it; nothing where the destination knows better. */
export function knownClaim(destination: Destination, checkpoint: Checkpoint | null): { readonly known?: DestinationState } {
  const known = destination.stateless === true ? checkpointState(checkpoint) : null;
  return known === null ? {} : { known };
}

function checkpointState(checkpoint: Checkpoint | null): DestinationState | null {
  if (checkpoint === null) return null;
  const { epoch, fence, seq, batchId, cursor } = checkpoint;
  return { epoch, fence, seq, batchId, cursor };
}
