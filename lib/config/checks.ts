/** What no single field's schema can see: fields that contradict each other, and what the two connectors lack. */
import { Cron } from 'croner';
import type { Mode } from '../connectors/connector.ts';
import { checkColumns } from './check-columns.ts';
import type { Collector } from './collector.ts';
import type { FieldPath } from './faults.ts';
import type { Draft } from './syncs.ts';

/** Adds a fault, unless one of the fields that it is drawn from could not be read. `fields` are top-level names. */
export type Report = (fields: readonly string[], path: FieldPath, message: string) => void;

const cursorModes: ReadonlySet<Mode> = new Set(['fullWithId', 'id', 'timestamp', 'lastDestinationId', 'lastDestinationTimestamp']);

export function checkSync(draft: Draft, collector: Collector): void {
  const report: Report = (fields, path, message) => {
    if (!fields.some((field) => draft.tainted.has(field))) collector.fault(['syncs', draft.index, ...path], message);
  };
  checkSchedule(draft, report);
  checkSource(draft, report);
  checkDestination(draft, report);
  checkCursor(draft, report);
  checkLastDestination(draft, report);
  checkDeletes(draft, report);
  checkColumns(draft, report);
  warn(draft, (fields, path, message) => {
    if (!fields.some((field) => draft.tainted.has(field))) collector.warn(['syncs', draft.index, ...path], message);
  });
}

function checkSchedule({ parsed }: Draft, report: Report): void {
  const { every, cron, timezone } = parsed;
  if (every !== undefined && cron !== undefined) report(['every', 'cron'], ['cron'], 'stands beside every: give one of the two');
  if (timezone !== undefined && cron === undefined) report(['timezone', 'cron'], ['timezone'], 'has a meaning with cron alone');
  const zoneKnown = timezone === undefined || isTimezone(timezone);
  if (!zoneKnown) report(['timezone'], ['timezone'], `"${timezone}" is no time zone: write it as in Europe/Rome`);
  if (cron === undefined || !zoneKnown) return;
  try {
    const next = new Cron(cron, { timezone: timezone ?? 'UTC', paused: true }).nextRun();
    if (next === null) report(['cron'], ['cron'], 'never comes: no date fits the pattern');
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    report(['cron'], ['cron'], `is no cron pattern (minute hour day month weekday): ${error.message.replace(/^CronPattern: /, '')}`);
  }
}

function isTimezone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

function checkSource({ parsed, source }: Draft, report: Report): void {
  if (source?.config === undefined) return;
  const { type } = source.definition;
  const { modes, where } = source.config.capabilities.source;
  if (modes.length === 0) report(['source'], ['source', 'connection'], `${type} cannot be a source`);
  else if (!modes.includes(parsed.mode)) report(['mode', 'source'], ['mode'], `${type} as a source has no mode ${parsed.mode}; it has ${modes.join(', ')}`);
  if (parsed.where !== undefined && !where) report(['where', 'source'], ['where'], `${type} as a source takes no condition`);
}

function checkDestination({ parsed, definition, destination }: Draft, report: Report): void {
  const { mode, onError } = parsed;
  const { write } = definition;
  if (write === 'replace' && mode !== 'full')
    report(['write', 'mode'], ['write'], `replace needs mode full, which reads everything: mode ${mode} reads only a part`);
  if (destination?.config === undefined) return;
  const { type } = destination.definition;
  const { writes, deadLetter, max } = destination.config.capabilities.destination;
  if (writes.length === 0) report(['destination'], ['destination', 'connection'], `${type} cannot be a destination`);
  else if (!writes.includes(write)) report(['write', 'destination'], ['write'], `${type} as a destination has no ${write}; it has ${writes.join(', ')}`);
  if (onError === 'deadLetter' && !deadLetter) report(['onError', 'destination'], ['onError'], `${type} as a destination cannot set rows aside; use stop`);
  if (mode.startsWith('lastDestination') && !max)
    report(['mode', 'destination'], ['mode'], `${type} as a destination cannot say its largest value, which mode ${mode} begins from`);
}

function checkCursor({ parsed, definition }: Draft, report: Report): void {
  const { mode, cursor } = parsed;
  if (cursorModes.has(mode) && cursor.column === undefined) report(['mode', 'cursor'], ['cursor', 'column'], `is required by mode ${mode}`);
  if (cursor.lookback === 0) return;
  if (mode !== 'timestamp') report(['mode', 'cursor'], ['cursor', 'lookback'], `has a meaning with mode timestamp alone, not with ${mode}`);
  else if (definition.write !== 'upsert')
    report(['mode', 'cursor', 'write'], ['cursor', 'lookback'], `needs write upsert: it reads rows again, and ${definition.write} would double them`);
}

/** The position of these modes is what the destination holds, and nothing else: rows that leave no trace in its largest value are read anew by each run. */
function checkLastDestination({ parsed, definition }: Draft, report: Report): void {
  const { mode, cursor, onError } = parsed;
  if (!mode.startsWith('lastDestination')) return;
  const begins = `mode ${mode} begins at the largest value that the destination holds`;
  if (cursor.nulls === 'include')
    report(
      ['mode', 'cursor'],
      ['cursor', 'nulls'],
      `include does not go with mode ${mode}, which could read rows without a value again and again: use mode id or timestamp, or fill the column`,
    );
  if (onError === 'deadLetter' && definition.write === 'insert')
    report(
      ['mode', 'onError', 'write'],
      ['onError'],
      `deadLetter needs write upsert here: ${begins}, so that rows set aside behind it are read by each run and would be doubled`,
    );
}

function checkDeletes({ parsed, definition, source, destination }: Draft, report: Report): void {
  const { deletes, softDeleteColumn } = parsed;
  if (softDeleteColumn !== undefined && deletes !== 'soft')
    report(['softDeleteColumn', 'deletes'], ['softDeleteColumn'], 'has a meaning with deletes soft alone');
  if (deletes === undefined || deletes === 'ignore') return;
  if (source?.config?.capabilities.source.deletes === false) {
    report(['deletes', 'source'], ['deletes'], `${source.definition.type} as a source reports no deletions: leave deletes out, or write ignore`);
  }
  const able = destination?.config?.capabilities.destination.deletes;
  if (able !== undefined && !able.includes(deletes)) {
    report(['deletes', 'destination'], ['deletes'], `${destination?.definition.type} as a destination has no ${deletes} deletes; it has ${able.join(', ')}`);
  }
  if (definition.write !== 'upsert') report(['deletes', 'write'], ['deletes'], `${deletes} needs write upsert, which knows the rows by their key`);
}

function warn({ parsed, definition }: Draft, add: Report): void {
  const { mode, cursor, write } = parsed;
  if (mode === 'full' && write === undefined) {
    add(['mode', 'write'], [], 'reads everything on each run and adds it to what is there (mode full, write insert): write replace or upsert keeps one copy');
  }
  if (mode === 'timestamp' && definition.key.length === 0 && definition.cursor.key.length === 0) {
    add(['mode', 'cursor', 'key'], ['cursor'], 'has no key: rows of the same timestamp are read and committed as one group, however large it is');
  }
  if (cursorModes.has(mode)) return;
  if (cursor.column !== undefined) add(['mode', 'cursor'], ['cursor', 'column'], `has no effect with mode ${mode}`);
  if (cursor.nulls === 'include') add(['mode', 'cursor'], ['cursor', 'nulls'], `has no effect with mode ${mode}`);
}
