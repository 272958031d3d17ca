/** `npm run schema`: writes the JSON Schema of the definitions file, which editors complete from. */
import { writeFile } from 'node:fs/promises';
import { definitionsSchema } from '../lib/config/json-schema.ts';

await writeFile(new URL('../lib/config/syncs.schema.json', import.meta.url), `${JSON.stringify(definitionsSchema(), null, 2)}\n`);
