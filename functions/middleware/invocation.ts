import type { Logger } from '@aws-lambda-powertools/logger';
import type { Metrics } from '@aws-lambda-powertools/metrics';
import type { Request } from '@middy/core';
import type { Context } from 'aws-lambda';
import type { Definitions, SyncDefinition } from '../../lib/config/definition.ts';
import type { StoredDefinitions } from '../../lib/config/store.ts';
import type { Coordination } from '../../lib/coordination/coordination.ts';
import type { Dispatcher } from '../../lib/dispatch/dispatcher.ts';
import { SyncError } from '../../lib/errors.ts';

export interface Deadline {
  /** Milliseconds since the epoch at which the work has to be done. */
  readonly at: number;
  /** Aborts then. */
  readonly signal: AbortSignal;
  /** How long ending may take after that, in milliseconds. */
  readonly graceMs: number;
}

/** Definitions, wherever they are kept. */
export interface DefinitionSource {
  /** All that are sound; what is not is named in `broken`. */
  all(): Promise<StoredDefinitions>;
  /** One sync with its connections. Throws CONFIG_INVALID where it is missing or not sound. */
  sync(name: string): Promise<{ readonly definition: SyncDefinition; readonly definitions: Definitions }>;
}

/** What the middleware makes for one invocation; nothing of it outlives the invocation. */
export interface Tools {
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly deadline: Deadline;
  readonly coordination: Coordination;
  readonly dispatcher: Dispatcher;
  readonly definitions: DefinitionSource;
}

/** Lambda's context with the tools that earlier middleware has put there. */
export type InvocationContext = Context & { -readonly [Name in keyof Tools]?: Tools[Name] };
export type InvocationRequest = Request<unknown, unknown, Error, InvocationContext>;

/** The tools of a handler. Throws INTERNAL where a middleware is missing. */
export function tools<Name extends keyof Tools>(context: InvocationContext, ...names: readonly Name[]): Pick<Tools, Name> {
  for (const name of names) if (context[name] === undefined) throw new SyncError('INTERNAL', `The middleware that makes ${name} is missing.`);
  return context as Pick<Tools, Name>;
}
