/** `idra discover`: what a connection holds, and how to sync it. */
import { loadDefinitions } from '../../config/load.ts';
import { hint } from '../../config/suggest.ts';
import type { DiscoveredTable } from '../../connectors/connector.ts';
import { createOpener } from '../../connectors/open.ts';
import { SyncError } from '../../errors.ts';
import { typeName } from '../../values/types.ts';
import { exitCodes } from '../exit-codes.ts';
import { counted, table } from '../format.ts';
import type { Output } from '../output.ts';
import { openOutput } from '../session.ts';
import { stopOnSignals } from '../stop.ts';
import { type Suggestion, suggestMode } from '../suggest-mode.ts';
import { withTimeout } from '../with-timeout.ts';
import { type CheckFlags, reachTimeoutMs } from './check.ts';

export async function discover(name: string, file: string | undefined, flags: CheckFlags): Promise<number> {
  const output = openOutput(flags);
  const definitions = await loadDefinitions(file);
  if (!Object.hasOwn(definitions.connections, name)) {
    const known = Object.keys(definitions.connections);
    throw new SyncError('CONFIG_INVALID', `${definitions.origin} has no connection "${name}"${hint(name, known)}`, { connection: name });
  }
  using stop = stopOnSignals(() => undefined);
  const { connector, connection, capabilities } = await createOpener(definitions)(name);
  const tables = await withTimeout({ signal: stop.signal, what: `Connection "${name}"`, timeoutMs: reachTimeoutMs }, (signal) =>
    connector.discover(connection, signal),
  );
  for (const found of tables) {
    const suggestion = suggestMode(found, capabilities.source);
    if (output.json) output.data({ ...found, columns: found.columns.map((column) => ({ ...column, type: typeName(column.type) })), suggestion });
    else output.line(`${text(found, suggestion, output)}\n`);
  }
  output.line(tables.length === 0 ? emptyText(name, capabilities.source.schemaless) : output.colors.dim(`${counted(tables.length, 'table')} in ${name}`));
  return exitCodes.succeeded;
}

function emptyText(name: string, isSchemaless: boolean): string {
  return isSchemaless
    ? `${name} lists nothing. What cannot be listed, as the paths of an API, can still be named in a sync.`
    : `${name} has no table that this user may read.`;
}

function text({ name, columns, key, estimatedRows }: DiscoveredTable, suggestion: Suggestion, { colors }: Output): string {
  const size = estimatedRows === undefined ? '' : `  about ${counted(estimatedRows, 'row')}`;
  const rows = columns.map((column) => [
    column.name,
    column.native?.type ?? typeName(column.type),
    [key.includes(column.name) ? 'key' : '', column.nullable ? '' : 'not null'].filter((word) => word !== '').join(', '),
  ]);
  const { mode, write, cursor, because } = suggestion;
  const fields = [`mode: ${mode}`, ...(cursor ? [`cursor: ${inline(cursor)}`] : []), `write: ${write}`];
  return [
    `${colors.bold(name)}${colors.dim(size)}`,
    ...table(rows).map((line) => `  ${line}`),
    `  ${colors.green('→')} ${fields.join(', ')}`,
    colors.dim(`    ${because}`),
  ].join('\n');
}

/** The YAML that goes into the definitions. */
function inline(cursor: NonNullable<Suggestion['cursor']>): string {
  const fields = Object.entries(cursor).map(([field, value]) => `${field}: ${Array.isArray(value) ? `[${value.join(', ')}]` : String(value)}`);
  return `{ ${fields.join(', ')} }`;
}
