import type { RawFormat } from '../connector.ts';
import type { ReadPlan } from '../sql/read-plan.ts';
import { binaryDecoder } from './binary-values.ts';
import { type PgColumn, rawFormatName, rawSignature } from './types.ts';

/**
 * The binary format of a read, where its bytes can pass unread: no column is added for the cursor, the cursor's values can be read from the bytes, and positions do not
 * wait for the end of a group.
 */
export function rawFormatOf(plan: ReadPlan): RawFormat | undefined {
  const columns = plan.selected as readonly PgColumn[];
  if (columns.length > plan.visible || (plan.shape !== null && !plan.unique)) return undefined;
  for (const i of plan.cursorIndexes) {
    const column = columns[i];
    if (column === undefined || binaryDecoder(column.pg) === undefined) return undefined;
  }
  const signature = rawSignature(columns.map((column) => column.pg));
  return signature === undefined ? undefined : { name: rawFormatName, signature };
}
