/** Names, arguments and help of the commands. What they do is loaded when one is called. */
import { Command, InvalidArgumentError, Option } from 'commander';
import packageJson from '../../package.json' with { type: 'json' };
import { existingChoices } from '../engine/deps.ts';
import type { CheckFlags } from './commands/check.ts';
import type { CheckpointFlags } from './commands/checkpoint.ts';
import type { DemoFlags } from './commands/demo.ts';
import type { RunFlags } from './commands/run.ts';
import type { CommonFlags } from './flags.ts';

export { CommanderError } from 'commander';

const fileHelp = 'definitions (default: syncs.yaml, syncs.yml or syncs.json in this folder)';

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || value > 64) throw new InvalidArgumentError('It takes a whole number from 1 to 64.');
  return value;
}

function epochNumber(text: string): bigint {
  if (!/^\d{1,18}$/.test(text)) throw new InvalidArgumentError('It takes a whole number.');
  return BigInt(text);
}

const jsonOption = () => new Option('--json', 'JSON on stdout, everything else on stderr');
const syncOption = () => new Option('--sync <name...>', 'only these syncs');

/** Where locks, checkpoints and reports are kept. */
function withStore(command: Command): Command {
  return command
    .option('--state <path>', 'file of locks, checkpoints and reports (default: .idra/state.db)')
    .option('--etcd <hosts>', 'etcd instead of the file, comma separated (env: IDRA_ETCD_HOSTS)');
}

/** `finish` is told the exit status of the command that ran. */
export function createProgram(finish: (exitCode: number) => void): Command {
  const program = new Command('idra')
    .description(packageJson.description)
    .version(packageJson.version, '-V, --version')
    .showHelpAfterError('(idra --help, or idra help COMMAND)')
    .configureHelp({ showGlobalOptions: false })
    .exitOverride();
  addRunning(program, finish);
  addLooking(program, finish);
  addStore(program, finish);
  program
    .command('demo')
    .description('make a sample database, sync it, change rows, sync again, show what happened')
    .option('--to <url>', 'sync into this database: postgres://…, mysql://… or the path of an SQLite file')
    .option('--dir <path>', 'folder of the demo', '.idra/demo')
    .action(async (flags: DemoFlags) => finish(await (await import('./commands/demo.ts')).demo(flags)));
  return program;
}

function addRunning(program: Command, finish: (exitCode: number) => void): void {
  withStore(program.command('run').description('run each sync once, until it is caught up').argument('[file]', fileHelp))
    .addOption(syncOption())
    .option('--watch', 'go on by `every` and `cron` until stopped; reads the file again when it changes')
    .option('--parallel <n>', 'syncs at the same time (default: 1; with --watch 4)', wholeNumber)
    .addOption(new Option('--existing <choice>', 'where the destination holds rows and no checkpoint fits').choices(existingChoices).default('refuse'))
    .addOption(jsonOption())
    .action(async (file: string | undefined, flags: RunFlags) => finish(await (await import('./commands/run.ts')).run(file, flags)));
  withStore(program.command('plan').description('what a run would do; writes nothing').argument('[file]', fileHelp))
    .addOption(syncOption())
    .addOption(jsonOption())
    .action(async (file: string | undefined, flags: CommonFlags) => finish(await (await import('./commands/plan.ts')).plan(file, flags)));
  withStore(program.command('status').description('per sync: last run, rows, lag, checkpoint, lock holder').argument('[file]', fileHelp))
    .addOption(syncOption())
    .addOption(jsonOption())
    .action(async (file: string | undefined, flags: CommonFlags) => finish(await (await import('./commands/status.ts')).status(file, flags)));
  const letters = program.command('dead-letters').description('rows that `onError: deadLetter` has set aside');
  withStore(letters.command('list').description('show them').argument('<sync>').argument('[file]', fileHelp))
    .addOption(jsonOption())
    .action(async (sync: string, file: string | undefined, flags: CommonFlags) =>
      finish(await (await import('./commands/dead-letters.ts')).list(sync, file, flags)),
    );
  withStore(letters.command('replay').description('write them again, now that the cause is gone').argument('<sync>').argument('[file]', fileHelp))
    .addOption(jsonOption())
    .action(async (sync: string, file: string | undefined, flags: CommonFlags) =>
      finish(await (await import('./commands/dead-letters.ts')).replay(sync, file, flags)),
    );
}

function addLooking(program: Command, finish: (exitCode: number) => void): void {
  program
    .command('validate')
    .description('check the definitions alone: path of the field and the reason for each fault')
    .argument('[file]', fileHelp)
    .addOption(jsonOption())
    .action(async (file: string | undefined, flags: CommonFlags) => finish(await (await import('./commands/validate.ts')).validate(file, flags)));
  program
    .command('check')
    .description('reach every connection, say what it may read and write')
    .argument('[file]', fileHelp)
    .addOption(jsonOption())
    .action(async (file: string | undefined, flags: CheckFlags) => finish(await (await import('./commands/check.ts')).check(file, flags)));
  program
    .command('discover')
    .description('tables, columns and keys of a connection, with the mode that suits each')
    .argument('<connection>', 'its name in the definitions')
    .argument('[file]', fileHelp)
    .addOption(jsonOption())
    .action(async (connection: string, file: string | undefined, flags: CheckFlags) =>
      finish(await (await import('./commands/discover.ts')).discover(connection, file, flags)),
    );
  program
    .command('schema')
    .description('print the JSON Schema of the definitions, for editors')
    .action(async () => finish(await (await import('./commands/schema.ts')).schema()));
}

function addStore(program: Command, finish: (exitCode: number) => void): void {
  const checkpoint = program.command('checkpoint').description('where a sync stands');
  withStore(checkpoint.command('show').description('print it').argument('<sync>'))
    .addOption(jsonOption())
    .action(async (sync: string, flags: CheckpointFlags) => finish(await (await import('./commands/checkpoint.ts')).show(sync, flags)));
  withStore(
    checkpoint
      .command('set')
      .description('put a cursor, as `show --json` prints it, in its place')
      .argument('<sync>')
      .argument('<cursor>')
      .argument('[file]', fileHelp),
  )
    .addOption(jsonOption())
    .action(async (sync: string, cursor: string, file: string | undefined, flags: CheckpointFlags) =>
      finish(await (await import('./commands/checkpoint.ts')).set(sync, cursor, { file, flags })),
    );
  withStore(checkpoint.command('reset').description('begin again: the next run reads everything').argument('<sync>').argument('[file]', fileHelp))
    .option('--yes', 'that is what I want')
    .addOption(jsonOption())
    .action(async (sync: string, file: string | undefined, flags: CheckpointFlags) =>
      finish(await (await import('./commands/checkpoint.ts')).reset(sync, { file, flags })),
    );

  const syncs = program.command('syncs').description('definitions in etcd');
  withStore(syncs.command('apply').description('store what the file defines').argument('[file]', fileHelp))
    .addOption(jsonOption())
    .action(async (file: string | undefined, flags: CommonFlags) => finish(await (await import('./commands/syncs.ts')).apply(file, flags)));
  withStore(syncs.command('list').description('show what is stored'))
    .addOption(jsonOption())
    .action(async (flags: CommonFlags) => finish(await (await import('./commands/syncs.ts')).list(flags)));
  withStore(syncs.command('remove').description('remove stored syncs; rows and checkpoints stay').argument('<sync...>'))
    .addOption(jsonOption())
    .action(async (names: string[], flags: CommonFlags) => finish(await (await import('./commands/syncs.ts')).remove(names, flags)));

  const epoch = program.command('epoch').description('number that outranks all fences of a store that was wiped or restored');
  withStore(epoch.command('show').description('print it'))
    .addOption(jsonOption())
    .action(async (flags: CommonFlags) => finish(await (await import('./commands/epoch.ts')).show(flags)));
  withStore(epoch.command('raise').description('raise it by one, or to a number').argument('[to]', 'the new epoch', epochNumber))
    .addOption(jsonOption())
    .action(async (to: bigint | undefined, flags: CommonFlags) => finish(await (await import('./commands/epoch.ts')).raise(to, flags)));
}
