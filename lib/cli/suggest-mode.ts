import type { Capabilities, DiscoveredTable, Mode, WriteMode } from '../connectors/connector.ts';
import type { Column } from '../values/types.ts';

export interface Suggestion {
  readonly mode: Mode;
  readonly write: WriteMode;
  readonly cursor?: { readonly column?: string; readonly key?: string | readonly string[] };
  /** Why, and what it takes for granted. */
  readonly because: string;
}

/** Names that people give to the time of the last change, in the order in which they are looked for. */
const changeNames = [
  /^(updated|modified|changed)(_?(at|on|time|timestamp|date))?$/i,
  /^last_?(updated?|modified|changed?)/i,
  /(updated|modified|changed)_?(at|on|time)$/i,
];

/** The mode that costs least and misses nothing for what the catalogue tells of the table. */
export function suggestMode(table: DiscoveredTable, source: Capabilities['source']): Suggestion {
  const can = (mode: Mode) => source.modes.includes(mode);
  const { key } = table;
  if (key.length === 0) {
    if (can('full')) return { mode: 'full', write: 'replace', because: 'it has no key to tell rows apart by' };
    return { mode: source.modes[0] ?? 'stream', write: 'insert', because: 'it has no key to tell rows apart by' };
  }
  if (can('stream') && !can('timestamp')) return { mode: 'stream', write: 'upsert', because: 'the source keeps the position itself' };
  const changed = changeColumn(table.columns);
  const keyField = key.length === 1 ? (key[0] ?? '') : key;
  if (changed && can('timestamp')) {
    const because = `${changed.name} looks like the time of the last change${changed.nullable ? '; it may be NULL: see cursor.nulls' : ''}`;
    return { mode: 'timestamp', write: 'upsert', cursor: { column: changed.name, key: keyField }, because };
  }
  const [first] = key;
  const keyColumn = table.columns.find((column) => column.name === first);
  if (key.length === 1 && first !== undefined && keyColumn && isInteger(keyColumn) && can('id')) {
    return {
      mode: 'id',
      write: 'insert',
      cursor: { column: first },
      because: `${first} grows; right where rows are added and never changed, otherwise full with upsert`,
    };
  }
  return { mode: 'full', write: 'upsert', because: 'no column tells what is new' };
}

function changeColumn(columns: readonly Column[]): Column | undefined {
  const times = columns.filter(({ type }) => type.kind === 'timestamp');
  for (const pattern of changeNames) {
    const found = times.find(({ name }) => pattern.test(name));
    if (found) return found;
  }
  return undefined;
}

function isInteger({ type }: Column): boolean {
  return type.kind === 'int32' || type.kind === 'int64' || type.kind === 'uint64';
}
