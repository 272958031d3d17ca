/**
 * A server process of the tests' own. A small shell stands between: it ends the server and removes its folder when this process goes away in whatever manner, kill -9 included,
 * and keeps the server out of the terminal's process group, so that Ctrl-C reaches the test runner first.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { chown, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Account, environmentOf } from './account.ts';
import { descendants } from './process-tree.ts';

export interface ServerCommand {
  readonly name: string;
  readonly command: string;
  readonly arguments: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** What asks the server to end at once but cleanly; PostgreSQL's fast shutdown is SIGINT. */
  readonly stopSignal?: 'TERM' | 'INT';
  /** Whom to run as; absent: as this process. */
  readonly account?: Account | undefined;
}

/** Ends the server when standard input ends; `keep` before that says that the folder is somebody else's to remove. */
const guard = `
folder=$1 signal=$2; shift 2
exec 3<&0 2>/dev/null
"$@" </dev/null 3<&- >>"$folder/server.log" 2>&1 &
server=$!
echo $server
exec >/dev/null
(
  word=; read -r word <&3
  [ "$word" = keep ] || : >"$folder/.abandoned"
  kill -CONT $server; kill -$signal $server
  tries=0
  while kill -0 $server && [ $tries -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
  kill -KILL $server
) &
watcher=$!
wait $server
status=$?
kill $watcher
[ ! -e "$folder/.abandoned" ] || rm -rf "$folder"
exit $status
`;

/** A fresh folder for a server's data, of the account that it runs as. */
export async function dataFolder(name: string, account?: Account): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), `idra-test-${name}-`));
  if (account !== undefined) await chown(folder, account.uid, account.gid);
  return folder;
}

/** A started server process. Faults are put on the server itself, never on the shell around it. */
export class ServerProcess implements AsyncDisposable {
  readonly folder: string;
  readonly #command: ServerCommand;
  #shell: ChildProcess | undefined;
  #exited: Promise<number> = Promise.resolve(0);
  #running = false;
  #pid = 0;

  private constructor(command: ServerCommand, folder: string) {
    this.#command = command;
    this.folder = folder;
  }

  /** Resolves once the process runs, not once it answers: see `ready`. */
  static async start(command: ServerCommand, folder: string): Promise<ServerProcess> {
    const server = new ServerProcess(command, folder);
    await server.start();
    return server;
  }

  /** The server's own process id. */
  get pid(): number {
    return this.#pid;
  }

  get running(): boolean {
    return this.#running;
  }

  /** Starts it again over the same data, after `kill` or `stop`. */
  async start(): Promise<void> {
    const { account, command, environment, stopSignal = 'TERM' } = this.#command;
    const shell = spawn('/bin/sh', ['-c', guard, 'guard', this.folder, stopSignal, command, ...this.#command.arguments], {
      stdio: ['pipe', 'pipe', 'ignore'],
      detached: true,
      cwd: this.folder,
      env: { ...environmentOf(account), ...environment },
      ...(account === undefined ? {} : { uid: account.uid, gid: account.gid }),
    });
    this.#shell = shell;
    shell.stdin.on('error', () => undefined); // the shell is gone already: `exited` tells
    const { promise, resolve } = Promise.withResolvers<number>();
    this.#exited = promise;
    const failed = Promise.withResolvers<never>();
    shell.once('error', failed.reject);
    shell.once('exit', (code) => {
      this.#running = false;
      resolve(code ?? 1);
    });
    const pid = Promise.withResolvers<number>();
    shell.stdout.once('data', (text: Buffer) => pid.resolve(Number(text.toString().trim())));
    this.#pid = await Promise.race([pid.promise, failed.promise, promise.then(() => Promise.reject(new Error(`${this.#command.name} could not be started`)))]);
    this.#running = true;
  }

  /** Polls `answers` until it resolves; rejects with the end of the server's log where the server ends or `timeoutMs` pass. */
  async ready(answers: () => Promise<unknown>, timeoutMs = 60_000): Promise<void> {
    const end = performance.now() + timeoutMs;
    for (;;) {
      try {
        await answers();
        return;
      } catch (error) {
        if (!this.#running || performance.now() > end) {
          const state = this.#running ? `did not answer within ${timeoutMs} ms` : 'ended while it started';
          throw new Error(`${this.#command.name} ${state}; its log ends: ${await this.logTail()}`, { cause: error });
        }
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** SIGSTOP to the server and its children: it keeps its connections and answers nothing. */
  pause(): void {
    this.#signalAll('SIGSTOP');
  }

  resume(): void {
    this.#signalAll('SIGCONT');
  }

  #signalAll(signal: NodeJS.Signals): void {
    for (const pid of [this.#pid, ...descendants(this.#pid)]) {
      try {
        process.kill(pid, signal);
      } catch (error) {
        // A server's child may end between the listing and the signal: a closed connection's backend does
        if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
      }
    }
  }

  /** kill -9, as a power cut would. The data stays for `start`. */
  async kill(): Promise<void> {
    if (this.#running) process.kill(this.#pid, 'SIGKILL');
    await this.#exited;
    this.#shell?.stdin?.end('keep\n');
  }

  /** A clean end; the data stays for `start`. */
  async stop(): Promise<void> {
    if (this.#running) this.resume();
    this.#shell?.stdin?.end('keep\n');
    await this.#exited;
  }

  async logTail(maxCharacters = 600): Promise<string> {
    const log = await readFile(join(this.folder, 'server.log'), 'utf8').catch(() => '(no log)');
    return log
      .slice(-maxCharacters)
      .trim()
      .replaceAll(/\s*\n\s*/g, ' | ');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
