/** What a person or a program reads from the command. Every line passes the redactor; nothing else in lib/cli writes to the terminal. */
import { createColors } from 'picocolors';

export type Redact = (text: string) => string;
type Colors = ReturnType<typeof createColors>;

/** `NO_COLOR` beats `FORCE_COLOR`, which beats what the terminal seems to be (no-color.org, force-color.org). */
export function wantsColor(stream: { readonly isTTY?: boolean }, env: NodeJS.ProcessEnv): boolean {
  if (env.NO_COLOR) return false;
  if (env.FORCE_COLOR !== undefined) return env.FORCE_COLOR !== '0' && env.FORCE_COLOR !== 'false';
  return stream.isTTY === true && env.TERM !== 'dumb';
}

export interface OutputOptions {
  /** Results as JSON on stdout, and whatever is for people on stderr. */
  readonly json: boolean;
  readonly redact: Redact;
}

export class Output {
  readonly json: boolean;
  /** Where text for people goes. */
  readonly stream: NodeJS.WriteStream;
  readonly colors: Colors;
  /** For stderr, which may be a terminal where stdout is none. */
  readonly errorColors: Colors;
  readonly redact: Redact;
  #through: ((line: string) => void) | null = null;

  constructor({ json, redact }: OutputOptions) {
    this.json = json;
    this.redact = redact;
    this.stream = json ? process.stderr : process.stdout;
    this.colors = createColors(wantsColor(this.stream, process.env));
    this.errorColors = createColors(wantsColor(process.stderr, process.env));
  }

  get live(): boolean {
    return this.stream.isTTY === true && process.env.TERM !== 'dumb';
  }

  /** Columns for people's text: the terminal's, at most 100 so that lines stay readable, 100 where there is no terminal. */
  get width(): number {
    return Math.max(40, Math.min(this.stream.columns ?? 100, 100));
  }

  /** Text for people. */
  line(text = ''): void {
    const redacted = this.redact(text);
    if (this.#through) this.#through(redacted);
    else this.stream.write(`${redacted}\n`);
  }

  /** A warning or an error: always to stderr. */
  error(text: string): void {
    const redacted = this.redact(text);
    if (this.#through && process.stderr.isTTY) this.#through(redacted);
    else process.stderr.write(`${redacted}\n`);
  }

  /** The result for a program: one object, one line, on stdout. Big integers become text. */
  data(value: unknown): void {
    const text = JSON.stringify(value, (_key, item: unknown) => {
      if (typeof item === 'bigint') return item.toString();
      return typeof item === 'string' ? this.redact(item) : item;
    });
    process.stdout.write(`${text}\n`);
  }

  /** While something is drawn over and over at the bottom of the terminal, lines have to go above it. Null ends that. */
  passThrough(write: ((line: string) => void) | null): void {
    this.#through = write;
  }
}
