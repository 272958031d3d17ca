/** Runs one sync until it is caught up or the time nears its end; then a continuation goes on. */
import middy from '@middy/core';
import { createResolver } from '../lib/config/secrets.ts';
import { createOpener } from '../lib/connectors/open.ts';
import type { Job } from '../lib/dispatch/dispatcher.ts';
import type { Report } from '../lib/engine/report.ts';
import { runJob } from '../lib/engine/run-job.ts';
import { deadline } from './middleware/deadline.ts';
import { definitions } from './middleware/definitions.ts';
import { validEvent } from './middleware/event.ts';
import { failures } from './middleware/failures.ts';
import { type InvocationContext, tools } from './middleware/invocation.ts';
import { logging } from './middleware/logging.ts';
import { measureSync } from './middleware/measures.ts';
import { publishing } from './middleware/publishing.ts';
import { stores } from './middleware/stores.ts';
import { tracing } from './middleware/tracing.ts';

/** For the life of the process: secrets are kept for a bounded time, and read again when a server refuses them. */
const resolver = createResolver();

async function runRequested(event: unknown, context: InvocationContext): Promise<Report> {
  const job = event as Job;
  const { coordination, dispatcher, definitions, deadline, logger, metrics } = tools(
    context,
    'coordination',
    'dispatcher',
    'definitions',
    'deadline',
    'logger',
    'metrics',
  );
  const found = await definitions.sync(job.sync);
  const deps = { coordination, dispatcher, open: createOpener(found.definitions, { resolver }) };
  const { at, signal, graceMs } = deadline;
  const end = await runJob(job, { definition: found.definition, deps }, { signal, deadline: at, graceMs });
  measureSync(metrics, end);
  if (end.continuation !== null) logger.info('handed over', { continuation: end.continuation });
  return end.report;
}

// The time limit is ours to watch: middy's own early end would race with a commit.
export const handler = middy({ timeoutEarlyInMillis: 0 })
  .use(failures())
  .use(logging())
  .use(tracing())
  .use(publishing())
  .use(validEvent())
  .use(deadline())
  .use(stores())
  .use(definitions())
  .handler(runRequested);
