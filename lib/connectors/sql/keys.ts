/** A unique constraint or index as the catalogue has it. Partial and expression indexes are not among them. */
export interface UniqueKey {
  readonly name: string;
  readonly primary: boolean;
  readonly columns: readonly string[];
}

/** What identifies a row: the primary key, else the shortest unique key without a nullable column (ties: by name), else nothing. */
export function rowKey(keys: readonly UniqueKey[], nullable: (column: string) => boolean): readonly string[] {
  const usable = keys.filter((key) => key.columns.length > 0 && (key.primary || !key.columns.some(nullable)));
  const best = usable.sort((a, b) => Number(b.primary) - Number(a.primary) || a.columns.length - b.columns.length || (a.name < b.name ? -1 : 1))[0];
  return best?.columns ?? [];
}

/** The unique key over exactly these columns, in whatever order: what an upsert needs. */
export function uniqueOver(keys: readonly UniqueKey[], columns: readonly string[]): UniqueKey | undefined {
  const wanted = new Set(columns);
  return keys.find((key) => key.columns.length === wanted.size && key.columns.every((column) => wanted.has(column)));
}

/** Whether rows that agree in `columns` are one row: some unique key without NULLs lies within them. */
export function identifies(keys: readonly UniqueKey[], columns: readonly string[], nullable: (column: string) => boolean): boolean {
  const given = new Set(columns);
  return keys.some((key) => key.columns.length > 0 && key.columns.every((column) => given.has(column) && (key.primary || !nullable(column))));
}
