/** `idra schema`: what an editor completes and checks definitions by. */
import { definitionsSchema } from '../../config/json-schema.ts';
import { exitCodes } from '../exit-codes.ts';

export async function schema(): Promise<number> {
  process.stdout.write(`${JSON.stringify(definitionsSchema(), null, 2)}\n`);
  return exitCodes.succeeded;
}
