import { createLogUpdate } from 'log-update';
import type { Progress } from '../../engine/deps.ts';
import type { Report } from '../../engine/report.ts';
import { cut } from '../format.ts';
import type { Output } from '../output.ts';
import { type Display, type DisplayOptions, nameWidth } from './display.ts';
import { progressText, reportText } from './lines.ts';

const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const frameMs = 100;

/** For a terminal: what has ended stays above, what runs is drawn over below it. */
export class LiveDisplay implements Display {
  readonly #output: Output;
  readonly #nameWidth: number;
  readonly #running = new Map<string, Progress>();
  readonly #update: ReturnType<typeof createLogUpdate>;
  readonly #timer: NodeJS.Timeout;
  #idle: string | null = null;
  #frame = 0;

  constructor(output: Output, { names }: DisplayOptions) {
    this.#output = output;
    this.#nameWidth = nameWidth(names);
    this.#update = createLogUpdate(output.stream);
    output.passThrough((line) => this.#update.persist(line));
    this.#timer = setInterval(() => this.#draw(), frameMs);
    this.#timer.unref();
  }

  progress(progress: Progress): void {
    if (progress.phase === 'done') return;
    const isNew = !this.#running.has(progress.sync);
    this.#running.set(progress.sync, progress);
    if (isNew) this.#draw();
  }

  done(report: Report): void {
    this.#running.delete(report.sync);
    this.#output.line(reportText(report, { nameWidth: this.#nameWidth, output: this.#output }));
    this.#draw();
  }

  note(text: string): void {
    this.#output.line(text);
  }

  idle(text: string | null): void {
    this.#idle = text;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#running.clear();
    this.#idle = null;
    this.#update.clear();
    this.#update.done();
    this.#output.passThrough(null);
  }

  #draw(): void {
    const { colors, width, redact } = this.#output;
    const now = Date.now();
    this.#frame = (this.#frame + 1) % frames.length;
    const mark = colors.cyan(frames[this.#frame] ?? '');
    const lines = [...this.#running.values()].map((progress) => {
      const name = cut(progress.sync, this.#nameWidth).padEnd(this.#nameWidth);
      return `${mark} ${redact(cut(`${name}  ${progressText(progress, now)}`, width - 2))}`;
    });
    if (lines.length === 0 && this.#idle !== null) lines.push(colors.dim(redact(cut(this.#idle, width))));
    this.#update(lines.join('\n'));
  }
}
