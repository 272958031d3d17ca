import type { Admin, Cluster, Kafka } from 'kafkajs';
import { SyncError } from '../../errors.ts';
import type { Schema } from '../../values/types.ts';
import type { Claim, Destination, DestinationRequest, DestinationState, StoredDeadLetter, Target, Writer } from '../connector.ts';
import { createClient, disconnect, openCluster } from './client.ts';
import type { DestinationOptions, KafkaConnection } from './config.ts';
import { RowEncoder } from './encode.ts';
import { kafkaError } from './errors.ts';
import { fetchAlone, offsetAfter, visibility } from './fetch.ts';
import { Session } from './session.ts';
import { letterTopic, readLetters, readState, type StatePlace, stateTopic } from './state.ts';
import { defaultMaxMessageBytes, ensureTopic, maxMessageBytes, offsetsOf, partitionsOf } from './topics.ts';
import { unlessAborted } from './unless-aborted.ts';
import { KafkaWriter } from './writer.ts';

/** How long a look at the state waits for a transaction whose end is on its way. */
const settleMs = 3_000;
/** Read at a time to find a first message. */
const lookBytes = 64 * 1024;

interface Open {
  readonly kafka: Kafka;
  readonly cluster: Cluster;
  readonly admin: Admin;
}

export class KafkaDestination implements Destination {
  readonly system = 'kafka';
  readonly #connection: KafkaConnection;
  readonly #request: DestinationRequest;
  readonly #options: DestinationOptions;
  readonly #place: StatePlace;
  readonly #signal: AbortSignal;
  #opened: Open | null = null;
  #prepared: { readonly schema: Schema; readonly partitions: readonly number[]; readonly maxMessageBytes: number } | null = null;

  constructor(connection: KafkaConnection, request: DestinationRequest, signal: AbortSignal) {
    this.#signal = signal;
    this.#connection = connection;
    this.#request = request;
    this.#options = request.options as DestinationOptions;
    this.#place = { topic: connection.stateTopic, sync: request.sync, shard: request.shard };
  }

  state(): Promise<DestinationState | null> {
    return this.#reach('read the state of', ({ cluster }) => readState(cluster, this.#place, { settleMs, undecided: 'before' }));
  }

  async prepare(schema: Schema, options: { readonly dryRun?: boolean } = {}): Promise<Target> {
    const { topic, partitions, replication, compact } = this.#options;
    if (this.#request.write === 'upsert' && schema.key.length === 0)
      throw new SyncError('KEY_REQUIRED', `An upsert into topic ${topic} needs a key: name it in the definition.`, { table: topic });
    return this.#reach('prepare', async ({ cluster, admin }) => {
      const before = await partitionsOf(cluster, topic);
      if (options.dryRun !== true) {
        const settings = compact ? { 'cleanup.policy': 'compact' } : {};
        await ensureTopic(admin, cluster, { topic, partitions, replication, settings });
        await ensureTopic(admin, cluster, stateTopic(this.#place.topic, replication));
        if (this.#request.onError === 'deadLetter') await ensureTopic(admin, cluster, letterTopic(this.#place.topic, replication));
      }
      const now = await partitionsOf(cluster, topic);
      const limit = this.#options.maxMessageBytes ?? (now === null ? defaultMaxMessageBytes : await maxMessageBytes(admin, topic));
      // Refuses what fits no message before anything is claimed
      const encoder = { schema, options: this.#options, partitions: now ?? [0], maxMessageBytes: limit };
      new RowEncoder(encoder);
      this.#prepared = now === null ? null : { schema, partitions: now, maxMessageBytes: limit };
      return { schema: { ...schema, name: topic }, existed: before !== null, hasRows: before !== null && (await holdsMessages(cluster, topic, before)) };
    });
  }

  async open(target: Target, claim: Claim): Promise<Writer> {
    const prepared = this.#prepared;
    if (prepared === null) throw new SyncError('INTERNAL', `${target.schema.name} was opened before it was prepared.`);
    return this.#reach('claim', async ({ kafka, cluster }) => {
      const session = { kafka, cluster, place: this.#place, claim, options: this.#options };
      const encoder = new RowEncoder({ ...prepared, options: this.#options });
      const claimed = await Session.open(session);
      // Nobody waits for it any more: its transactional id is left to the next run
      if (this.#signal.aborted) {
        await claimed.close();
        throw this.#signal.reason;
      }
      return new KafkaWriter({ ...session, encoder, maxMessageBytes: prepared.maxMessageBytes }, claimed);
    });
  }

  deadLetters(): Promise<StoredDeadLetter[]> {
    return this.#reach('read the dead letters of', ({ cluster }) => readLetters(cluster, this.#place.topic, { sync: this.#request.sync, settleMs }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const opened = this.#opened;
    this.#opened = null;
    if (opened !== null) await Promise.all([disconnect(opened.admin), disconnect(opened.cluster)]);
  }

  async #reach<T>(what: string, work: (open: Open) => Promise<T>): Promise<T> {
    const { topic } = this.#options;
    try {
      if (this.#opened === null) {
        const kafka = createClient(this.#connection);
        const cluster = await openCluster(kafka, this.#signal);
        const admin = kafka.admin();
        this.#opened = { kafka, cluster, admin };
        await unlessAborted(admin.connect(), this.#signal);
      }
      return await unlessAborted(work(this.#opened), this.#signal);
    } catch (error) {
      if (this.#signal.aborted) throw this.#signal.reason;
      throw kafkaError(error, `${what} topic ${topic}`, { table: topic, sync: this.#request.sync });
    }
  }
}

/**
 * Whether a reader of committed messages finds any. Offsets alone do not tell: what a run wrote that died in its first batch stays in the topic as aborted messages, and the next run has to go on beside it.
 */
async function holdsMessages(cluster: Cluster, topic: string, partitions: readonly number[]): Promise<boolean> {
  const first = await offsetsOf(cluster, topic, { partitions, earliest: true });
  const end = await offsetsOf(cluster, topic, { partitions, earliest: false });
  const options = { topic, committed: true, maxBytes: lookBytes, partitionBytes: lookBytes, waitMs: 0 };
  for (const partition of partitions) {
    const until = end.get(partition) ?? 0;
    for (let offset = first.get(partition) ?? 0; offset < until; ) {
      const fetched = await fetchAlone(cluster, options, { partition, offset, until });
      const seen = visibility(fetched);
      const from = offset;
      if (fetched.messages.some((message, index) => seen[index] === true && Number(message.offset) >= from)) return true;
      const last = fetched.messages.at(-1);
      offset = last === undefined ? until : Math.max(offset, offsetAfter(last, undefined));
    }
  }
  return false;
}
