import { SyncError } from '../../errors.ts';
import { toText } from '../../values/convert.ts';
import { isInfinite, readTimestamp, toUtc } from '../../values/datetime.ts';
import type { Row, Schema, Value } from '../../values/types.ts';
import { parsePartition } from './partition-template.ts';

/** What Hive and Spark name the folder of NULL. */
const nullFolder = '__HIVE_DEFAULT_PARTITION__';
const maxFolderBytes = 200;

/** Characters that are safe in keys (https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html) and in Hive's folder names; others are escaped as Hive does, by percent signs. */
function folder(text: string): string {
  const escaped = encodeURIComponent(text.toWellFormed()).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
  return escaped === '' ? nullFolder : escaped.slice(0, maxFolderBytes);
}

/** Readers of lakes, Idra's own among them, pass folders by that begin with `_` or `.`: where a value makes one its first character is escaped, as Hive reads it. */
function seen(folders: string): string {
  return folders.replace(/(?<=^|\/)[_.]/g, (first) => `%${first.charCodeAt(0).toString(16).toUpperCase()}`);
}

function byPattern(text: string, pattern: string): string {
  const parts = isInfinite(text) ? null : readTimestamp(text);
  if (parts === null) return folder(text);
  const { date, time } = toUtc(parts);
  const pad = (value: number, width: number): string => String(Math.abs(value)).padStart(width, '0');
  const year = `${date.year < 0 ? '-' : ''}${pad(date.year, 4)}`;
  return pattern.replaceAll('yyyy', year).replaceAll('MM', pad(date.month, 2)).replaceAll('dd', pad(date.day, 2)).replaceAll('HH', pad(time.hour, 2));
}

/** The folders of a row, with a closing slash; empty text for all rows where there is no template. Throws `NOT_FOUND` where it names a column that does not arrive. */
export function partitioner(template: string | undefined, schema: Schema): (row: Row) => string {
  if (template === undefined) return () => '';
  const makers = parsePartition(template).map((part): ((row: Row) => string) => {
    if ('text' in part) return () => part.text;
    const index = schema.columns.findIndex(({ name }) => name === part.column);
    const column = schema.columns[index];
    if (column === undefined) {
      throw new SyncError('NOT_FOUND', `destination.partition names the column ${part.column}, which ${schema.name} does not deliver.`, {
        field: 'destination.partition',
        column: part.column,
      });
    }
    const { pattern } = part;
    if (pattern !== null && column.type.kind !== 'date' && column.type.kind !== 'timestamp') {
      throw new SyncError('CONFIG_INVALID', `destination.partition gives ${part.column} a pattern of time, but the column is no date and no timestamp.`, {
        field: 'destination.partition',
        column: part.column,
      });
    }
    return (row) => {
      const value: Value = row[index] ?? null;
      const text = toText(value, column.type);
      if (text === null) return nullFolder;
      return pattern === null ? folder(text) : byPattern(text, pattern);
    };
  });
  return (row) => `${seen(makers.map((make) => make(row)).join(''))}/`;
}
