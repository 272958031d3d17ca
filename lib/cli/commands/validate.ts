/** `idra validate`: the definitions alone; nothing is reached. Faults are thrown, and printed where every command's faults are. */
import { DefinitionsError } from '../../config/faults.ts';
import { loadDefinitions } from '../../config/load.ts';
import { exitCodes } from '../exit-codes.ts';
import { faultReport } from '../faults.ts';
import type { CommonFlags } from '../flags.ts';
import { counted } from '../format.ts';
import { openOutput } from '../session.ts';

export async function validate(file: string | undefined, flags: CommonFlags): Promise<number> {
  const output = openOutput(flags);
  try {
    const { origin, connections, syncs, warnings } = await loadDefinitions(file);
    if (output.json) output.data({ file: origin, valid: true, faults: [], warnings });
    if (warnings.length > 0) output.error(await faultReport(warnings, { colors: output.errorColors, noun: 'warning' }));
    const content = `${counted(Object.keys(connections).length, 'connection')}, ${counted(syncs.length, 'sync')}`;
    output.line(`${output.colors.green('✔')} ${origin} is valid: ${content}`);
    return exitCodes.succeeded;
  } catch (error) {
    if (output.json && error instanceof DefinitionsError)
      output.data({ file: error.faults[0]?.file ?? null, valid: false, faults: error.faults, warnings: [] });
    throw error;
  }
}
