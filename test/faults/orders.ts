import type { Existing } from '../../lib/engine/deps.ts';

/** Steps of the protocol at which a child can be made to die or freeze. */
export const points = [
  'claim:before',
  'claim:after',
  'write:after',
  'commit:before',
  'commit:after',
  'checkpoint:before',
  'checkpoint:after',
  'release:before',
] as const;
export type Point = (typeof points)[number];

export interface Orders {
  readonly definitions: string;
  readonly sync: string;
  /** Path of the embedded store, or etcd hosts with a prefix. */
  readonly store: { readonly path: string } | { readonly hosts: string; readonly prefix: string };
  readonly point?: Point;
  /** Which passing of the point; 1 is the first. */
  readonly nth?: number;
  readonly action?: 'SIGKILL' | 'SIGSTOP';
  readonly fencing?: boolean;
  readonly existing?: Existing;
}
