import { SyncError } from '../../errors.ts';
import type { Schema } from '../../values/types.ts';
import type { Claim, Destination, DestinationRequest, Target, Writer } from '../connector.ts';
import { RestClient } from './client.ts';
import type { RestConnection, RestDestinationOptions } from './config.ts';
import { PathTemplate } from './template.ts';
import { RestWriter } from './writer.ts';

export class RestDestination implements Destination {
  readonly system = 'rest';
  readonly stateless = true;
  readonly #client: RestClient;
  readonly #request: DestinationRequest;
  readonly #options: RestDestinationOptions;

  constructor(connection: RestConnection, request: DestinationRequest, signal: AbortSignal) {
    this.#client = new RestClient(connection, signal);
    this.#request = request;
    this.#options = request.options as RestDestinationOptions;
  }

  async state(): Promise<null> {
    return null;
  }

  /** Nothing is made and nothing is asked of the service: it declares no columns, and what it holds is its own business. */
  async prepare(schema: Schema): Promise<Target> {
    const { path } = this.#options;
    this.#paths(schema);
    return { schema: { ...schema, name: path }, existed: true, hasRows: false };
  }

  async open(target: Target, claim: Claim): Promise<Writer> {
    const { epoch, fence, known } = claim;
    return new RestWriter({
      client: this.#client,
      options: this.#options,
      schema: target.schema,
      claim,
      committed: { epoch, fence, seq: known?.seq ?? 0n, batchId: known?.batchId ?? null, cursor: known?.cursor ?? null },
      ...this.#paths(target.schema),
    });
  }

  #paths(schema: Schema): { readonly path: PathTemplate; readonly remove: PathTemplate | null } {
    const { deletes, sync, write } = this.#request;
    const path = new PathTemplate(this.#options.path, schema);
    const remove = this.#options.delete === undefined ? null : new PathTemplate(this.#options.delete.path, schema);
    if (deletes === 'hard' && remove === null)
      throw new SyncError('CONFIG_INVALID', `Sync ${sync} deletes, and destination.delete does not say where a DELETE goes.`, {
        sync,
        field: 'destination.delete',
      });
    // Another column could hold the same value in two rows: the later would take the place of the earlier
    const foreign = write === 'upsert' ? [...path.names, ...(remove?.names ?? [])].find((name) => !schema.key.includes(name)) : undefined;
    if (foreign !== undefined)
      throw new SyncError('KEY_REQUIRED', `Sync ${sync} upserts by ${schema.key.join(', ')}, but its path names ${foreign}, which is no part of that key.`, {
        sync,
        column: foreign,
        field: 'destination.path',
      });
    return { path, remove };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client[Symbol.asyncDispose]();
  }
}
