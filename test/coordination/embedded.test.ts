import { join } from 'node:path';
import { beforeAll, describe } from 'vitest';
import { EmbeddedStore } from '../../lib/coordination/embedded/store.ts';
import { coordinationSuite } from '../conformance/coordination.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

describe('embedded store', () => {
  let path: string;
  beforeAll(async () => {
    const folder = await temporaryFolder();
    path = join(folder.path, 'made', 'for', 'it', 'state.db');
    return () => folder[Symbol.asyncDispose]();
  });
  coordinationSuite(() => ({ open: () => EmbeddedStore.open(path), options: { path } }));
});
