import type { SyncDefinition } from '../config/definition.ts';
import type { DestinationRequest, SourceRequest } from '../connectors/connector.ts';

export function destinationRequest(definition: SyncDefinition, shard: string, peer: string): DestinationRequest {
  const { name, destination, write, deletes, softDeleteColumn, schema, onError } = definition;
  return { sync: name, shard, options: destination.options, write, deletes, softDeleteColumn, schema, onError, peer };
}

export function sourceRequest(definition: SyncDefinition, peer: string): SourceRequest {
  const { name, source, mode, columns, where, cursor } = definition;
  return {
    sync: name,
    options: source.options,
    mode,
    cursor,
    peer,
    ...(columns.include === undefined ? {} : { include: columns.include }),
    ...(columns.exclude === undefined ? {} : { exclude: columns.exclude }),
    ...(where === undefined ? {} : { where }),
  };
}
