import { commit, get, getAll } from './calls.ts';
import { keys, lastName } from './keys.ts';
import type { KvStore, Op } from './kv.ts';

export type DefinitionKind = 'connections' | 'syncs';

export interface StoredDefinition {
  readonly name: string;
  /** As lib/config wrote it, references to secrets unresolved. */
  readonly text: string;
  /** Changes with every write. */
  readonly revision: bigint;
}

/** `text` null removes it. */
export interface DefinitionChange {
  readonly kind: DefinitionKind;
  readonly name: string;
  readonly text: string | null;
}

/** Definitions of connections and syncs kept in the store; their content is lib/config's business. */
export interface DefinitionStore {
  /** In the order of their names' bytes. */
  list(kind: DefinitionKind): Promise<StoredDefinition[]>;
  get(kind: DefinitionKind, name: string): Promise<StoredDefinition | null>;
  /**
   * Connections first, so that no sync is seen without its own; up to 100 changes are seen all at once or not at all. Applying the same again does no harm.
   * What already stands as it should is not written, so that its revision tells when it last changed.
   */
  apply(changes: readonly DefinitionChange[]): Promise<{ readonly written: number; readonly removed: number }>;
}

const changesPerTxn = 100;

export function definitionStore(store: KvStore): DefinitionStore {
  const list = async (kind: DefinitionKind): Promise<StoredDefinition[]> =>
    (await getAll(store, keys.definitions(kind))).map(({ key, value, modRevision }) => ({ name: lastName(key), text: value, revision: modRevision }));
  return {
    list,
    async get(kind, name) {
      const found = await get(store, keys.definition(kind, name));
      return found === null ? null : { name, text: found.value, revision: found.modRevision };
    },
    async apply(changes) {
      const texts = new Map<string, string>();
      for (const kind of ['connections', 'syncs'] as const) {
        for (const { name, text } of await list(kind)) texts.set(keys.definition(kind, name), text);
      }
      const wanted = new Map(inOrder(changes).map(({ kind, name, text }) => [keys.definition(kind, name), text]));
      const ops = [...wanted].filter(([key, text]) => (texts.get(key) ?? null) !== text).map(([key, text]) => operation(key, text));
      for (let first = 0; first < ops.length; first += changesPerTxn) {
        await commit(store, { compare: [], success: ops.slice(first, first + changesPerTxn) });
      }
      const removed = ops.filter(({ op }) => op === 'delete').length;
      return { written: ops.length - removed, removed };
    },
  };
}

/** Removed connections go last, added ones first: in between every sync has its connections. */
function inOrder(changes: readonly DefinitionChange[]): DefinitionChange[] {
  const rank = ({ kind, text }: DefinitionChange): number => (kind === 'syncs' ? 1 : text === null ? 2 : 0);
  return [...changes].sort((a, b) => rank(a) - rank(b));
}

function operation(key: string, text: string | null): Op {
  return text === null ? { op: 'delete', key } : { op: 'put', key, value: text };
}
