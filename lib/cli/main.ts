import { createColors } from 'picocolors';
import { exitCodes } from './exit-codes.ts';
import { wantsColor } from './output.ts';

/** Runs one command and ends the process with its exit status. */
export async function main(argv: readonly string[]): Promise<void> {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', endQuietly);
  // A bug: but also its message goes through the redactor.
  process.on('unhandledRejection', (error) => void fail(error).then((code) => process.exit(code)));
  const code = await runCommand(argv);
  for (const stream of [process.stdout, process.stderr]) await written(stream);
  // Drivers may keep sockets for reuse; what had to be closed has been closed.
  process.exit(code);
}

/** What a pipe has not taken yet would be lost with the process. */
function written(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => stream.write('', () => resolve()));
}

async function runCommand(argv: readonly string[]): Promise<number> {
  const { createProgram, CommanderError } = await import('./program.ts');
  let code: number = exitCodes.succeeded;
  const program = createProgram((exitCode) => {
    code = exitCode;
  });
  try {
    await program.parseAsync([...argv]);
    return code;
  } catch (error) {
    // Help and version come this way too. Commander has printed its message.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.succeeded : exitCodes.wrongInput;
    return fail(error);
  }
}

async function fail(error: unknown): Promise<number> {
  const { DefinitionsError } = await import('../config/faults.ts');
  const { redactor } = await import('../config/redactor.ts');
  const { stackOf, toSyncError } = await import('../errors.ts');
  const colors = createColors(wantsColor(process.stderr, process.env));
  const say = (text: string) => process.stderr.write(`${redactor.redact(text)}\n`);
  if (error instanceof DefinitionsError) {
    const { faultReport } = await import('./faults.ts');
    say(await faultReport(error.faults, { colors, noun: 'fault' }));
    return exitCodes.wrongInput;
  }
  const { code, message } = toSyncError(error);
  say(`${colors.red(`idra: ${code}`)} ${message}`);
  if (code === 'INTERNAL') say(colors.dim(stackOf(error)));
  else if (code !== 'CONFIG_INVALID') say(colors.dim(`More: docs/errors.md#${code.toLowerCase()}`));
  return code === 'CONFIG_INVALID' ? exitCodes.wrongInput : exitCodes.failed;
}

/** `idra … | head`: who reads has seen enough. The status is that of a process that SIGPIPE ends: a run has not come to its end. */
function endQuietly(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(141);
  throw error;
}
