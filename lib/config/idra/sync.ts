/** The fields of one of Idra's syncs beside its connections. */
import type { Mode } from '../../connectors/connector.ts';
import type { Collector } from '../collector.ts';
import { formatDuration } from '../duration.ts';
import type { FieldPath } from '../faults.ts';
import { hint } from '../suggest.ts';
import type { IdraConnector, IdraSync } from './schema.ts';
import { isSortable, pollingMs } from './times.ts';
import type { ConnectedEnd, Side } from './translate.ts';

const modeNames: Readonly<Record<string, Mode>> = {
  Full: 'full',
  FullWithId: 'fullWithId',
  Id: 'id',
  // What Idra's own constant for it says.
  IdField: 'id',
  Timestamp: 'timestamp',
  LastDestinationId: 'lastDestinationId',
  LastDestinationTimestamp: 'lastDestinationTimestamp',
  Stream: 'stream',
  // Idra's only mode of the connectors that read streams.
  Default: 'stream',
  CDC: 'cdc',
  Cdc: 'cdc',
};

const writes: Readonly<Record<string, string>> = { '': 'insert', Insert: 'insert', Upsert: 'upsert' };

export interface TranslatedSync {
  readonly value: Readonly<Record<string, unknown>>;
  /** Path in the sync → path in Idra's sync. */
  readonly origins: readonly (readonly [ours: FieldPath, theirs: FieldPath])[];
}

interface Context {
  readonly index: number;
  readonly collector: Collector;
  readonly ends: Readonly<Record<Side, ConnectedEnd | undefined>>;
}

export function translateSync(sync: IdraSync, { index, collector, ends }: Context): TranslatedSync {
  const { source_connector: source, destination_connector: destination } = sync;
  const fault = (path: FieldPath, message: string) => collector.fault([index, ...path], message);
  const warn = (path: FieldPath, message: string) => collector.warn([index, ...path], message);

  const mode = readMode(sync, ends.source, fault);
  const write = readWrite(destination, 'destination_connector', fault);
  const sourceWrite = readWrite(source, 'source_connector', fault);
  if (source.save_mode !== '' && sourceWrite !== write) warn(['source_connector', 'save_mode'], 'has no effect: the destination’s save_mode decides');
  const everyMs = readPolling(source, 'source_connector', fault);
  if (destination.polling_time !== 0 && readPolling(destination, 'destination_connector', fault) !== everyMs) {
    warn(['destination_connector', 'polling_time'], 'has no effect: the source’s polling_time decides');
  }
  if (destination.max_record_batch_size !== 0 && destination.max_record_batch_size !== source.max_record_batch_size) {
    warn(['destination_connector', 'max_record_batch_size'], 'has no effect: the source’s max_record_batch_size decides');
  }
  for (const side of ['source', 'destination'] as const) {
    const connector = sync[`${side}_connector`];
    if (connector.start_offset !== 0)
      fault(
        [`${side}_connector`, 'start_offset'],
        'has no counterpart: leave it out, and set the position with `idra checkpoint set` where a sync is to begin later',
      );
    if (!isSortable(connector.timestamp_field_format)) {
      fault(
        [`${side}_connector`, 'timestamp_field_format'],
        'has to have the year first and the second last, as in 2006-01-02 15:04:05: texts of another form do not sort by time',
      );
    }
  }
  const everyPart = ['source_connector', 'polling_time'];
  const cursor = readCursor(sync, mode, { fault, warn, stream: ends.source?.kind.stream ?? false });
  const value = {
    enabled: !sync.disabled,
    every: formatDuration(everyMs),
    source: { connection: ends.source?.name ?? '', ...readSource(source, ends.source, { fault, warn }) },
    destination: { connection: ends.destination?.name ?? '', ...readDestination(destination, ends.destination, fault) },
    mode,
    ...(cursor === undefined ? {} : { cursor }),
    ...readKey(sync, ends),
    write,
    ...(source.max_record_batch_size === 0 ? {} : { batch: { rows: source.max_record_batch_size } }),
  };
  const sourceColumn = mode === 'timestamp' || mode === 'lastDestinationTimestamp' ? 'timestamp_field' : 'id';
  return {
    value,
    origins: [
      [['name'], ['sync_name']],
      [['enabled'], ['disabled']],
      [['every'], everyPart],
      [['source'], ['source_connector']],
      [
        ['source', 'table'],
        ['source_connector', 'table'],
      ],
      [
        ['source', 'query'],
        ['source_connector', 'query'],
      ],
      [['destination'], ['destination_connector']],
      [
        ['destination', 'table'],
        ['destination_connector', 'table'],
      ],
      [['mode'], ['mode']],
      [['cursor'], ['source_connector']],
      [
        ['cursor', 'column'],
        ['source_connector', sourceColumn],
      ],
      [
        ['cursor', 'key'],
        ['source_connector', 'id'],
      ],
      [['key'], ['destination_connector', 'id']],
      [['write'], ['destination_connector', 'save_mode']],
      [['batch'], ['source_connector', 'max_record_batch_size']],
    ],
  };
}

type Say = (path: FieldPath, message: string) => void;

function readMode(sync: IdraSync, source: ConnectedEnd | undefined, fault: Say): Mode {
  if (sync.mode === '' && source?.kind.stream === true) return 'stream';
  const mode = Object.hasOwn(modeNames, sync.mode) ? modeNames[sync.mode] : undefined;
  if (mode === undefined) fault(['mode'], sync.mode === '' ? 'is required' : `there is no mode "${sync.mode}"${hint(sync.mode, Object.keys(modeNames))}`);
  return mode ?? 'full';
}

function readWrite(connector: IdraConnector, part: string, fault: Say): string {
  const write = Object.hasOwn(writes, connector.save_mode) ? writes[connector.save_mode] : undefined;
  if (write === undefined) fault([part, 'save_mode'], 'has to be Insert or Upsert');
  return write ?? 'insert';
}

function readPolling(connector: IdraConnector, part: string, fault: Say): number {
  const ms = pollingMs(connector.polling_time);
  if (ms === undefined) fault([part, 'polling_time'], 'has to be a number of seconds, or a duration such as 1m30s, of at least one second');
  return ms ?? 1000;
}

function readSource(connector: IdraConnector, end: ConnectedEnd | undefined, { fault, warn }: { fault: Say; warn: Say }): Record<string, unknown> {
  const { table, query } = connector;
  if (end === undefined) return {};
  if (query !== '' && !end.kind.query)
    fault(['source_connector', 'query'], `${connector.connector_source_type} takes no query: name its ${end.kind.table} in table`);
  if (query === '' || !end.kind.query) return { [end.kind.table]: table, ...end.source };
  if (table !== '') warn(['source_connector', 'table'], 'has no effect beside query');
  return { query };
}

function readDestination(connector: IdraConnector, end: ConnectedEnd | undefined, fault: Say): Record<string, unknown> {
  if (connector.query !== '') fault(['destination_connector', 'query'], 'a destination has no query: leave it out');
  return end === undefined ? {} : { [end.kind.table]: connector.table };
}

/** One column, or several with commas between them. */
function columns(text: string): string[] {
  return text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}

function readCursor(sync: IdraSync, mode: Mode, { fault, warn, stream }: { fault: Say; warn: Say; stream: boolean }): Record<string, unknown> | undefined {
  const { source_connector: source, destination_connector: destination } = sync;
  const ids = columns(source.id);
  const byTime = mode === 'timestamp' || mode === 'lastDestinationTimestamp';
  if (!byTime && source.timestamp_field !== '') warn(['source_connector', 'timestamp_field'], `has no effect with mode ${sync.mode}`);
  if (mode === 'full' || stream) return undefined;
  if (byTime && source.timestamp_field === '') fault(['source_connector', 'timestamp_field'], `is required by mode ${sync.mode}`);
  if (!byTime && ids.length !== 1) fault(['source_connector', 'id'], `has to name the one id column that mode ${sync.mode} goes by`);
  const field = byTime ? 'timestamp_field' : 'id';
  if (mode.startsWith('lastDestination') && destination[field] !== '' && destination[field] !== source[field]) {
    fault(
      ['destination_connector', field],
      `names another column than the source’s ${field}: columns keep their names, and mode ${sync.mode} compares the two`,
    );
  }
  if (byTime) return { column: source.timestamp_field, ...(ids.length === 0 ? {} : { key: ids }) };
  return { column: ids[0] };
}

function readKey(sync: IdraSync, ends: Context['ends']): Record<string, unknown> {
  const own = columns(sync.destination_connector.id);
  const key = own.length > 0 || ends.source?.kind.stream === true ? own : columns(sync.source_connector.id);
  return key.length === 0 ? {} : { key };
}
