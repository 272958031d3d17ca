/** A child process that runs code of ours and can be frozen and killed, as a Lambda can. See test/README.md. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { waitUntil } from './wait-until.ts';

export interface SpawnOptions {
  readonly arguments?: readonly string[];
  /** Added to this process's own, without what the test runner put there. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

function environment(added: Readonly<Record<string, string>> | undefined): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !/^(VITEST|TEST$|NODE_OPTIONS$|NODE_ENV$|DEV$|PROD$|SSR$|MODE$|BASE_URL$)/.test(name));
  return { ...Object.fromEntries(own), ...added };
}

export class IdraProcess implements AsyncDisposable {
  /** Lines so far. */
  readonly stdout: string[] = [];
  readonly stderr: string[] = [];
  /** Resolves when it ends and all its output was read; rejects where it could not be started. */
  readonly exited: Promise<Exit>;
  readonly #child: ChildProcess;
  #ended = false;

  constructor(child: ChildProcess) {
    this.#child = child;
    if (child.stdout !== null) createInterface(child.stdout).on('line', (line) => this.stdout.push(line));
    if (child.stderr !== null) createInterface(child.stderr).on('line', (line) => this.stderr.push(line));
    const { promise, resolve, reject } = Promise.withResolvers<Exit>();
    child.once('error', reject);
    child.once('exit', () => {
      this.#ended = true;
    });
    child.once('close', (code, signal) => resolve({ code, signal }));
    this.exited = promise;
    promise.catch(() => undefined); // whoever awaits `exited` or `line` hears of it
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error('the process could not be started');
    return this.#child.pid;
  }

  /** The first line of standard output, so far or to come, that `pattern` matches. Rejects where the process ends without it. */
  async line(pattern: RegExp, timeoutMs = 20_000): Promise<string> {
    const find = () => this.stdout.find((line) => pattern.test(line));
    const seen = waitUntil(() => find() ?? (this.#ended ? 'ended' : undefined), { timeoutMs, what: `a line like ${pattern}` });
    const line = await Promise.race([seen, this.exited.then(() => find() ?? 'ended')]);
    if (!pattern.test(line))
      throw new Error(`the process ended without a line like ${pattern}; it said: ${[...this.stdout, ...this.stderr].slice(-10).join(' | ')}`);
    return line;
  }

  /** SIGSTOP: its sockets stay open, its timers stand still. */
  pause(): void {
    process.kill(this.pid, 'SIGSTOP');
  }

  resume(): void {
    process.kill(this.pid, 'SIGCONT');
  }

  /** SIGKILL, and waits for the end. A process that ended already is no error. */
  async kill(): Promise<Exit> {
    if (!this.#ended) process.kill(this.pid, 'SIGKILL');
    return this.exited;
  }

  /** A request to end in order (SIGTERM unless said otherwise), and waits for it. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Exit> {
    if (!this.#ended) process.kill(this.pid, signal);
    return this.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended) await this.kill();
  }
}

/** Runs a script (TypeScript as it is) with the Node that runs the tests. Dispose of it: it is killed then if it still runs. */
export function spawnIdra(script: string, options: SpawnOptions = {}): IdraProcess {
  const child = spawn(process.execPath, [script, ...(options.arguments ?? [])], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: environment(options.env),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  return new IdraProcess(child);
}
