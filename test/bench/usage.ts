/** Loaded before the command under measurement: leaves behind what the process has used. */
import { writeFileSync } from 'node:fs';

process.on('exit', () => {
  const file = process.env.IDRA_BENCH_USAGE;
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
  if (file !== undefined) writeFileSync(file, JSON.stringify({ cpuSeconds: (userCPUTime + systemCPUTime) / 1e6, peakMb: maxRSS / 1024 }));
});
