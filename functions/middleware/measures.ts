/** What is measured, by its names in the embedded metric format. */

import type { Metrics } from '@aws-lambda-powertools/metrics';
import { MetricUnit } from '@aws-lambda-powertools/metrics';
import type { CoordinatorReport } from '../../lib/engine/coordinate.ts';
import type { JobEnd } from '../../lib/engine/run-job.ts';

/** With the sync as a dimension. A run that was skipped says nothing of rows or lag. */
export function measureSync(metrics: Metrics, { report, lagSeconds }: JobEnd): void {
  metrics.addDimension('sync', report.sync);
  metrics.addMetric('Succeeded', MetricUnit.Count, report.status === 'succeeded' ? 1 : 0);
  metrics.addMetric('Failed', MetricUnit.Count, report.status === 'failed' ? 1 : 0);
  metrics.addMetric('Skipped', MetricUnit.Count, report.status === 'skipped' ? 1 : 0);
  if (report.lockWaitMs !== undefined) metrics.addMetric('LockWait', MetricUnit.Milliseconds, report.lockWaitMs);
  if (report.status === 'skipped') return;
  if (lagSeconds !== null) metrics.addMetric('Lag', MetricUnit.Seconds, lagSeconds);
  metrics.addMetric('RowsRead', MetricUnit.Count, report.read);
  metrics.addMetric('RowsWritten', MetricUnit.Count, report.written);
  metrics.addMetric('RowsDeleted', MetricUnit.Count, report.deleted);
  metrics.addMetric('RowsDeadLettered', MetricUnit.Count, report.deadLettered);
  metrics.addMetric('Bytes', MetricUnit.Bytes, report.bytes);
  metrics.addMetric('Duration', MetricUnit.Milliseconds, report.durationMs);
  metrics.addMetric('Retries', MetricUnit.Count, report.retries ?? 0);
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
