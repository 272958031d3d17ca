import * as z from 'zod';
import type { ConnectorConfig } from '../connector.ts';
import { lazy, lazySchemas } from '../lazy-schemas.ts';
import { destinationFields, oneOfTableAndQuery, serverConnection, sourceFields, sqlCapabilities } from '../sql/config.ts';

const tableForm = ': `table`, or `database.table`';

const connection = lazy(() =>
  serverConnection({
    type: 'mysql',
    about: 'MySQL or MariaDB.',
    scheme: /^(mysql):\/\//,
    begins: 'mysql://',
    address: 'mysql://user@host:3306/database',
    port: 3306,
  }),
);

const source = lazy(() => z.strictObject(sourceFields(tableForm)).refine(...oneOfTableAndQuery));

const destination = lazy(() => z.strictObject(destinationFields(tableForm)));

export const config: ConnectorConfig = lazySchemas({ connection, source, destination }, { capabilities: sqlCapabilities, secretFields: ['url', 'password'] });
