/**
 * Turns what a sync asks for into the SELECT statements that read it, each with the rule by which its rows give cursors. Rules: keyset with a unique tiebreak, whole groups of equal
 * values without one, rows with NULL in a pass of their own or refused, a look-back that never moves the cursor backwards.
 */
import { SyncError } from '../../errors.ts';
import type { Column, Value } from '../../values/types.ts';
import type { Cursor, CursorSpec, Mode } from '../connector.ts';
import { type CursorShape, decodeCursor, encodeCursor, familyOf } from './cursor.ts';
import type { Dialect, Statement } from './dialect.ts';
import { identifies, type UniqueKey } from './keys.ts';
import { didYouMean } from './names.ts';
import { type KeyColumn, keyset } from './predicates.ts';

/** What is read: a table or view of the catalogue, or a query as a subselect. */
export interface Relation {
  /** As messages and cursors name it: `public.orders`, or `query:` and a digest of the text. */
  readonly name: string;
  /** What stands after FROM: `"public"."orders"`, or `(select …) AS q`; see `queryRelation`. */
  readonly from: string;
  /** Qualifies a column: `"public"."orders"`, `q`. */
  readonly qualifier: string;
  /** Every column that can be read, in the relation's order. */
  readonly columns: readonly Column[];
  readonly keys: readonly UniqueKey[];
  /** The key that identifies a row (`rowKey`); empty for none. */
  readonly key: readonly string[];
}

export interface ReadRequest {
  readonly mode: Mode;
  /** Names of the columns to hand over, in order. */
  readonly columns: readonly string[];
  readonly cursor: CursorSpec;
  /** The user's condition, as written. */
  readonly where?: string;
  /** The expression that selects a column, where its wire text is not the canonical form already; given the qualified name. */
  readonly select?: (column: Column, expression: string) => string;
  /** A further condition on the cursor column, from the database's own snapshot (`xid8` below the oldest running transaction). */
  readonly upTo?: (column: Column, expression: string) => string | undefined;
}

/**
 * How the rows of a pass give the boundary of a chunk. `row`: `cursorOf` its last row. `group`: `cursorOf` a row once the next one has another value in the cursor column; null inside a
 * group (see `GroupCutter`). `fixed`: always `fixed`. `none`: null throughout, the end of the pass is the only boundary.
 */
export type BoundaryRule = 'row' | 'group' | 'fixed' | 'none';

export interface ReadPass extends Statement {
  readonly boundary: BoundaryRule;
  /** For `fixed`: the position before the look-back. */
  readonly fixed: Cursor | null;
  /** After the last row, where the rows alone do not say it: the pass over NULLs without a key. */
  readonly end: Cursor | null;
  /** The pass over rows whose cursor column is NULL. */
  readonly nulls: boolean;
  /** FROM and WHERE without ORDER BY, for counting: `SELECT count(*) ${body}` with the same values. */
  readonly body: string;
}

/** A relation, its order and its columns, from which each run's statements are made. */
export interface ReadPlan {
  readonly shape: CursorShape | null;
  /** Columns selected: those asked for, then the cursor columns that were not among them. */
  readonly selected: readonly Column[];
  /** How many of `selected` are handed over. */
  readonly visible: number;
  /** Index in `selected` of each cursor column, in the cursor's order. */
  readonly cursorIndexes: readonly number[];
  /** Equal cursor values are one row. */
  readonly unique: boolean;
  /** To be run first, in the same snapshot: a row that comes back means NULL in `column`; throw `nullError`. Not run by the passes themselves. */
  nullChecks(): readonly (Statement & { readonly column: string })[];
  /** In order, to be read in one snapshot. Throws `CURSOR_INVALID`. */
  passes(from: Cursor | null): readonly ReadPass[];
  /** The cursor after a row, given its cursor values in canonical text. */
  cursorOf(values: readonly (string | null)[], pass: ReadPass): Cursor;
  /** For `Source.cursorAfter`: the values as a destination reports them. */
  cursorAfter(values: readonly Value[]): Cursor;
}

/** A custom query as a relation. The line end keeps a closing comment from swallowing the bracket. */
export function queryRelation(query: string, name: string, described: { columns: readonly Column[]; key: readonly string[] }): Relation {
  const trimmed = query.trim().replace(/;\s*$/, '');
  return { name, from: `(${trimmed}\n) AS q`, qualifier: 'q', columns: described.columns, keys: [], key: described.key };
}

export function planRead(dialect: Dialect, relation: Relation, request: ReadRequest): ReadPlan {
  const family = familyOf(request.mode);
  const expression = (name: string): string => `${relation.qualifier}.${dialect.quote(name)}`;
  const order = orderColumns(relation, request).map((column): KeyColumn => ({ column, expression: expression(column.name) }));
  const names = order.map(({ column }) => column.name);
  const nullable = (name: string): boolean => relation.columns.find((column) => column.name === name)?.nullable ?? true;
  // A key that the user names is taken at their word only where the catalogue knows none: views, queries, tables without a constraint
  const unique =
    order.length > 0 && (identifies(relation.keys, names, nullable) || (request.cursor.key.length > 0 && relation.keys.length === 0) || family === 'full');
  const shape: CursorShape | null = order.length === 0 ? null : { family, table: relation.name, columns: names };

  const asked = request.columns.map((name) => findColumn(relation, name));
  const hidden = order.map(({ column }) => column).filter((column) => !request.columns.includes(column.name));
  const selected = [...asked, ...hidden];
  const select = request.select ?? ((_column: Column, text: string): string => text);
  const list = selected.map((column) => `${select(column, expression(column.name))} AS ${dialect.quote(column.name)}`).join(', ') || 'NULL';
  const user = request.where === undefined ? [] : [`(${request.where}\n)`];

  const statement = (
    conditions: readonly string[],
    orderBy: readonly KeyColumn[],
    rule: Pick<ReadPass, 'boundary'> & Partial<ReadPass>,
    params: readonly Value[],
  ): ReadPass => {
    const all = [...user, ...conditions];
    const body = `FROM ${relation.from}${all.length === 0 ? '' : ` WHERE ${all.join(' AND ')}`}`;
    const sorted = orderBy.length === 0 ? '' : ` ORDER BY ${orderBy.map((key) => key.expression).join(', ')}`;
    return { sql: `SELECT ${list} ${body}${sorted}`, params, body, fixed: null, end: null, nulls: false, ...rule };
  };

  const cursorColumn = family === 'full' ? undefined : order[0];
  const readsNulls = cursorColumn?.column.nullable === true && request.cursor.nulls === 'include';
  const bounds = cursorColumn === undefined ? [] : [request.upTo?.(cursorColumn.column, cursorColumn.expression)].filter((text) => text !== undefined);
  const encode = (values: readonly (string | null)[]): Cursor => {
    if (shape === null) throw new SyncError('KEY_REQUIRED', `${relation.name} has no key, so no position in it can be named.`, { table: relation.name });
    const [first] = values;
    if (family !== 'full' && order[0] !== undefined && typeof first === 'string' && isLast(order[0].column, first, family))
      throw endlessError(relation.name, order[0].column.name, first);
    return encodeCursor(shape, values);
  };

  const mainPass = (values: readonly string[] | null): ReadPass => {
    const params: Value[] = [];
    const conditions = [...bounds];
    if (values !== null) conditions.push(keyset(dialect, order, { after: true, values }, params));
    else if (cursorColumn?.column.nullable) conditions.push(`${cursorColumn.expression} IS NOT NULL`);
    return statement(conditions, order, { boundary: unique ? 'row' : 'group' }, params);
  };

  /** Rows in (from − look-back, from]: they change, or came late; the position stays where it is. */
  const lookbackPass = (column: KeyColumn, values: readonly string[], from: Cursor): ReadPass => {
    const params: Value[] = [];
    const start = dialect.bind(values[0] ?? '', column.column, params);
    const conditions = [...bounds, `${column.expression} > ${dialect.minusSeconds(start, request.cursor.lookbackSeconds, column.column)}`];
    conditions.push(keyset(dialect, order, { after: false, values }, params));
    return statement(conditions, order, { boundary: 'fixed', fixed: from }, params);
  };

  const nullPass = (column: KeyColumn, after: readonly string[] | null): ReadPass => {
    const params: Value[] = [];
    const key = order.slice(1);
    const conditions = [`${column.expression} IS NULL`];
    if (after !== null && key.length > 0) conditions.push(keyset(dialect, key, { after: true, values: after }, params));
    const keyed = unique && key.length > 0;
    return statement(conditions, key, { boundary: keyed ? 'row' : 'none', nulls: true, end: keyed ? null : encode([null]) }, params);
  };

  return {
    shape,
    selected,
    visible: asked.length,
    cursorIndexes: names.map((name) => selected.findIndex((column) => column.name === name)),
    unique,
    nullChecks: () =>
      order
        .filter(({ column }) => column.nullable && !(readsNulls && column === cursorColumn?.column))
        .map(({ column, expression: text }) => ({
          column: column.name,
          // EXISTS stops at the first row in every database; LIMIT is not known to all
          sql: `SELECT 1 WHERE EXISTS (SELECT 1 FROM ${relation.from} WHERE ${[...user, `${text} IS NULL`].join(' AND ')})`,
          params: [],
        })),
    passes: (from) => {
      if (shape === null) {
        if (from !== null)
          throw new SyncError('CURSOR_INVALID', `${relation.name} is read without a key, so it cannot start from a stored cursor. Reset the checkpoint.`, {
            table: relation.name,
          });
        return [statement([], [], { boundary: 'none' }, [])];
      }
      if (from === null) return cursorColumn !== undefined && readsNulls ? [nullPass(cursorColumn, null), mainPass(null)] : [mainPass(null)];
      const values = decodeCursor(shape, from);
      const [first, ...rest] = values;
      const texts = rest.filter((value) => value !== null);
      if (texts.length !== rest.length)
        throw new SyncError('CURSOR_INVALID', `The stored cursor of ${relation.name} has NULL in its key. Reset the checkpoint.`, { table: relation.name });
      if (first === null) {
        if (cursorColumn === undefined || !readsNulls)
          throw new SyncError(
            'CURSOR_INVALID',
            `The stored cursor stands among the NULLs of ${names[0]}, which are no longer read (cursor.nulls). Reset the checkpoint.`,
            { table: relation.name },
          );
        return rest.length === 0 ? [mainPass(null)] : [nullPass(cursorColumn, texts), mainPass(null)];
      }
      const position = [first ?? '', ...texts];
      const main = mainPass(position);
      return family === 'timestamp' && request.cursor.lookbackSeconds > 0 && cursorColumn !== undefined
        ? [lookbackPass(cursorColumn, position, from), main]
        : [main];
    },
    cursorOf: (values, pass) => (pass.boundary === 'fixed' && pass.fixed !== null ? pass.fixed : encode(values)),
    cursorAfter: (values) => encode(values.slice(0, names.length).map((value) => (value === null ? null : String(value)))),
  };
}

/** Times and numbers after all others, NaN among them in PostgreSQL's order: no later run would find a row behind them. A text may be called so. */
function isLast({ type }: Column, value: string, family: CursorShape['family']): boolean {
  if (type.kind === 'decimal' || type.kind === 'float64') return value === 'NaN' || value === 'Infinity';
  return value === 'infinity' && (family === 'timestamp' || type.kind === 'date' || type.kind === 'timestamp');
}

function endlessError(table: string, column: string, value: string): SyncError {
  return new SyncError(
    'CURSOR_INVALID',
    `${table}.${column} holds ${value}, after which no new row would ever be found. Exclude such rows with where, or choose another cursor column.`,
    { table, column },
  );
}

/** NULL where the cursor or its tiebreak stands. */
export function nullError(relation: Relation, column: string, cursor: CursorSpec): SyncError {
  const advice =
    column === cursor.column
      ? 'Set cursor.nulls to include, exclude such rows with where, or choose another cursor column.'
      : 'Choose a tiebreak without NULLs, or exclude such rows with where.';
  return new SyncError('CURSOR_NULL', `${relation.name}.${column} holds NULL, so rows would be skipped silently. ${advice}`, { table: relation.name, column });
}

/** Throws `NOT_FOUND` naming table and column, with what the user may have meant. */
export function findColumn(relation: Pick<Relation, 'name' | 'columns'>, name: string): Column {
  const found = relation.columns.find((column) => column.name === name);
  if (found !== undefined) return found;
  const hint = didYouMean(
    name,
    relation.columns.map((column) => column.name),
  );
  throw new SyncError('NOT_FOUND', `${relation.name} has no column ${JSON.stringify(name)}.${hint}`, { table: relation.name, column: name });
}

/** Cursor column first, then the tiebreak: `cursor.key`, else the table's own key. */
function orderColumns(relation: Relation, request: ReadRequest): Column[] {
  const { mode, cursor } = request;
  const family = familyOf(mode);
  const nullable = (name: string): boolean => findColumn(relation, name).nullable;
  const named = cursor.key.length > 0;
  for (const name of cursor.key) findColumn(relation, name);
  if (family === 'full') {
    // A key that the catalogue does not confirm would skip the rows that share a boundary; the table's own serves as well
    const confirmed = !named || relation.key.length === 0 || identifies(relation.keys, cursor.key, nullable);
    return (named && confirmed ? cursor.key : relation.key).map((name) => findColumn(relation, name));
  }
  const key = named ? cursor.key : relation.key;
  if (family === 'timestamp' && cursor.column === undefined)
    throw new SyncError('CONFIG_INVALID', `Mode ${mode} needs cursor.column: the column of ${relation.name} that says when a row changed.`, {
      table: relation.name,
    });
  const first = cursor.column ?? key[0];
  if (first === undefined)
    throw new SyncError('KEY_REQUIRED', `Mode ${mode} needs a key: ${relation.name} has none in the catalogue, so name it in cursor.key.`, {
      table: relation.name,
    });
  // A column that is unique by itself needs no tiebreak, and its index is enough
  if (!named && identifies(relation.keys, [first], nullable)) return [findColumn(relation, first)];
  // Where the catalogue has keys and none of them is covered, the named tiebreak may repeat: whole groups of equal values are read instead
  if (named && relation.keys.length > 0 && !identifies(relation.keys, [first, ...key], nullable)) return [findColumn(relation, first)];
  return [first, ...key.filter((name) => name !== first)].map((name) => findColumn(relation, name));
}
