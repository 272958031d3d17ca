import { SyncError, toSyncError } from '../../errors.ts';
import { etcdError, type Failure, failureOf, isUnreachable, Status } from './errors.ts';
import { EtcdHost, type Service } from './host.ts';
import type { ResolvedEtcdOptions } from './options.ts';

export interface Request {
  readonly service: Service;
  readonly method: string;
  readonly payload: object;
  /** A stream of one message each way. */
  readonly stream?: boolean;
  /** May be sent a second time when its reply did not come, to another host where there is one, within the same deadline. */
  readonly repeatable: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** An outcome that etcd itself gave, with its status code; all else is a SyncError already. */
export class EtcdRefusal extends Error {
  readonly failure: Failure;
  readonly host: string;

  constructor(failure: Failure, host: string) {
    super(failure.details);
    this.failure = failure;
    this.host = host;
  }
}

/**
 * Calls with a deadline each, connecting and logging in included. A host that cannot be connected to is passed over, because nothing was sent; a call that was sent is sent again only where it is
 * repeatable. Stays with the host that works.
 */
export class EtcdClient {
  readonly #hosts: readonly EtcdHost[];
  readonly #options: ResolvedEtcdOptions;
  #current: number;
  #token: Promise<string> | null = null;
  #closed = false;

  private constructor(hosts: readonly EtcdHost[], options: ResolvedEtcdOptions) {
    this.#hosts = hosts;
    this.#options = options;
    this.#current = Math.floor(Math.random() * hosts.length);
  }

  static async open(options: ResolvedEtcdOptions): Promise<EtcdClient> {
    const { ConnectionPool } = await import('etcd3/lib/connection-pool.js');
    return new EtcdClient(
      options.addresses.map((address) => new EtcdHost(address, ConnectionPool, options)),
      options,
    );
  }

  /** Throws SyncErrors that name the host, and EtcdRefusal where the caller may know what the code means. */
  async call<T>(request: Request): Promise<T> {
    const begin = Date.now();
    const end = begin + this.#options.timeoutMs;
    if (!request.repeatable) return (await this.#authorized(request, end)) as T;
    try {
      return (await this.#authorized(request, begin + this.#options.timeoutMs / 2)) as T;
    } catch (error) {
      if (!(error instanceof SyncError) || error.code !== 'STORE_UNAVAILABLE' || request.signal?.aborted) throw error;
      return (await this.#authorized(request, end)) as T;
    }
  }

  close(): void {
    this.#closed = true;
    for (const host of this.#hosts) host.reset();
  }

  /** etcd forgets a token after some minutes without use, and when users or roles change: then once more, with a new one. Such a call was refused before it did anything. */
  async #authorized(request: Request, deadline: number): Promise<unknown> {
    const { auth } = this.#options;
    if (auth === null) return this.#send(request, { deadline, token: null });
    try {
      return await this.#send(request, { deadline, token: await this.#login(deadline) });
    } catch (error) {
      if (!(error instanceof EtcdRefusal) || !staleToken.includes(error.failure.code)) throw error;
      this.#token = null;
      return this.#send(request, { deadline, token: await this.#login(deadline) });
    }
  }

  async #login(deadline: number): Promise<string> {
    const { auth } = this.#options;
    this.#token ??= this.#authenticate({ name: auth?.user ?? '', password: auth?.password ?? '' }, deadline);
    try {
      return await this.#token;
    } catch (error) {
      this.#token = null;
      throw error;
    }
  }

  async #authenticate(payload: { readonly name: string; readonly password: string }, deadline: number): Promise<string> {
    try {
      const response = await this.#send({ service: 'Auth', method: 'authenticate', payload, repeatable: true }, { deadline, token: null });
      return (response as { token: string }).token;
    } catch (error) {
      if (!(error instanceof EtcdRefusal)) throw error;
      const { host, failure } = error;
      if (failure.code === Status.failedPrecondition) {
        throw new SyncError('CONFIG_INVALID', `A user is given for ${host}, but its authentication is switched off: switch it on, or leave the user out.`, {
          cause: failure,
        });
      }
      throw new SyncError('AUTHENTICATION_FAILED', `${host} does not accept the password of the user ${payload.name}: check user and password.`, {
        cause: failure,
      });
    }
  }

  async #send({ service, method, payload, stream, signal }: Request, { deadline, token }: { deadline: number; token: string | null }): Promise<unknown> {
    // A late call would open a connection that nobody closes.
    if (this.#closed) throw new SyncError('INTERNAL', 'The connection to etcd was closed before this call.');
    const host = await this.#reachable(service, { deadline, signal });
    const options = { request: payload, deadline, token, signal };
    try {
      return stream === true ? await host.exchange(service, method, options) : await host.unary(service, method, options);
    } catch (error) {
      if (error instanceof SyncError) throw error;
      const failure = failureOf(error);
      if (failure === null) throw toSyncError(error);
      if (!isUnreachable(failure)) throw new EtcdRefusal(failure, this.#nameOf(host));
      this.#leave(host);
      throw this.#error(failure, this.#nameOf(host));
    }
  }

  /** The first host from the current one on that a connection stands to. The last candidate is returned in any case: its call tells why it cannot be reached. */
  async #reachable(service: Service, { deadline, signal }: { deadline: number; signal: AbortSignal | undefined }): Promise<EtcdHost> {
    for (let left = this.#hosts.length; ; left -= 1) {
      const host = this.#hosts[this.#current % this.#hosts.length];
      if (host === undefined) throw new SyncError('INTERNAL', 'There is no etcd host.');
      if (left === 1) return host;
      const share = (deadline - Date.now()) / left;
      if (await host.connect(service, { deadline: Date.now() + share, signal })) return host;
      this.#leave(host);
    }
  }

  #leave(host: EtcdHost): void {
    host.reset();
    if (this.#hosts[this.#current % this.#hosts.length] === host) this.#current = (this.#current + 1) % this.#hosts.length;
  }

  #nameOf(host: EtcdHost): string {
    return `etcd ${host.address}`;
  }

  /** What a refusal means. etcd has one code for a request that it finds wrong and for one that ought to have a user: a request that is right for sure tells them apart. */
  async explain({ failure, host }: EtcdRefusal, signal?: AbortSignal): Promise<SyncError> {
    if (failure.code !== Status.invalidArgument || this.#options.auth !== null) return this.#error(failure, host);
    try {
      const payload = { key: Buffer.from(`${this.#options.prefix}meta/epoch`) };
      await this.call({ service: 'KV', method: 'range', payload, repeatable: true, signal });
    } catch (error) {
      if (!(error instanceof EtcdRefusal)) throw error;
      return this.#error({ ...error.failure, code: Status.unauthenticated }, host);
    }
    return this.#error(failure, host);
  }

  #error(failure: Failure, host: string): SyncError {
    return etcdError(failure, { host, user: this.#options.auth?.user ?? null, timeoutMs: this.#options.timeoutMs, prefix: this.#options.prefix });
  }
}

/** A forgotten token, and one from before users or roles were changed. */
const staleToken: readonly number[] = [Status.unauthenticated, Status.invalidArgument];
