import * as z from 'zod';
import { parseType, typeWords } from '../values/parse-type.ts';
import type { ConnectorConfig } from './connector.ts';

/** `make`, called when its value is first asked for, and once. */
export function lazy<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

/** Types of fields by name, where a source's values have too few types of their own. */
export const fieldTypes = lazy(() =>
  z.record(
    z.string().min(1),
    z.string().refine((text) => parseType(text) !== null, `has to be a type such as ${typeWords}`),
  ),
);

type Schemas = Pick<ConnectorConfig, 'connection' | 'source' | 'destination'>;

/** A config whose schemas are made as they are used: a sync uses those of two connectors, and making them for all takes a fifth of a function's cold start. */
export function lazySchemas(schemas: { readonly [Name in keyof Schemas]: () => z.ZodType }, rest: Omit<ConnectorConfig, keyof Schemas>): ConnectorConfig {
  return {
    ...rest,
    get connection() {
      return schemas.connection();
    },
    get source() {
      return schemas.source();
    },
    get destination() {
      return schemas.destination();
    },
  };
}
