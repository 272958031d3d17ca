import type { Pattern } from './pattern.ts';

export type Direction = 'toServer' | 'toClient';

export interface Swallow {
  /** Replies are dropped from the first request on that holds this; absent: from now on. The request itself still reaches the server. */
  readonly after?: Pattern;
  /** `cut`: the connection is reset when the first swallowed reply arrives, which proves that the server has acted. `hang` (default): the client waits for ever. */
  readonly and?: 'cut' | 'hang';
  /** On how many connections at most, whichever comes first; absent: on all. */
  readonly times?: number;
}

export interface CutAfter {
  /** The connection is reset as these bytes pass; they themselves still pass. */
  readonly pattern: Pattern;
  /** Which side says them. */
  readonly direction: Direction;
  readonly times?: number;
}

export interface Delay {
  /** Added to each direction. */
  readonly ms: number;
  /** Up to this much more, drawn from the seed for each piece. */
  readonly jitterMs?: number;
}

/** What befalls all traffic of a proxy now. `TcpProxy` changes it, each link reads it. */
export interface Faults {
  delay: Delay | undefined;
  /** Bytes of a connection, both ways counted, after which it is reset, drawn from the seed. */
  cutAfterBytes: readonly [low: number, high: number] | undefined;
  partitioned: boolean;
  refusing: boolean;
}

/** Swallowing or cutting that waits for its moment; counts itself down over all connections. */
export interface Trap {
  readonly kind: 'swallow' | 'cut';
  readonly pattern: Pattern | undefined;
  readonly direction: Direction;
  readonly and: 'cut' | 'hang';
  left: number;
}
