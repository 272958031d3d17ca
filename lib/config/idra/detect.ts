import { isObject } from '../connections.ts';

/** Idra's own static file is an array of syncs, each with its two connectors inside. */
export function isIdraFile(value: unknown): value is readonly unknown[] {
  return Array.isArray(value) && value.some((item) => isObject(item) && ('source_connector' in item || 'destination_connector' in item));
}
