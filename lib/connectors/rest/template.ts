/** Path templates: `/orders/{id}`. */
import { SyncError } from '../../errors.ts';
import { toText } from '../../values/convert.ts';
import { unrepresentable } from '../../values/fits.ts';
import { isWellFormed } from '../../values/text.ts';
import type { Row, Schema } from '../../values/types.ts';

export class PathTemplate {
  readonly names: readonly string[];
  readonly #parts: readonly (string | { readonly name: string; readonly index: number })[];
  readonly #table: string;
  readonly #schema: Schema;

  /** Throws `NOT_FOUND` where a name is no column. */
  constructor(text: string, schema: Schema) {
    this.#table = text;
    this.#schema = schema;
    this.#parts = text.split(/(\{[^{}]+\})/).map((part) => {
      if (!part.startsWith('{')) return part;
      const name = part.slice(1, -1);
      const index = schema.columns.findIndex((column) => column.name === name);
      if (index < 0)
        throw new SyncError(
          'NOT_FOUND',
          `The path ${text} names the column ${name}, which does not arrive. Columns: ${schema.columns.map((column) => column.name).join(', ')}.`,
          { column: name, field: 'destination.path' },
        );
      return { name, index };
    });
    this.names = this.#parts.flatMap((part) => (typeof part === 'string' ? [] : part.name));
  }

  /** Values are percent-encoded, so that none of them adds a segment or a parameter. Throws `VALUE_UNREPRESENTABLE` for what no path can hold. */
  fill(row: Row, key: string): string {
    const path = this.#parts
      .map((part) => {
        if (typeof part === 'string') return part;
        const type = this.#schema.columns[part.index]?.type ?? { kind: 'string' };
        const text = toText(row[part.index] ?? null, type);
        const refuse = (reason: string): SyncError => unrepresentable(reason, { table: this.#table, column: part.name, key, type: 'part of a path' });
        if (text === null) throw refuse('is NULL');
        if (text === '') throw refuse('is empty');
        if (!isWellFormed(text)) throw refuse('has half of a surrogate pair');
        return encodeURIComponent(text);
      })
      .join('');
    // Addresses give "." and ".." a meaning of their own, encoded or not
    const dots = path.split('/').some((segment) => /^(\.|%2e){1,2}$/i.test(segment));
    if (dots)
      throw unrepresentable('makes a "." or ".." of a part of the path', { table: this.#table, column: this.names.join(', '), key, type: 'part of a path' });
    return path;
  }
}
