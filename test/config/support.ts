import { stringify } from 'yaml';
import { DefinitionsError, type Fault } from '../../lib/config/faults.ts';
import { type LoadedDefinitions, parseDefinitions } from '../../lib/config/load.ts';

/** Two SQLite connections `a` and `b`, and one sync with these fields between them. */
export function oneSync(fields: Record<string, unknown>): string {
  return stringify({
    connections: { a: { type: 'sqlite', path: 'a.db' }, b: { type: 'sqlite', path: 'b.db' } },
    syncs: [{ name: 's', source: { connection: 'a', table: 't' }, destination: { connection: 'b', table: 't' }, ...fields }],
  });
}

export function load(text: string): LoadedDefinitions {
  return parseDefinitions(text, 'test.yaml');
}

/** What is wrong with a text; empty where nothing is. */
export function faultsOf(text: string): readonly Fault[] {
  try {
    load(text);
    return [];
  } catch (error) {
    if (error instanceof DefinitionsError) return error.faults;
    throw error;
  }
}

/** `path: message` of each. */
export function said(text: string): string[] {
  return faultsOf(text).map(({ path, message }) => `${path}: ${message}`);
}
