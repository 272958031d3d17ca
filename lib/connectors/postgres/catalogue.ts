/** What the live catalogue says of a table: names as they are, columns, types, keys. */
import { SyncError } from '../../errors.ts';
import type { UniqueKey } from '../sql/keys.ts';
import { didYouMean, parseTableName } from '../sql/names.ts';
import type { Session } from './session.ts';
import type { PgType } from './types.ts';

export interface FoundTable {
  readonly oid: string;
  readonly schema: string;
  readonly table: string;
  /** r: table, p: partitioned, v: view, m: materialised view, f: foreign table. */
  readonly kind: string;
}

export interface CatalogueColumn {
  readonly name: string;
  readonly type: PgType;
  readonly nullable: boolean;
  /** GENERATED ALWAYS AS IDENTITY. */
  readonly identityAlways: boolean;
  /** GENERATED ALWAYS AS (expression). */
  readonly computed: boolean;
  /** Default or identity: filled in where a row does not bring it. */
  readonly filled: boolean;
  /** Its collation takes different texts for equal. */
  readonly folds: boolean;
}

export interface CatalogueKey extends UniqueKey {
  /** Checked at once, as ON CONFLICT needs it; a deferrable constraint is not. */
  readonly immediate: boolean;
}

const kinds = "('r', 'p', 'v', 'm', 'f')";

/** The table that a written name means, or null. An unquoted part that is not there as written is looked for in lower case, as the server itself would. */
export async function findTable(session: Session, written: string): Promise<FoundTable | null> {
  const { schema, table } = parseTableName(written);
  const spellings = (part: { text: string; quoted: boolean }): string[] => (part.quoted ? [part.text] : [...new Set([part.text, part.text.toLowerCase()])]);
  for (const tableName of spellings(table)) {
    for (const schemaName of schema === undefined ? [null] : spellings(schema)) {
      const [row] = await session.query(
        `SELECT c.oid, n.nspname, c.relname, c.relkind FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relname = $1 AND c.relkind IN ${kinds} AND ($2::text IS NULL AND n.nspname = ANY (current_schemas(true)) OR n.nspname = $2)
         ORDER BY array_position(current_schemas(true), n.nspname) LIMIT 1`,
        [tableName, schemaName],
      );
      const [oid, foundSchema, foundTable, kind] = row ?? [];
      if (typeof oid === 'string' && typeof foundSchema === 'string' && typeof foundTable === 'string' && typeof kind === 'string')
        return { oid, schema: foundSchema, table: foundTable, kind };
    }
  }
  return null;
}

/** NOT_FOUND with what the user may have meant. */
export async function tableNotFound(session: Session, written: string): Promise<SyncError> {
  const rows = await session.query(
    `SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ${kinds} AND NOT c.relispartition AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%' LIMIT 10000`,
  );
  const { schema, table } = parseTableName(written);
  const full = rows.map(([schemaName, name]) => (schema === undefined ? (name ?? '') : `${schemaName}.${name}`));
  const typed = schema === undefined ? table.text : `${schema.text}.${table.text}`;
  return new SyncError('NOT_FOUND', `There is no table ${written} in ${session.name}, or the user may not see it.${didYouMean(typed, new Set(full))}`, {
    table: written,
  });
}

export async function readColumns(session: Session, table: FoundTable): Promise<CatalogueColumn[]> {
  const rows = await session.query(
    `SELECT a.attname, a.atttypid, a.atttypmod, a.attnotnull OR t.typnotnull, a.attidentity, a.attgenerated, a.atthasdef, k.collisdeterministic IS FALSE
     FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid LEFT JOIN pg_catalog.pg_collation k ON k.oid = a.attcollation
     WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`,
    [table.oid],
  );
  const types = await readTypes(
    session,
    rows.map((row) => ({ oid: String(row[1]), modifier: Number(row[2]) })),
  );
  return rows.map(([name, , , notNull, identity, generated, hasDefault, folds], i) => {
    const type = types[i];
    if (name === undefined || name === null || type === undefined)
      throw new SyncError('INTERNAL', `The catalogue of ${session.name} has no type for a column of ${table.schema}.${table.table}.`);
    const computed = generated !== '';
    return {
      name,
      type,
      nullable: notNull !== 't',
      identityAlways: identity === 'a',
      computed,
      filled: computed || identity !== '' || hasDefault === 't',
      folds: folds === 't',
    };
  });
}

/** Types by oid and modifier, in the same order. Domains are followed to what they rest on, arrays to their element. */
export async function readTypes(session: Session, wanted: readonly { oid: string; modifier: number }[]): Promise<PgType[]> {
  if (wanted.length === 0) return [];
  // With an empty path every type that is not PostgreSQL's own is named with its schema
  const path = (await session.query("SELECT pg_catalog.current_setting('search_path')"))[0]?.[0] ?? '';
  await session.query("SELECT pg_catalog.set_config('search_path', '', false)");
  try {
    const rows = await session.query(
      `WITH RECURSIVE given AS (SELECT o.oid, m.modifier, o.n FROM unnest($1::oid[]) WITH ORDINALITY AS o(oid, n) JOIN unnest($2::int[]) WITH ORDINALITY AS m(modifier, n) USING (n)),
       step AS (
         SELECT n, oid, modifier FROM given
         UNION ALL
         SELECT s.n, t.typbasetype, CASE WHEN t.typtypmod >= 0 THEN t.typtypmod ELSE s.modifier END FROM step s JOIN pg_catalog.pg_type t ON t.oid = s.oid WHERE t.typtype = 'd'
       )
       SELECT s.n, coalesce(e.typname, t.typname), coalesce(e.typnamespace, t.typnamespace) = 'pg_catalog'::regnamespace, e.oid IS NOT NULL, coalesce(e.typtype, t.typtype), s.modifier,
         pg_catalog.format_type(t.oid, s.modifier)
       FROM step s JOIN pg_catalog.pg_type t ON t.oid = s.oid LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem AND t.typcategory = 'A'
       WHERE t.typtype <> 'd' ORDER BY s.n`,
      [`{${wanted.map(({ oid }) => oid).join(',')}}`, `{${wanted.map(({ modifier }) => modifier).join(',')}}`],
    );
    return rows.map(([, base, builtin, array, kind, modifier, sql]) => ({
      base: base ?? '',
      builtin: builtin === 't',
      array: array === 't',
      kind: kind ?? '',
      modifier: Number(modifier),
      sql: sql ?? '',
    }));
  } finally {
    await session.query("SELECT pg_catalog.set_config('search_path', $1, false)", [path]);
  }
}

/** Unique indexes over plain columns, without condition. */
export async function readKeys(session: Session, table: FoundTable): Promise<CatalogueKey[]> {
  const rows = await session.query(
    `SELECT c.relname, i.indisprimary, i.indimmediate, a.attname
     FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
     CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(attnum, n)
     JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
     WHERE i.indrelid = $1 AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL AND k.n <= i.indnkeyatts
     ORDER BY c.relname, k.n`,
    [table.oid],
  );
  const keys = new Map<string, { name: string; primary: boolean; immediate: boolean; columns: string[] }>();
  for (const [name, primary, immediate, column] of rows) {
    const key = keys.get(name ?? '') ?? { name: name ?? '', primary: primary === 't', immediate: immediate === 't', columns: [] };
    key.columns.push(column ?? '');
    keys.set(key.name, key);
  }
  return [...keys.values()];
}

/**
 * Columns and keys of what SELECT gives of a table: of a table that others inherit from, their rows as well, for which none of its indexes speaks, and a column that must not be NULL
 * here may be NULL there.
 */
export async function readSelected(session: Session, table: FoundTable): Promise<{ columns: CatalogueColumn[]; keys: CatalogueKey[] }> {
  const [columns, keys] = [await readColumns(session, table), await readKeys(session, table)];
  if (table.kind !== 'r') return { columns, keys };
  const inherited = await session.query(
    `WITH RECURSIVE child AS (
       SELECT inhrelid FROM pg_catalog.pg_inherits WHERE inhparent = $1
       UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN child c ON i.inhparent = c.inhrelid
     )
     SELECT a.attname, bool_and(a.attnotnull OR t.typnotnull) FROM child c
     JOIN pg_catalog.pg_attribute a ON a.attrelid = c.inhrelid JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
     WHERE a.attnum > 0 AND NOT a.attisdropped GROUP BY a.attname`,
    [table.oid],
  );
  if (inherited.length === 0) return { columns, keys };
  const required = new Set(inherited.flatMap(([name, always]) => (always === 't' ? [name] : [])));
  return { columns: columns.map((column) => ({ ...column, nullable: column.nullable || !required.has(column.name) })), keys: [] };
}
