import type { SyncDefinition } from '../config/definition.ts';
import type { DestinationRequest, SourceRequest } from '../connectors/connector.ts';
import type { Opened } from './deps.ts';

export function destinationRequest(definition: SyncDefinition, shard: string, ends: { readonly from: Opened; readonly to: Opened }): DestinationRequest {
  const { name, destination, write, deletes, softDeleteColumn, schema, onError } = definition;
  return {
    sync: name,
    shard,
    options: destination.options,
    write,
    deletes,
    softDeleteColumn,
    schema,
    onError,
    frugal: ends.to.maxConcurrent !== undefined,
    peer: ends.from.system,
  };
}

export function sourceRequest(definition: SyncDefinition, peer: string): SourceRequest {
  const { name, source, mode, write, columns, where, cursor } = definition;
  return {
    sync: name,
    options: source.options,
    mode,
    write,
    cursor,
    peer,
    ...(columns.include === undefined ? {} : { include: columns.include }),
    ...(columns.exclude === undefined ? {} : { exclude: columns.exclude }),
    ...(where === undefined ? {} : { where }),
  };
}
