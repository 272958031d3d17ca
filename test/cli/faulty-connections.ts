/** Connections that cannot work, each with a canary in every place where it can hold a secret. */

export const canary = 'cAnary-5ecret-Pa55';
/** As definitions name it. */
export const reference = '${env:CANARY}';

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

export const faulty: Readonly<Record<string, Faulty>> = {
  postgres: sql('postgres', 'postgres'),
  mysql: sql('mysql', 'mysql'),
  sqlserver: {
    table: 'table',
    connections: (secret) => [
      { type: 'sqlserver', host: '127.0.0.1', port: 1, user: 'user', password: secret, database: 'shop' },
      { type: 'sqlserver', url: `sqlserver://user:${secret}@127.0.0.1:1?database=shop&encrypt=false` },
      { type: 'sqlserver', url: `mssql://user:${secret}@nowhere.invalid/shop`, ssl: 'require' },
      { type: 'sqlserver', url: `sqlserver://user:${secret}@127.0.0.1:1?noSuchOption=${secret}` },
    ],
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
export function faultyDefinitions(type: string, secret: string, here: { readonly table: string; readonly connection: object }) {
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
