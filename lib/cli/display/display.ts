import type { Progress } from '../../engine/deps.ts';
import type { Report } from '../../engine/report.ts';
import type { Output } from '../output.ts';

/** What a person sees while syncs run. */
export interface Display extends Disposable {
  progress(progress: Progress): void;
  done(report: Report): void;
  /** Something that is neither: a reload, a wait. */
  note(text: string): void;
  /** What stands at the bottom while nothing runs; null for nothing. */
  idle(text: string | null): void;
}

export interface DisplayOptions {
  /** For the column of names. */
  readonly names: readonly string[];
  /** Begin each plain line with the time: the lines of a long watch are read as a log. */
  readonly timed: boolean;
}

/** A terminal gets lines that are drawn over; everything else gets a log. */
export async function openDisplay(output: Output, options: DisplayOptions): Promise<Display> {
  if (!output.live) return new (await import('./log-display.ts')).LogDisplay(output, options);
  return new (await import('./live-display.ts')).LiveDisplay(output, options);
}

/** Width of the column of names: long ones do not push the rest out of sight. */
export function nameWidth(names: readonly string[]): number {
  return Math.min(28, Math.max(4, ...names.map((name) => name.length)));
}
