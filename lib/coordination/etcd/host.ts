import type { ConnectionPool } from 'etcd3/lib/connection-pool.js';
import { cancellation, throwIfCancelled } from '../wait.ts';
import { type Failure, Status } from './errors.ts';
import type { ResolvedEtcdOptions } from './options.ts';

export type Service = 'KV' | 'Lease' | 'Auth';
type Connection = Parameters<Parameters<ConnectionPool['withConnection']>[1]>[0];
type GrpcClient = Connection['client'];
type PoolClass = typeof ConnectionPool;

interface Call {
  cancel(): void;
}

type Unary = (request: object, metadata: Connection['metadata'], options: { deadline: number }, done: (error: unknown, response: unknown) => void) => Call;

interface Stream extends Call {
  on(event: 'data', listener: (message: unknown) => void): this;
  on(event: 'error', listener: (error: unknown) => void): this;
  on(event: 'end', listener: () => void): this;
  write(message: object): void;
  end(): void;
}

type OpenStream = (metadata: Connection['metadata'], options: { deadline: number }) => Stream;

export interface CallOptions {
  /** Milliseconds since the epoch. */
  readonly deadline: number;
  readonly token: string | null;
  readonly signal?: AbortSignal | undefined;
}

/** gRPC's ConnectivityState. */
const ready = 2;
const failed: readonly number[] = [3, 4];

/**
 * One server. Of etcd3 only the protocol and the credentials are used: its calls retry, hide the status code and match on messages. So a call here goes to the service client itself, once, with a deadline.
 */
export class EtcdHost {
  readonly address: string;
  readonly #pools: PoolClass;
  readonly #options: ResolvedEtcdOptions;
  #pool: ConnectionPool | null = null;

  constructor(address: string, pools: PoolClass, options: ResolvedEtcdOptions) {
    this.address = address;
    this.#pools = pools;
    this.#options = options;
  }

  /** Whether the connection stands. Connects if need be; false as soon as that fails, or at the deadline. */
  async connect(service: Service, { deadline, signal }: Pick<CallOptions, 'deadline' | 'signal'>): Promise<boolean> {
    const channel = (await this.#connection(service)).client.getChannel();
    for (;;) {
      throwIfCancelled(signal);
      const state = channel.getConnectivityState(true);
      if (state === ready) return true;
      if (failed.includes(state) || Date.now() >= deadline) return false;
      // Woken at the latest by the deadline, with an error that tells no more than the state does.
      await new Promise<void>((resolve) => channel.watchConnectivityState(state, deadline, () => resolve()));
    }
  }

  /** Rejects with gRPC's own error, which has `code` and `details`, or with the signal's reason. */
  async unary(service: Service, method: string, { request, ...options }: CallOptions & { readonly request: object }): Promise<unknown> {
    const { client, metadata } = await this.#authorized(service, options.token);
    const invoke = methodOf<Unary>(client, method);
    return settle(options.signal, (resolve, reject) =>
      invoke.call(client, request, metadata, { deadline: options.deadline }, (error, response) => (error === null ? resolve(response) : reject(error))),
    );
  }

  /** One question and one answer over a stream, as the renewal of a lease wants it. */
  async exchange(service: Service, method: string, { request, ...options }: CallOptions & { readonly request: object }): Promise<unknown> {
    const { client, metadata } = await this.#authorized(service, options.token);
    const open = methodOf<OpenStream>(client, method);
    return settle(options.signal, (resolve, reject) => {
      const stream = open.call(client, metadata, { deadline: options.deadline });
      stream.on('data', (message) => {
        resolve(message);
        stream.end();
      });
      stream.on('error', reject);
      stream.on('end', () => reject({ code: Status.unavailable, details: 'the stream ended without an answer' } satisfies Failure));
      stream.write(request);
      return stream;
    });
  }

  /** Drops the connection: the next call makes a new one at once, where grpc-js would wait for its backoff. */
  reset(): void {
    this.#pool?.close();
    this.#pool = null;
  }

  async #authorized(service: Service, token: string | null): Promise<Connection> {
    const connection = await this.#connection(service);
    if (token !== null) connection.metadata.set('token', token);
    return connection;
  }

  #connection(service: Service): Promise<Connection> {
    this.#pool ??= new this.#pools(this.#poolOptions());
    return this.#pool.withConnection(service, (connection) => connection);
  }

  #poolOptions(): ConstructorParameters<PoolClass>[0] {
    const { secure, tls } = this.#options;
    const grpcOptions = {
      'grpc.max_receive_message_length': 64 * 1024 * 1024,
      'grpc.keepalive_time_ms': 10_000,
      'grpc.keepalive_timeout_ms': 5_000,
    };
    const options = { hosts: `${secure ? 'https' : 'http'}://${this.address}`, grpcOptions };
    if (!secure || Object.keys(tls).length === 0) return options;
    return { ...options, credentials: pem(tls) };
  }
}

type Credentials = NonNullable<ConstructorParameters<PoolClass>[0]['credentials']>;

/** etcd3 wants a root certificate where it is given any material; gRPC takes null for those that Node trusts. */
function pem({ ca, cert, key }: ResolvedEtcdOptions['tls']): Credentials {
  const client = cert === undefined || key === undefined ? {} : { certChain: Buffer.from(cert), privateKey: Buffer.from(key) };
  return { rootCertificate: ca === undefined ? (null as unknown as Buffer) : Buffer.from(ca), ...client };
}

function methodOf<T>(client: GrpcClient, method: string): T {
  return (client as unknown as Record<string, T>)[method] as T;
}

/** A promise for a call that the signal cancels. */
function settle(signal: AbortSignal | undefined, start: (resolve: (value: unknown) => void, reject: (error: unknown) => void) => Call): Promise<unknown> {
  return new Promise((resolve, reject) => {
    throwIfCancelled(signal);
    const call = start(
      (value) => {
        signal?.removeEventListener('abort', cancel);
        resolve(value);
      },
      (error) => {
        signal?.removeEventListener('abort', cancel);
        reject(error);
      },
    );
    function cancel(): void {
      call.cancel();
      if (signal !== undefined) reject(cancellation(signal));
    }
    signal?.addEventListener('abort', cancel, { once: true });
  });
}
