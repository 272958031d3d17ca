/** A canary in every place where a connection can hold a secret, through the commands that can fail: it is to be seen in no output, report, error or state file. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DefinitionsError } from '../../lib/config/faults.ts';
import { parseDefinitions } from '../../lib/config/load.ts';
import { connectorTypes } from '../../lib/connectors/registry.ts';
import { canary, faulty, faultyDefinitions, reference } from './faulty-connections.ts';
import { idra } from './idra.ts';
import { shop } from './shop.ts';

const environment = (secret = canary) => ({ CANARY: secret, AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE', AWS_SECRET_ACCESS_KEY: secret, AWS_SESSION_TOKEN: secret });

it('every connector has connections to fail here', () => {
  for (const type of connectorTypes) expect(faulty[type]?.connections(canary).length, type).toBeGreaterThan(0);
});

/** Not Kafka's and MongoDB's: their drivers' own patience with a server that is not there makes minutes of it. */
const tried = connectorTypes.filter((type) => type !== 'kafka' && type !== 'mongodb');

describe.for(tried)('%s', { timeout: 120_000 }, (type) => {
  // Written out is the same to a connector as by reference: once is enough to show that the command's own words hold nothing back either
  const ways = [['by reference', reference] as const, ...(type === 'postgres' ? [['written out', canary] as const] : [])];
  it.for(ways)('no command shows a secret that is %s, nor does the state keep it', async ([, secret]) => {
    await using here = await shop(5);
    const all = faultyDefinitions(type, secret, { table: 'orders', connection: { type: 'sqlite', path: 'shop.db' } });
    const secretless = (text: string, what: string): void => expect(text, what).not.toContain(canary);
    // A definition that is refused must not keep the others from failing in their own way: those are only read.
    const reached: string[] = [];
    let refused = 0;
    for (const [name, connection] of Object.entries(all.connections)) {
      if (name === 'here') continue;
      const text = JSON.stringify({
        connections: { here: all.connections.here, [name]: connection },
        syncs: all.syncs.filter((sync) => sync.name.startsWith(`${name}-`)),
      });
      try {
        parseDefinitions(text, 'syncs.yaml');
        reached.push(name);
      } catch (error) {
        refused += 1;
        if (!(error instanceof DefinitionsError)) throw error;
        secretless(JSON.stringify([error.message, error.faults]), name);
        await here.define(text);
        const { stdout, stderr } = await idra(['validate'], { cwd: here.folder, env: environment() });
        secretless(`${stdout}\n${stderr}`, `validate of ${name}`);
      }
    }
    expect(reached.length + refused).toBeGreaterThan(0);
    const connections = Object.fromEntries(Object.entries(all.connections).filter(([name]) => name === 'here' || reached.includes(name)));
    const syncs = all.syncs.filter((sync) => reached.some((name) => sync.name.startsWith(`${name}-`)));
    await here.define(JSON.stringify({ connections, syncs }));
    const commands = [
      ['validate'],
      ['check', '--json'],
      ['check'],
      ['run', '--json', '--parallel', '20'],
      ['plan', '--json'],
      ['status'],
      ...reached.slice(0, 2).map((name) => ['discover', name]),
    ];
    let failed = 0;
    for (const args of commands) {
      const { code, stdout, stderr } = await idra(args, { cwd: here.folder, env: environment() });
      secretless(`${stdout}\n${stderr}`, args.join(' '));
      if (code !== 0) failed += 1;
    }
    expect(failed).toBeGreaterThan(0);
    for (const file of await readdir(here.folder, { recursive: true, withFileTypes: true })) {
      if (!file.isFile() || /^(syncs\.yaml|shop\.db)/.test(file.name)) continue;
      const content = await readFile(join(file.parentPath, file.name));
      expect(content.includes(canary), file.name).toBe(false);
    }
  });
});
