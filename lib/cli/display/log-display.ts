import type { Progress } from '../../engine/deps.ts';
import type { Report } from '../../engine/report.ts';
import type { Output } from '../output.ts';
import { type Display, type DisplayOptions, nameWidth } from './display.ts';
import { progressText, reportText } from './lines.ts';

/** How often a running sync says where it is. */
const everyMs = 10_000;

/** Plain lines, for pipes, files and journals. */
export class LogDisplay implements Display {
  readonly #output: Output;
  readonly #options: DisplayOptions;
  readonly #saidAt = new Map<string, number>();

  constructor(output: Output, options: DisplayOptions) {
    this.#output = output;
    this.#options = options;
  }

  progress(progress: Progress): void {
    const now = Date.now();
    if (progress.phase === 'done' || now - (this.#saidAt.get(progress.sync) ?? progress.startedAt) < everyMs) return;
    this.#saidAt.set(progress.sync, now);
    this.#say(`  ${progress.sync}  ${progressText(progress, now)}`);
  }

  done(report: Report): void {
    this.#saidAt.delete(report.sync);
    this.#say(reportText(report, { nameWidth: nameWidth(this.#options.names), output: this.#output }));
  }

  note(text: string): void {
    this.#say(text);
  }

  idle(): void {
    // Repeating what has not changed would fill a log.
  }

  [Symbol.dispose](): void {
    this.#saidAt.clear();
  }

  #say(text: string): void {
    this.#output.line(this.#options.timed ? `${new Date().toISOString()} ${text}` : text);
  }
}
