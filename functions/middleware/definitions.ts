import type { MiddlewareObj } from '@middy/core';
import type { Definitions, SyncDefinition } from '../../lib/config/definition.ts';
import type { LoadedDefinitions } from '../../lib/config/load.ts';
import { fromStored, type StoredText } from '../../lib/config/store.ts';
import type { Coordination } from '../../lib/coordination/coordination.ts';
import { SyncError } from '../../lib/errors.ts';
import { type DefinitionSource, type InvocationRequest, tools } from './invocation.ts';

/** A packaged file cannot change while the process lives. */
const files = new Map<string, Promise<LoadedDefinitions>>();

function find(definitions: Definitions, name: string): SyncDefinition {
  const found = definitions.syncs.find((sync) => sync.name === name);
  if (found) return found;
  throw new SyncError('CONFIG_INVALID', `There is no sync "${name}" in ${definitions.origin}: correct the event's field sync, or add the definition.`, {
    sync: name,
    field: 'sync',
  });
}

function fromFile(file: string): DefinitionSource {
  const load = () => {
    // Reads YAML, which is not wanted where definitions are in etcd
    const loading = files.get(file) ?? import('../../lib/config/load.ts').then(({ loadDefinitions }) => loadDefinitions(file));
    files.set(file, loading);
    return loading;
  };
  return {
    all: async () => ({ definitions: await load(), broken: new Map() }),
    sync: async (name) => {
      const definitions = await load();
      return { definition: find(definitions, name), definitions };
    },
  };
}

/** The connections that a stored sync names. What is no sync at all, or no JSON, is told when it is parsed. */
function connectionsOf(text: string): string[] {
  let stored: unknown;
  try {
    stored = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  const { source, destination } = (stored ?? {}) as { source?: { connection?: unknown } | null; destination?: { connection?: unknown } | null };
  return [...new Set([source?.connection, destination?.connection])].filter((name) => typeof name === 'string');
}

function fromStore({ definitions: store, name: origin }: Coordination): DefinitionSource {
  const list = async (kind: StoredText['kind']) => (await store.list(kind)).map(({ name, text }): StoredText => ({ kind, name, text }));
  const get = async (kind: StoredText['kind'], name: string): Promise<StoredText[]> => {
    const found = await store.get(kind, name);
    return found === null ? [] : [{ kind, name, text: found.text }];
  };
  return {
    all: async () => fromStored([...(await list('connections')), ...(await list('syncs'))], origin),
    // Only what the sync needs: among thousands, reading all of them would take longer than many a run.
    sync: async (name) => {
      const texts = await get('syncs', name);
      for (const connection of texts.flatMap(({ text }) => connectionsOf(text))) texts.push(...(await get('connections', connection)));
      const { definitions, broken } = fromStored(texts, origin);
      const error = broken.get(name);
      if (error !== undefined) throw error;
      return { definition: find(definitions, name), definitions };
    },
  };
}

/** `IDRA_SYNCS` is `etcd`, or the path of a file that was packaged with the function. */
export function definitions(): MiddlewareObj<unknown, unknown, Error> {
  return {
    before: ({ context }: InvocationRequest) => {
      const origin = process.env.IDRA_SYNCS || 'etcd';
      context.definitions = origin === 'etcd' ? fromStore(tools(context, 'coordination').coordination) : fromFile(origin);
    },
  };
}
