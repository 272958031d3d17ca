import * as z from 'zod';
import type { ConnectorConfig } from '../connector.ts';
import { lazy, lazySchemas } from '../lazy-schemas.ts';
import { destinationFields, oneOfTableAndQuery, serverConnection, sourceFields, sqlCapabilities } from '../sql/config.ts';

const tableForm = ': `schema.table`, or `table` in the search path';

const connection = lazy(() =>
  serverConnection({
    type: 'postgres',
    about: 'PostgreSQL.',
    scheme: /^(postgres|postgresql):\/\//,
    begins: 'postgres://',
    address: 'postgres://user@host:5432/database?sslmode=require',
    port: 5432,
  }),
);

const source = lazy(() => z.strictObject(sourceFields(tableForm)).refine(...oneOfTableAndQuery));

const destination = lazy(() => z.strictObject(destinationFields(tableForm)));

export const config: ConnectorConfig = lazySchemas({ connection, source, destination }, { capabilities: sqlCapabilities, secretFields: ['url', 'password'] });
