import { cut } from './format.ts';

/** A list of partitions or of objects may have thousands of characters. */
const longestInLine = 160;

/** As a part of a line; `idra checkpoint show` has all of it. */
export function shortCursorText(cursor: string | null): string {
  return cut(cursorText(cursor), longestInLine);
}

/**
 * A cursor for people: `updated_at 2026-01-13 20:20:00, id 502`. Cursors belong to their connectors; one that does not look like columns with values is shown as it is.
 */
export function cursorText(cursor: string | null): string {
  if (cursor === null) return 'the beginning';
  const parsed = parse(cursor);
  if (parsed === null || typeof parsed !== 'object' || !('columns' in parsed) || !('values' in parsed)) return cursor;
  const { columns, values } = parsed;
  if (!Array.isArray(columns) || !Array.isArray(values) || columns.length !== values.length) return cursor;
  return columns.map((column, index) => `${column} ${values[index] ?? 'NULL'}`).join(', ');
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
