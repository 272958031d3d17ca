/** SQLite connection strings: a path, or `file:path?name=value&…`. */
import { literal, refused, type TranslatedConnection } from './result.ts';

const withoutEffect: ReadonlySet<string> = new Set([
  'cache',
  '_journal_mode',
  '_journal',
  '_busy_timeout',
  '_timeout',
  '_synchronous',
  '_sync',
  '_txlock',
  '_foreign_keys',
  '_fk',
  '_loc',
]);

export function translateSqlite(text: string): TranslatedConnection {
  const mark = text.indexOf('?');
  const written = mark < 0 ? text : text.slice(0, mark);
  // In the URI form alone a % is an escape (sqlite.org/uri.html).
  const escaped = written.startsWith('file:') && !/%(?![0-9A-Fa-f]{2})/.test(written);
  const name = (escaped ? decodeURIComponent(written) : written).replace(/^file:(\/\/(?=\/))?/, '');
  const parameters = new URLSearchParams(mark < 0 ? '' : text.slice(mark + 1));
  const faults: string[] = [];
  const notes: string[] = [];
  if (name === '' || name === ':memory:' || parameters.get('mode') === 'memory') return refused('a database in memory is gone when the run ends: name a file');
  for (const [parameter, value] of parameters) {
    if (withoutEffect.has(parameter)) notes.push(`${parameter} makes no difference: this system sets it by itself`);
    else if (parameter !== 'mode' || !['rw', 'rwc'].includes(value))
      faults.push(`the parameter "${parameter}" has no counterpart with this value: take it out`);
  }
  return { fields: { type: 'sqlite', path: literal(name) }, faults, notes };
}
