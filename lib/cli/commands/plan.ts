/** `idra plan`: what a run would do. Nothing is written, in no database and in no store. */
import { type Plan, planSync } from '../../engine/plan-sync.ts';
import { toSyncError } from '../../errors.ts';
import { shortCursorText } from '../cursor-text.ts';
import { exitCodes } from '../exit-codes.ts';
import { type CommonFlags, fileAndNames } from '../flags.ts';
import { counted, table, wrap } from '../format.ts';
import type { Output } from '../output.ts';
import { openOutput, openSession, openStoreToRead, selectSyncs } from '../session.ts';
import { stopOnSignals } from '../stop.ts';

export async function plan(file: string | undefined, flags: CommonFlags): Promise<number> {
  const output = openOutput(flags);
  const selection = fileAndNames(file, flags.sync);
  await using session = await openSession(selection.file, flags, openStoreToRead);
  using stop = stopOnSignals(() => undefined);
  let exitCode: number = exitCodes.succeeded;
  for (const definition of selectSyncs(session, selection.names)) {
    if (stop.exitCode !== null) return stop.exitCode;
    try {
      const found = await planSync(definition, session.deps, stop.signal);
      if (output.json) output.data(found);
      else output.line(`${text(found, output)}\n`);
    } catch (thrown) {
      const { code, message } = toSyncError(thrown);
      exitCode = exitCodes.failed;
      if (output.json) output.data({ sync: definition.name, error: { code, message } });
      else
        output.line(
          `${output.colors.red('✖')} ${output.colors.bold(definition.name)}  ${output.colors.red(code)}\n${wrap(`    ${message}`, output.width, '    ')}\n`,
        );
    }
  }
  return exitCode;
}

function text(plan: Plan, { colors, width }: Output): string {
  const rows = plan.rows === null ? 'an unknown number of rows' : `${plan.rowsExact ? '' : 'about '}${counted(plan.rows, 'row')}`;
  const path = plan.path === 'raw' ? `passed through as ${plan.rawFormat}` : 'row by row';
  const added = plan.table.addColumns.length === 0 ? '' : `, gets ${plan.table.addColumns.join(', ')}`;
  const facts = [
    ['reads', `${rows}, ${plan.from === null ? 'from the beginning' : `after ${shortCursorText(plan.from)}`}`],
    ['writes', `${plan.table.name} (${plan.table.create ? 'is created' : `exists${added}`})`],
    ['how', `mode ${plan.mode}, write ${plan.write}, ${path}`],
  ];
  const columns = plan.columns.map(({ source, destination, type }) => [source, source === destination ? '' : `→ ${destination}`, type]);
  return [
    colors.bold(plan.sync),
    ...facts.map(([name = '', fact = '']) => wrap(`  ${name.padEnd(7)} ${fact}`, width, ' '.repeat(10))),
    ...table(columns).map((line) => colors.dim(`          ${line}`)),
    ...plan.warnings.map((warning) => wrap(`  ${colors.yellow('!')} ${warning}`, width, '    ')),
  ].join('\n');
}
