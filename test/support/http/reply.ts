export interface Reply {
  /** 200 when absent. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: unknown;
  /** Instead of `json`. */
  readonly body?: string | Uint8Array;
}

export interface Recorded {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  /** `performance.now()` when it came, to judge pauses by. */
  readonly atMs: number;
}

export type Handler = (request: Recorded) => Reply | Promise<Reply>;

export function payload({ body, json }: Reply): Buffer {
  if (body !== undefined) return Buffer.from(body);
  return Buffer.from(json === undefined ? '' : JSON.stringify(json));
}

export function headersOf({ headers, json }: Reply): Record<string, string> {
  return { ...(json === undefined ? {} : { 'content-type': 'application/json' }), ...headers };
}
