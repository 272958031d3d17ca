import type { SyncDefinition } from '../config/definition.ts';
import { SyncError } from '../errors.ts';
import type { Schema } from '../values/types.ts';
import { maskedColumn } from './mask.ts';

function known(schema: Schema, name: string, field: string, sync: string): void {
  if (schema.columns.some((column) => column.name === name)) return;
  const names = schema.columns.map((column) => column.name).join(', ');
  throw new SyncError('NOT_FOUND', `${field} of sync ${sync} names the column ${name}, which ${schema.name} does not deliver. It has: ${names}.`, {
    sync,
    field,
    column: name,
    table: schema.name,
  });
}

/**
 * The rows as the destination meets them: renamed, with the types that masks leave, and the key that an upsert goes by.
 * Throws `NOT_FOUND` for a rename, mask or key that names no column, `KEY_REQUIRED` for an upsert without a key, `CONFIG_INVALID` where two columns come to share a name
 * or a mask leaves no key to upsert by.
 */
export function outputSchema(source: Schema, definition: SyncDefinition): Schema {
  const { rename } = definition.columns;
  const { name: sync, mask } = definition;
  for (const name of Object.keys(rename)) known(source, name, 'columns.rename', sync);
  for (const name of Object.keys(mask)) known(source, name, 'mask', sync);
  // A source whose catalogue has keys says itself whether the tiebreak is one: two rows that share it would become one
  const wanted = [definition.key, source.key, definition.cursor.key].find((key) => key.length > 0) ?? [];
  for (const name of wanted) known(source, name, 'key', sync);
  if (definition.write === 'upsert' && wanted.length === 0) {
    throw new SyncError(
      'KEY_REQUIRED',
      `Sync ${sync} upserts, but ${source.name} has no primary or unique key: name one with \`key\` of the sync itself (beside \`source\`, not within it), or write with \`insert\`.`,
      {
        sync,
        table: source.name,
      },
    );
  }
  const merging = wanted.find((name) => Object.hasOwn(mask, name) && mask[name] !== 'sha256');
  if (merging !== undefined && definition.write === 'upsert') {
    throw new SyncError(
      'CONFIG_INVALID',
      `mask.${merging} of sync ${sync}: ${mask[merging]} on a key column makes different rows of ${source.name} one row; sha256 keeps them apart.`,
      { sync, field: `mask.${merging}`, column: merging, table: source.name },
    );
  }
  const renamed = (name: string): string => (Object.hasOwn(rename, name) ? (rename[name] ?? name) : name);
  const seen = new Map<string, string>();
  const columns = source.columns.map((column) => {
    const name = renamed(column.name);
    const twin = seen.get(name);
    if (twin !== undefined) {
      throw new SyncError('CONFIG_INVALID', `columns.rename of sync ${sync} gives ${twin} and ${column.name} the same name, ${name}.`, {
        sync,
        field: 'columns.rename',
        column: name,
      });
    }
    seen.set(name, column.name);
    const rule = Object.hasOwn(mask, column.name) ? mask[column.name] : undefined;
    return { ...(rule === undefined ? column : maskedColumn(column, rule)), name };
  });
  // An excluded key column takes the key with it, and so does one whose values are no longer apart: the rest of a compound key is not unique.
  const whole = merging === undefined && wanted.every((name) => source.columns.some((column) => column.name === name));
  return { name: source.name, columns, key: whole ? wanted.map(renamed) : [] };
}
