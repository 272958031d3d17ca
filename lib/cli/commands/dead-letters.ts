/** `idra dead-letters`: rows that were set aside, listed and written again. */
import { listDeadLetters, replayDeadLetters } from '../../engine/dead-letters.ts';
import { reportText } from '../display/lines.ts';
import { exitCodes } from '../exit-codes.ts';
import type { CommonFlags } from '../flags.ts';
import { counted, wrap } from '../format.ts';
import { findSync, openOutput, openSession } from '../session.ts';
import { stopOnSignals } from '../stop.ts';

export async function list(name: string, file: string | undefined, flags: CommonFlags): Promise<number> {
  const output = openOutput(flags);
  await using session = await openSession(file, flags);
  const definition = findSync(session, name);
  using stop = stopOnSignals(() => undefined);
  const letters = await listDeadLetters(definition, session.deps, stop.signal);
  for (const letter of letters) {
    if (output.json) {
      output.data(letter);
      continue;
    }
    const { colors, width } = output;
    output.line(`${colors.bold(letter.place)}  ${colors.red(letter.code)}  ${colors.dim(letter.at)}`);
    output.line(wrap(`    ${letter.reason}`, width, '    '));
  }
  const given = [file, flags.state && `--state ${flags.state}`, flags.etcd && `--etcd ${flags.etcd}`].filter((word) => word);
  const older =
    definition.write === 'upsert' ? ' (they are written as they were: one that has been delivered anew since would become the older one again)' : '';
  const next = letters.length === 0 ? '' : `; when the cause is gone: idra dead-letters replay ${[name, ...given].join(' ')}${older}`;
  output.line(`${counted(letters.length, 'row')} of ${name} set aside${next}`);
  return exitCodes.succeeded;
}

export async function replay(name: string, file: string | undefined, flags: CommonFlags): Promise<number> {
  const output = openOutput(flags);
  await using session = await openSession(file, flags);
  const definition = findSync(session, name);
  using stop = stopOnSignals(() => output.error('Stopping after the open batch; once more ends at once.'));
  const report = await replayDeadLetters(definition, session.deps, { signal: stop.signal });
  if (output.json) output.data(report);
  output.line(reportText(report, { nameWidth: name.length, output }));
  if (report.status === 'failed') return exitCodes.failed;
  return stop.exitCode !== null && !report.caughtUp ? stop.exitCode : exitCodes.succeeded;
}
