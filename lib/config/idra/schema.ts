/** Idra's own static JSON, field by field: an array of these syncs. Go reads a missing field, null and an empty text alike, and so does this. */
import * as z from 'zod';

const text = z.preprocess((value) => value ?? '', z.string());
const count = z.preprocess((value) => value ?? 0, z.int().min(0));

const connector = z.strictObject({
  id: text,
  connector_name: text,
  connector_source_type: text,
  connection_string: text,
  database: text,
  query: text,
  table: text,
  /** Seconds, or a duration in Go's form. */
  polling_time: z.preprocess((value) => value ?? 0, z.union([z.int().min(0), z.string()], 'has to be a number of seconds, or a duration such as 1m30s')),
  timestamp_field: text,
  timestamp_field_format: text,
  max_record_batch_size: count,
  save_mode: text,
  start_offset: count,
  token: text,
  attributes: z.preprocess((value) => value ?? {}, z.record(z.string(), z.string())),
});

export const idraSync = z.strictObject({
  id: text,
  sync_name: text,
  source_connector: connector,
  destination_connector: connector,
  mode: text,
  disabled: z.preprocess((value) => value ?? false, z.boolean()),
});

export type IdraSync = z.output<typeof idraSync>;
export type IdraConnector = z.output<typeof connector>;
