/** What a test file asks of the harness: real servers. See test/README.md. */
import { describe, inject } from 'vitest';
import { ask, type Outcome } from './harness/broker.ts';
import type { Backend, Server } from './servers/recipe.ts';

export type { Backend, Server } from './servers/recipe.ts';

/** The server, or why this run has none. The first to ask starts it. */
export async function serverOrReason(backend: Backend): Promise<Server | { readonly reason: string }> {
  const outcome = await ask<Outcome>(inject('broker'), backend);
  return 'reason' in outcome ? outcome : ({ ...outcome } as Server);
}

/** The server, or undefined where this run has none. Prefer `describeWith`, which says so in the report. */
export async function server(backend: Backend): Promise<Server | undefined> {
  const found = await serverOrReason(backend);
  return 'reason' in found ? undefined : found;
}

type Servers<B extends Backend> = { readonly [name in B]: Server };

/**
 * A suite that needs real servers: `await describeWith(['postgres', 'etcd'], 'title', ({ postgres, etcd }) => { … })` at the top of a test file.
 * Where one is missing the suite's tests are reported as skipped, with the reason in the suite's name; `suite` is then run only to collect their names.
 */
export async function describeWith<const B extends Backend>(needed: readonly B[], title: string, suite: (servers: Servers<B>) => void): Promise<void> {
  const found = await Promise.all(needed.map(async (backend) => ({ backend, result: await serverOrReason(backend) })));
  const absent = found.flatMap(({ backend, result }) => ('reason' in result ? [`no ${backend}: ${result.reason}`] : []));
  const servers = Object.fromEntries(
    found.map(({ backend, result }) => [
      backend,
      'reason' in result ? { backend, url: `${backend}://missing.invalid/`, version: 'missing', way: 'environment' } : result,
    ]),
  ) as Servers<B>;
  const run = absent.length === 0 ? describe : describe.skip;
  run(absent.length === 0 ? title : `${title} (not run: ${absent.join('; ')})`, () => suite(servers));
}
