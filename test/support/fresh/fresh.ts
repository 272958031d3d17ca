/** A part of a shared server that belongs to one test file, so that files can run side by side. Disposal removes it. */
export interface Fresh extends AsyncDisposable {
  /** A connection URL for this part: with the database's name for databases, the file's path for SQLite, otherwise the server's own. */
  readonly url: string;
  /** Name of the database or bucket; for etcd a key prefix ending in `/`, for Kafka a topic prefix ending in `-`. */
  readonly name: string;
}
