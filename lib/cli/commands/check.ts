/** `idra check`: reaches every connection, all at the same time. */
import type { ConnectionDefinition } from '../../config/definition.ts';
import { loadDefinitions } from '../../config/load.ts';
import type { CheckResult } from '../../connectors/connector.ts';
import { createOpener } from '../../connectors/open.ts';
import { type ErrorCode, toSyncError } from '../../errors.ts';
import { exitCodes } from '../exit-codes.ts';
import { wrap } from '../format.ts';
import type { Output } from '../output.ts';
import { openOutput } from '../session.ts';
import { stopOnSignals } from '../stop.ts';
import { withTimeout } from '../with-timeout.ts';

export interface CheckFlags {
  readonly json?: boolean;
}

type Checked = { readonly connection: string; readonly type: string } & (
  | ({ readonly status: 'ok'; readonly guarantee: string } & Omit<CheckResult, 'absent'>)
  | { readonly status: 'failed'; readonly error: { readonly code: ErrorCode; readonly message: string } }
);

export const reachTimeoutMs = 30_000;

export async function check(file: string | undefined, flags: CheckFlags): Promise<number> {
  const output = openOutput(flags);
  const definitions = await loadDefinitions(file);
  const open = createOpener(definitions);
  using stop = stopOnSignals(() => undefined);
  const sources = definitions.syncs.map(({ source }) => source.connection);
  const destinations = definitions.syncs.map(({ destination }) => destination.connection);
  const checkOne = async ({ name, type }: ConnectionDefinition): Promise<Checked> => {
    try {
      const { connector, connection, capabilities } = await open(name);
      const result = await withTimeout({ signal: stop.signal, what: `Connection "${name}"`, timeoutMs: reachTimeoutMs }, (signal) =>
        connector.check(connection, signal),
      );
      const { absent, ...found } = result;
      // A destination is made by the first run; a source, or what no sync names, has to be there
      const onlyWritten = sources.every((source) => source !== name) && destinations.includes(name);
      if (absent !== undefined && !onlyWritten) throw absent;
      return { connection: name, type, status: 'ok', guarantee: capabilities.destination.guarantee, ...found };
    } catch (error) {
      const { code, message } = toSyncError(error);
      return { connection: name, type, status: 'failed', error: { code, message } };
    }
  };
  const results = await Promise.all(Object.values(definitions.connections).map(checkOne));
  for (const result of results) {
    if (output.json) output.data(result);
    else output.line(text(result, output));
  }
  if (results.length === 0) output.line(`${definitions.origin} defines no connections.`);
  if (stop.exitCode !== null) return stop.exitCode;
  return results.every((result) => result.status === 'ok') ? exitCodes.succeeded : exitCodes.failed;
}

function text(result: Checked, { colors, width }: Output): string {
  const heading = `${colors.bold(result.connection)}  ${result.type}`;
  if (result.status === 'failed') {
    const { code, message } = result.error;
    return `${colors.red('✖')} ${heading}  ${colors.red(code)}\n${wrap(`    ${message}`, width, '    ')}`;
  }
  const lines = [
    `${colors.green('✔')} ${heading}  ${result.server}`,
    wrap(`    ${result.read}`, width, '      '),
    wrap(`    ${result.write}`, width, '      '),
    colors.dim(`    as a destination: ${result.guarantee}`),
  ];
  return lines.join('\n');
}
