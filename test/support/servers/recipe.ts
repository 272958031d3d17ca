/** How each real server of the tests is had. `choose.ts` walks the ways in order; a recipe says what each way means for one backend. */

export const backends = ['postgres', 'mysql', 'sqlite', 'etcd', 'kafka', 'mongodb', 's3', 'sqlserver', 'aws'] as const;
export type Backend = (typeof backends)[number];

/** In the order in which they are tried. */
export const ways = ['environment', 'program', 'package', 'container'] as const;
export type Way = (typeof ways)[number];

/** What a test is told of a server. JSON, because it travels from the broker to the workers. */
export interface Server {
  readonly backend: Backend;
  /** Where it is reached: a connection URL, for Kafka and etcd comma-separated `host:port`, for S3 and AWS the endpoint, for SQLite ''. */
  readonly url: string;
  /** Product and version as the server itself tells it, such as `PostgreSQL 15.14`. */
  readonly version: string;
  readonly way: Way;
}

/** A server that runs for us; disposal stops it and removes its data. */
export interface RunningServer extends AsyncDisposable {
  readonly url: string;
  /** Product and version, where whoever started it knows better than the server tells. */
  readonly product?: string;
}

export interface Recipe {
  readonly backend: Backend;
  /** Environment variable that names a server to use as it is. */
  readonly environment?: string;
  /** Starts a program that is on this machine; a string says why none can be. */
  program?(): Promise<RunningServer | string>;
  /** Installs what `program` needs; a string says why it cannot. */
  install?(): Promise<string | undefined>;
  /** Starts a container; a string says why not. */
  container?(): Promise<RunningServer | string>;
  /** Product and version, asked of the server at `url`. Throws where it does not answer. */
  version(url: string): Promise<string>;
}
