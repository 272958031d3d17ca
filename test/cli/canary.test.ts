/** A canary in every place where a connection can hold a secret, through the commands that can fail: it is to be seen in no output, report, error or state file. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DefinitionsError } from '../../lib/config/faults.ts';
import { parseDefinitions } from '../../lib/config/load.ts';
import { connectorTypes } from '../../lib/connectors/registry.ts';
import { idra } from './idra.ts';
import { shop } from './shop.ts';

const canary = 'cAnary-5ecret-Pa55';
const reference = '${env:CANARY}';

interface Faulty {
  /** How a table is called at this connector. */
  readonly table: string;
  /** Connections that fail, each with `secret` wherever one may stand. */
  readonly connections: (secret: string) => readonly Readonly<Record<string, unknown>>[];
}

const sql = (type: string, scheme: string): Faulty => ({
  table: 'table',
  connections: (secret) => [
    { type, url: `${scheme}://user:${secret}@127.0.0.1:1/shop` },
    { type, host: '127.0.0.1', port: 1, user: 'user', password: secret, database: 'shop' },
    { type, url: `${scheme}://user@nowhere.invalid/shop`, password: secret },
    { type, url: `${scheme}://user:${secret}@127.0.0.1:1/shop?no_such_option=${secret}` },
    { type, url: `${scheme}://user:${secret}@127.0.0.1:1/shop`, ssl: 'verify-full' },
  ],
});

const faulty: Readonly<Record<string, Faulty>> = {
  postgres: sql('postgres', 'postgres'),
  mysql: sql('mysql', 'mysql'),
  sqlserver: {
    table: 'table',
    connections: (secret) => [{ type: 'sqlserver', host: '127.0.0.1', port: 1, user: 'user', password: secret, database: 'shop' }],
  },
  sqlite: { table: 'table', connections: () => [{ type: 'sqlite', path: 'nowhere/shop.db' }] },
  mongodb: {
    table: 'collection',
    connections: (secret) => [
      { type: 'mongodb', url: `mongodb://user:${secret}@127.0.0.1:1/shop?serverSelectionTimeoutMS=500` },
      { type: 'mongodb', url: `mongodb://user:${secret}@127.0.0.1:1/shop?noSuchOption=${secret}` },
    ],
  },
  kafka: {
    table: 'topic',
    connections: (secret) => [
      { type: 'kafka', brokers: ['127.0.0.1:1'], username: 'user', password: secret },
      { type: 'kafka', brokers: ['127.0.0.1:1'], username: 'user', password: secret, mechanism: 'scram-sha-256', tls: true },
    ],
  },
  // Its credentials are the environment's.
  s3: { table: 'path', connections: () => [{ type: 's3', bucket: 'nowhere', region: 'eu-west-1', endpoint: 'http://127.0.0.1:1' }] },
  rest: {
    table: 'path',
    connections: (secret) =>
      [
        { token: secret },
        { username: 'user', password: secret },
        { apiKey: secret, apiKeyIn: 'query', apiKeyName: 'api_key' },
        { secretHeaders: { 'X-Auth-Token': secret } },
        { oauth2: { tokenUrl: 'http://127.0.0.1:1/token', clientId: 'id' }, clientSecret: secret },
      ].map((way) => ({ type: 'rest', url: 'http://127.0.0.1:1/api', allowPrivate: true, retries: 0, timeoutSeconds: 2, ...way })),
  },
};

/** Each faulty connection as the source of a sync and as the destination of another. */
function definitions(type: string, secret: string, here: { readonly table: string; readonly connection: object }) {
  const { table, connections } = faulty[type] ?? { table: 'table', connections: () => [] };
  const made = connections(secret).map((fields, index) => [`${type}-${index}`, fields] as const);
  const place = type === 'rest' ? '/orders' : 'orders';
  const syncs = made.flatMap(([name]) => {
    const bad = { connection: name, [table]: place };
    const good = { connection: 'here', table: here.table };
    const mode = type === 'kafka' ? { mode: 'stream' } : {};
    return [
      { name: `${name}-out`, ...mode, source: bad, destination: { connection: 'here', table: `from_${index(name)}` } },
      { name: `${name}-in`, source: good, destination: bad },
    ];
  });
  return { connections: { here: here.connection, ...Object.fromEntries(made) }, syncs };
}
const index = (name: string) => name.replaceAll('-', '_');

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
    const all = definitions(type, secret, { table: 'orders', connection: { type: 'sqlite', path: 'shop.db' } });
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
