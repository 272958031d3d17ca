/**
 * A transactional producer that has claimed a sync. Its transactional id belongs to the sync and shard: taking it over makes the brokers refuse all that an earlier producer may still send, and end its open
 * transaction before the state is read.
 */
import { randomUUID } from 'node:crypto';
import type { Cluster, Kafka, Message, Producer, Transaction } from 'kafkajs';
import { SyncError } from '../../errors.ts';
import type { Claim, DestinationState } from '../connector.ts';
import { compressions } from './client.ts';
import type { DestinationOptions } from './config.ts';
import { kafkaError } from './errors.ts';
import { fencedError, isNewer, type Record, readState, type StatePlace, statePartition, stateRecord } from './state.ts';

/** A transaction of the producer before this one is decided within milliseconds once it is fenced; brokers under load take longer. */
const settleMs = 20_000;

export interface SessionOptions {
  readonly kafka: Kafka;
  readonly cluster: Cluster;
  readonly place: StatePlace;
  readonly claim: Claim;
  readonly options: DestinationOptions;
}

export class Session {
  readonly #o: SessionOptions;
  readonly #producer: Producer;
  #transaction: Transaction | null = null;
  #beginning: Promise<Transaction> | null = null;
  #committed: DestinationState;
  #statePartition = 0;

  private constructor(options: SessionOptions, producer: Producer) {
    this.#o = options;
    this.#producer = producer;
    const { epoch, fence } = options.claim;
    this.#committed = { epoch, fence, seq: 0n, batchId: null, cursor: null };
  }

  /** Takes the transactional id over, reads the state and writes the claim. Throws `FENCED` where a newer run has claimed, before it has disturbed it if it can. */
  static async open(options: SessionOptions): Promise<Session> {
    const { kafka, cluster, place, claim } = options;
    const { topic } = options.options;
    if (claim.enforced && isNewer(await readState(cluster, place, { settleMs: 0, undecided: 'before' }), claim)) throw fencedError(claim, topic);
    const producer = kafka.producer({
      // Without fences two producers have to be able to write side by side
      transactionalId: `${place.topic}.${place.sync}.${place.shard}${claim.enforced ? '' : `.${randomUUID()}`}`,
      transactionTimeout: options.options.transactionTimeoutSeconds * 1000,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      // Every message names its partition: one chosen anew on a retry could double it
      createPartitioner:
        () =>
        ({ message }) =>
          message.partition ?? 0,
    });
    const session = new Session(options, producer);
    try {
      await producer.connect();
      await session.#claim();
      return session;
    } catch (error) {
      await session.close();
      throw kafkaError(error, `claim topic ${topic}`, { table: topic, sync: claim.sync });
    }
  }

  /** What was stored when the claim was written. */
  get committed(): DestinationState {
    return this.#committed;
  }

  async #claim(): Promise<void> {
    const { cluster, place, claim, options } = this.#o;
    await this.#begun();
    const state = await readState(cluster, place, { settleMs, undecided: claim.enforced ? 'refuse' : 'before' });
    if (claim.enforced && isNewer(state, claim)) throw fencedError(claim, options.topic);
    const { epoch, fence } = claim;
    this.#committed = { epoch, fence, seq: state?.seq ?? 0n, batchId: state?.batchId ?? null, cursor: state?.cursor ?? null };
    const partition = await statePartition(cluster, place);
    if (partition === null)
      throw new SyncError('NOT_FOUND', `Topic ${place.topic} with the state of sync ${place.sync} is gone.`, { table: place.topic, sync: place.sync });
    this.#statePartition = partition;
    await this.sendState(this.#committed);
    await this.commit();
  }

  /** Batches of several partitions are sent at once: they share one transaction. */
  async #begun(): Promise<Transaction> {
    this.#beginning ??= this.#producer.transaction();
    this.#transaction = await this.#beginning;
    return this.#transaction;
  }

  /**
   * One batch to one partition. The driver loses track of which partition has what when a leader moves during a request for several, so each has a request of its own.
   */
  async send(topic: string, partition: number, messages: readonly Message[]): Promise<void> {
    const transaction = await this.#begun();
    const compression = compressions[this.#o.options.compression];
    const answers = await transaction.send({ topic, messages: messages.map((message) => ({ ...message, partition })), acks: -1, compression });
    const taken = answers.length === 1 && answers[0]?.partition === partition && answers[0].errorCode === 0;
    if (!taken) throw new SyncError('CONFLICT', `The broker did not confirm a batch of ${topic}/${partition}.`, { table: topic, retry: 'now' });
  }

  sendRecord({ topic, partition, key, value }: Record): Promise<void> {
    return this.send(topic, partition, [{ key, value }]);
  }

  sendState(state: DestinationState): Promise<void> {
    return this.sendRecord(stateRecord(this.#o.place, this.#statePartition, state));
  }

  async commit(): Promise<void> {
    await this.#transaction?.commit();
    this.#transaction = null;
    this.#beginning = null;
  }

  /** Throws where the broker could not be told: it then aborts by itself when the next producer comes, or after the timeout. */
  async abort(): Promise<void> {
    const open = this.#transaction;
    this.#transaction = null;
    this.#beginning = null;
    if (open?.isActive() === true) await open.abort();
  }

  async close(): Promise<void> {
    // What could not be aborted here is aborted by the brokers; a failure to say goodbye loses nothing
    await this.abort().catch(() => undefined);
    await this.#producer.disconnect().catch(() => undefined);
  }
}
