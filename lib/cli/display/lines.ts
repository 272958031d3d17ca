/** A progress and a report, in a line for people. */
import type { Progress } from '../../engine/deps.ts';
import type { Report } from '../../engine/report.ts';
import { byteSize, count, counted, cut, duration, rate, wrap } from '../format.ts';
import type { Output } from '../output.ts';

/** `12,345 of 1,000,000 rows  41,234 rows/s  3.2 MB  24.0 s left`. */
export function progressText(progress: Progress, now: number): string {
  const { phase, read, bytes, totalRows, startedAt } = progress;
  if (phase === 'waiting') return 'waiting for its lock';
  if (phase === 'connecting' && read === 0) return 'connecting';
  const elapsed = now - startedAt;
  const total = totalRows !== null && totalRows >= read ? totalRows : null;
  const parts = [total === null ? counted(read, 'row') : `${count(read)} of ${counted(total, 'row')}`];
  if (read > 0 && elapsed > 500) parts.push(rate(read, elapsed));
  if (bytes > 0) parts.push(byteSize(bytes));
  if (total !== null && read > 0 && total > read && elapsed > 1000) parts.push(`${duration((elapsed / read) * (total - read))} left`);
  return `${phase === 'connecting' ? 'connecting again, at ' : ''}${parts.join('  ')}`;
}

function outcome(report: Report): string {
  const { read, written, deleted, filtered, deadLettered, batches, bytes, durationMs } = report;
  const parts: string[] = [];
  // A batch without rows is a table that was replaced by an empty one: that is news
  if (read === 0 && batches === 0) parts.push('nothing new');
  else {
    parts.push(counted(written, 'row'));
    if (deleted > 0) parts.push(`${count(deleted)} deleted`);
    if (filtered > 0) parts.push(`${count(filtered)} filtered`);
  }
  if (deadLettered > 0) parts.push(`${counted(deadLettered, 'row')} set aside`);
  const details = [duration(durationMs)];
  // A few rows have no speed: their time is that of connecting
  if (read >= 1000 && durationMs > 500) details.push(rate(read, durationMs));
  if (bytes > 0) details.push(byteSize(bytes));
  return `${parts.join(', ')}  (${details.join(', ')})`;
}

export interface ReportLineOptions {
  readonly nameWidth: number;
  readonly output: Output;
}

/** One line for a success or a skip; a failure takes as many as its message needs. */
export function reportText(report: Report, { nameWidth, output }: ReportLineOptions): string {
  const { colors } = output;
  const name = cut(report.sync, nameWidth).padEnd(nameWidth);
  if (report.status === 'skipped') return wrap(`${colors.yellow('–')} ${name}  skipped: ${report.reason ?? ''}`, output.width, '    ');
  if (report.status === 'succeeded') {
    const more = report.reason === null ? '' : `; ${report.reason}`;
    const mark = report.deadLettered > 0 || !report.caughtUp ? colors.yellow('✔') : colors.green('✔');
    return wrap(`${mark} ${name}  ${outcome(report)}${more}`, output.width, '    ');
  }
  const { code, message } = report.error ?? { code: 'INTERNAL', message: 'the run failed without saying why' };
  const lines = [`${colors.red('✖')} ${name}  ${colors.red(code)}`, wrap(`    ${message}`, output.width, '    ')];
  if (report.written > 0) lines.push(colors.dim(`    ${counted(report.written, 'row')} had been committed; the next run goes on from there.`));
  lines.push(colors.dim(`    More: docs/errors.md#${code.toLowerCase()}`));
  return lines.join('\n');
}
