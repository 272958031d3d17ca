/** What is measured, by its names in the embedded metric format. */

import type { Metrics } from '@aws-lambda-powertools/metrics';
import { MetricUnit } from '@aws-lambda-powertools/metrics';
import type { CoordinatorReport } from '../../lib/engine/coordinate.ts';
import type { JobEnd } from '../../lib/engine/run-job.ts';

/**
 * `IDRA_METRICS_DETAIL` is `sync`, and the sync is a dimension, or `service`, and the metrics of all syncs are one: each metric of each sync has its price. The line of the log names the sync in both cases.
 * For the same reason a count of nothing is left out; what was measured is not. A run that was skipped says nothing of rows or lag.
 */
export function measureSync(metrics: Metrics, { report, lagSeconds, lagRows }: JobEnd): void {
  if (process.env.IDRA_METRICS_DETAIL === 'service') metrics.addMetadata('sync', report.sync);
  else metrics.addDimension('sync', report.sync);
  const count = (name: string, value: number): void => {
    if (value > 0) metrics.addMetric(name, MetricUnit.Count, value);
  };
  // Runs that succeeded are those that have a duration and did not fail
  count('Failed', report.status === 'failed' ? 1 : 0);
  count('Skipped', report.status === 'skipped' ? 1 : 0);
  if (report.lockWaitMs !== undefined && report.lockWaitMs > 0) metrics.addMetric('LockWait', MetricUnit.Milliseconds, report.lockWaitMs);
  if (report.status === 'skipped') return;
  if (lagSeconds !== null) metrics.addMetric('Lag', MetricUnit.Seconds, lagSeconds);
  if (lagRows !== null) metrics.addMetric('LagRows', MetricUnit.Count, lagRows);
  metrics.addMetric('Duration', MetricUnit.Milliseconds, report.durationMs);
  count('RowsRead', report.read);
  count('RowsWritten', report.written);
  count('RowsDeleted', report.deleted);
  count('RowsDeadLettered', report.deadLettered);
  count('Retries', report.retries ?? 0);
  if (report.bytes > 0) metrics.addMetric('Bytes', MetricUnit.Bytes, report.bytes);
}

export function measureTick(metrics: Metrics, report: CoordinatorReport & { readonly broken: object }): void {
  metrics.addMetric('Leading', MetricUnit.Count, report.role === 'leader' ? 1 : 0);
  if (report.role === 'follower') return;
  metrics.addMetric('Scheduled', MetricUnit.Count, report.scheduled);
  metrics.addMetric('Planned', MetricUnit.Count, report.planned);
  metrics.addMetric('Sent', MetricUnit.Count, report.sent);
  metrics.addMetric(
    'Unsent',
    MetricUnit.Count,
    report.unsent.reduce((sum, { count }) => sum + count, 0),
  );
  metrics.addMetric('BrokenDefinitions', MetricUnit.Count, Object.keys(report.broken).length);
}
