import { randomUUID } from 'node:crypto';
import { SyncError } from '../../errors.ts';
import { type Batch, type Chunk, type Committed, type DestinationState, Operation, type RowChunk, type StoredDeadLetter, type Writer } from '../connector.ts';
import { batchOverheadBytes, type Encoded, type RowEncoder } from './encode.ts';
import { kafkaError, protocolError } from './errors.ts';
import { Session, type SessionOptions } from './session.ts';
import { fencedError, letterTopicName } from './state.ts';

export interface WriterOptions extends SessionOptions {
  readonly encoder: RowEncoder;
  readonly maxMessageBytes: number;
}

/** Encoded messages held over all partitions. */
const maxHeldBytes = 4 * 1024 ** 2;
/** The driver makes several buffers of half a kilobyte for each record of a batch. */
const maxBatchRows = 500;
const fenced = new Set(['INVALID_PRODUCER_EPOCH', 'INVALID_TXN_STATE', 'INVALID_PRODUCER_ID_MAPPING']);

interface Pending {
  messages: Encoded[];
  bytes: number;
}

export class KafkaWriter implements Writer {
  readonly pipelined = false;
  readonly #o: WriterOptions;
  #session: Session | null;
  #committed: DestinationState;
  #pending = new Map<number, Pending>();
  #held = 0;
  #counts = { written: 0, deleted: 0 };
  #broken: SyncError | null = null;

  constructor(options: WriterOptions, session: Session) {
    this.#o = options;
    this.#session = session;
    this.#committed = session.committed;
  }

  get committed(): DestinationState {
    return this.#committed;
  }

  async write(chunk: Chunk): Promise<void> {
    if (chunk.kind !== 'rows') throw new SyncError('INTERNAL', 'Kafka speaks no raw format.');
    this.#assertUsable();
    await this.#take(chunk, this.#o.encoder.encode(chunk));
  }

  /** Rows are checked whole before any of them is taken: what fails here has changed nothing. */
  attempt(chunk: RowChunk): Promise<void> {
    return this.write(chunk);
  }

  async commit(batch: Batch): Promise<Committed> {
    const { claim } = this.#o;
    const next: DestinationState = {
      epoch: claim.epoch,
      fence: claim.fence,
      seq: this.#committed.seq + 1n,
      batchId: batch.batchId,
      cursor: batch.cursor,
    };
    this.#assertUsable();
    await this.#guard('write to', async () => {
      await this.#flush();
      const session = await this.#ready();
      await this.#sendLetters(session, batch);
      await session.sendState(next);
    });
    await this.#guard('commit to', () => this.#commitTransaction(batch));
    this.#committed = next;
    const done: Committed = { seq: next.seq, ...this.#counts };
    this.#counts = { written: 0, deleted: 0 };
    return done;
  }

  async discard(): Promise<void> {
    this.#pending = new Map();
    this.#held = 0;
    this.#counts = { written: 0, deleted: 0 };
    if (this.#broken?.code === 'FENCED') return;
    this.#broken = null;
    try {
      await this.#session?.abort();
    } catch {
      // The next session makes the brokers abort it
      await this.#drop();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#pending = new Map();
    await this.#drop();
  }

  async #take(chunk: RowChunk, encoded: readonly Encoded[]): Promise<void> {
    await this.#guard('write to', async () => {
      for (const message of encoded) {
        const pending = this.#pending.get(message.partition) ?? { messages: [], bytes: batchOverheadBytes };
        this.#pending.set(message.partition, pending);
        if (pending.messages.length > 0 && (pending.bytes + message.bytes > this.#batchBytes || pending.messages.length >= maxBatchRows))
          await this.#send(message.partition, pending);
        pending.messages.push(message);
        pending.bytes += message.bytes;
        this.#held += message.bytes;
        if (this.#held > maxHeldBytes) await this.#flush();
      }
    });
    for (let index = 0; index < chunk.rows.length; index++) {
      if (chunk.operations?.[index] === Operation.delete) this.#counts.deleted++;
      else this.#counts.written++;
    }
  }

  /** A compressed batch that does not shrink grows a little. */
  get #batchBytes(): number {
    return Math.min(this.#o.maxMessageBytes - 1024, 1024 ** 2);
  }

  async #send(partition: number, pending: Pending): Promise<void> {
    const { messages } = pending;
    this.#held -= pending.bytes - batchOverheadBytes;
    pending.messages = [];
    pending.bytes = batchOverheadBytes;
    if (messages.length === 0) return;
    const session = await this.#ready();
    await session.send(this.#o.options.topic, partition, messages);
  }

  async #flush(): Promise<void> {
    await this.#ready();
    const sent = await Promise.allSettled([...this.#pending].map(([partition, pending]) => this.#send(partition, pending)));
    for (const result of sent) if (result.status === 'rejected') throw result.reason;
  }

  async #sendLetters(session: Session, batch: Batch): Promise<void> {
    const topic = letterTopicName(this.#o.place.topic);
    const { sync } = this.#o.claim;
    const at = new Date().toISOString();
    for (const letter of batch.deadLetters ?? []) {
      const stored: StoredDeadLetter = { ...letter, id: randomUUID(), sync, at };
      await session.sendRecord({ topic, partition: 0, key: stored.id, value: JSON.stringify(stored) });
    }
    for (const id of batch.resolved ?? []) await session.sendRecord({ topic, partition: 0, key: id, value: null });
  }

  /**
   * A lost reply leaves the outcome open. A new producer with the same transactional id makes the brokers decide, and the state tells how. Whoever was fenced does not try: it would drive the newer run out.
   */
  async #commitTransaction(batch: Batch): Promise<void> {
    const session = await this.#ready();
    try {
      await session.commit();
    } catch (error) {
      if (fenced.has(protocolError(error) ?? '')) throw error;
      await this.#drop();
      const again = await Session.open(this.#o);
      this.#session = again;
      if (again.committed.batchId === batch.batchId) return;
      throw new SyncError('CONNECTION_FAILED', `The brokers did not commit a batch of topic ${this.#o.options.topic}.`, {
        table: this.#o.options.topic,
        cause: error,
        retry: 'now',
      });
    }
  }

  /** The session, opened anew after a discard that could not reach the brokers. */
  async #ready(): Promise<Session> {
    if (this.#session !== null) return this.#session;
    const session = await Session.open(this.#o);
    this.#session = session;
    if (session.committed.seq !== this.#committed.seq) throw fencedError(this.#o.claim, this.#o.options.topic);
    return session;
  }

  async #drop(): Promise<void> {
    const session = this.#session;
    this.#session = null;
    await session?.close();
  }

  #assertUsable(): void {
    // Never a row's own fault, whatever the first error was
    if (this.#broken !== null)
      throw new SyncError('CONFLICT', `Topic ${this.#o.options.topic}: the batch is broken after an error (${this.#broken.code}).`, {
        cause: this.#broken,
        retry: 'now',
      });
  }

  async #guard(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      const { topic } = this.#o.options;
      this.#broken = kafkaError(error, `${what} topic ${topic}`, { table: topic, sync: this.#o.claim.sync });
      // The driver's sequence numbers are not to be relied on after a failed request
      await this.#drop();
      throw this.#broken;
    }
  }
}
