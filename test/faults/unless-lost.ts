import type { Report } from '../../lib/engine/report.ts';

/** Runs again what only lost its lock: the leases here are short, and the machine may be too busy to renew one in time. What the run then says counts. */
export async function unlessLost(run: () => Promise<Report>): Promise<Report> {
  for (let attempt = 1; ; attempt++) {
    const report = await run();
    if (report.error?.code !== 'LOCK_LOST' || attempt === 4) return report;
  }
}
