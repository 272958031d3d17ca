/**
 * The one place that chooses between the two ways that rows can take. Raw: both ends speak the same bulk format with the same column types, and nothing has to look into a row.
 * Otherwise rows are decoded and encoded again.
 */
import type { SyncDefinition } from '../config/definition.ts';
import type { RawFormat, Source, Target } from '../connectors/connector.ts';

export function chooseRawFormat(definition: SyncDefinition, source: Pick<Source, 'rawFormats'>, target: Pick<Target, 'rawFormats'>): RawFormat | null {
  // A masked column is rewritten, and a row that may have to be set aside must be known as a row.
  if (Object.keys(definition.mask).length > 0 || definition.onError === 'deadLetter') return null;
  for (const format of source.rawFormats ?? []) {
    if (target.rawFormats?.some((other) => other.name === format.name && other.signature === format.signature)) return format;
  }
  return null;
}
