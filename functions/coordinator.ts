/** Each minute: lead, plan what is due, ask for its runs. */
import middy from '@middy/core';
import { type CoordinatorReport, coordinate } from '../lib/engine/coordinate.ts';
import { deadline } from './middleware/deadline.ts';
import { definitions } from './middleware/definitions.ts';
import { failures } from './middleware/failures.ts';
import { type InvocationContext, tools } from './middleware/invocation.ts';
import { logging } from './middleware/logging.ts';
import { measureTick } from './middleware/measures.ts';
import { publishing } from './middleware/publishing.ts';
import { stores } from './middleware/stores.ts';
import { tracing } from './middleware/tracing.ts';

type TickReport = CoordinatorReport & { readonly broken: Readonly<Record<string, string>> };

async function tick(_event: unknown, context: InvocationContext): Promise<TickReport> {
  const { coordination, dispatcher, definitions, deadline, metrics } = tools(context, 'coordination', 'dispatcher', 'definitions', 'deadline', 'metrics');
  let broken: Readonly<Record<string, string>> = {};
  const syncs = async () => {
    const all = await definitions.all();
    broken = Object.fromEntries([...all.broken].map(([name, { message }]) => [name, message]));
    return all.definitions.syncs;
  };
  const report = { ...(await coordinate({ coordination, dispatcher, syncs }, { signal: deadline.signal })), broken };
  measureTick(metrics, report);
  return report;
}

export const handler = middy({ timeoutEarlyInMillis: 0 })
  .use(failures())
  .use(logging())
  .use(tracing())
  .use(publishing())
  .use(deadline())
  .use(stores())
  .use(definitions())
  .handler(tick);
