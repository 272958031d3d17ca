import type { Value } from '../../values/types.ts';

/** A row's value as a cursor holds it: text that a literal of the column's type can be made from. */
export function cursorText(value: Value): string | null {
  if (value === null) return null;
  return value instanceof Uint8Array ? `\\x${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')}` : String(value);
}
