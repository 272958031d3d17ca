import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DefinitionsError } from '../../lib/config/faults.ts';
import { loadDefinitions } from '../../lib/config/load.ts';
import { faultsOf, load, oneSync, said } from './support.ts';

const fixture = (name: string) => join(import.meta.dirname, 'fixtures', name);

describe('a definitions file', () => {
  it('is read with every field', async () => {
    const { syncs, connections, warnings } = await loadDefinitions(fixture('full.yaml'));
    expect(connections.shop?.fields.url).toBe('${env:SHOP_URL}');
    expect(warnings).toEqual([]);
    expect(syncs).toEqual([
      {
        name: 'orders-to-lake',
        enabled: true,
        schedule: { everyMs: 300_000 },
        source: { connection: 'shop', options: { table: 'public.orders' } },
        destination: { connection: 'lake', options: { table: 'orders' } },
        columns: { exclude: ['notes'], rename: { cust: 'customer_id' } },
        where: "status <> 'draft'",
        mask: { email: 'sha256', phone: 'null' },
        mode: 'timestamp',
        cursor: { column: 'updated_at', key: ['id'], lookbackSeconds: 0, nulls: 'refuse' },
        key: [],
        write: 'upsert',
        deletes: 'ignore',
        softDeleteColumn: '_deleted_at',
        schema: 'evolve',
        batch: { rows: 50_000, bytes: 16 * 1024 ** 2 },
        lock: { mode: 'exclusive', waitMs: 0, resource: 'orders', ttlSeconds: 30 },
        onError: 'stop',
      },
    ]);
  });

  it('has defaults for what is left out', () => {
    expect(load(oneSync({})).syncs[0]).toMatchObject({
      enabled: true,
      schedule: null,
      mode: 'full',
      write: 'insert',
      schema: 'evolve',
      cursor: { key: [], lookbackSeconds: 0, nulls: 'refuse' },
      batch: { rows: 50_000, bytes: 16 * 1024 ** 2 },
      lock: { mode: 'exclusive', waitMs: 0, resource: 's', ttlSeconds: 30 },
      onError: 'stop',
    });
    expect(load(oneSync({ mode: 'timestamp', cursor: { column: 'at', key: 'id' } })).syncs[0]?.write).toBe('upsert');
    expect(load(oneSync({ cron: '*/5 * * * *' })).syncs[0]?.schedule).toEqual({ cron: '*/5 * * * *', timezone: 'UTC' });
  });

  it('has all faults said at once, each at its line and column', async () => {
    const expected = await readFile(fixture('faulty.txt'), 'utf8');
    const error = await loadDefinitions(fixture('faulty.yaml')).catch((thrown: unknown) => thrown);
    if (!(error instanceof DefinitionsError)) throw error;
    expect(error.code).toBe('CONFIG_INVALID');
    expect(error.message.replaceAll(fixture('faulty.yaml'), 'faulty.yaml').split('\n')).toEqual(expected.trimEnd().split('\n'));
    expect(error.message).not.toContain('hunter2');
  });

  it('may be JSON, indented with tabs, with a byte order mark', () => {
    const text = JSON.stringify({ connections: { a: { type: 'sqlite', path: 'a.db' } }, syncs: [] }, null, '\t');
    expect(Object.keys(load(`\uFEFF${text}`).connections)).toEqual(['a']);
  });

  it('may use anchors and merged maps, and a fault in them is found', () => {
    const text = (rows: string) => `x-common: &common { batch: { rows: ${rows} }, schema: freeze }
connections: { a: &a { type: sqlite, path: a.db }, b: { <<: *a, path: b.db } }
syncs:
  - { <<: *common, name: s, source: { connection: a, table: t }, destination: { connection: b, table: t } }
`;
    expect(load(text('7')).syncs[0]).toMatchObject({ batch: { rows: 7 }, schema: 'freeze' });
    expect(faultsOf(text('none'))).toMatchObject([{ path: 'syncs[0].batch.rows', line: 1, column: 36, message: 'has to be a number, not a text' }]);
  });

  it.each([
    ['', 'is empty'],
    ['# nothing\n', 'is empty'],
    ['a: 1\na: 2', 'this field stands twice in the same object'],
    ['syncs: []\n---\nsyncs: []', 'a second document begins here: put everything into one, without a line of ---'],
    ['syncs: [', 'Flow sequence in block collection must be sufficiently indented and end with a ]'],
    ['syncs: *missing', 'an alias refers to no anchor before it; a text that begins with * has to stand in quotes'],
    ['syncs: !list []', 'a text that begins with ! has to stand in quotes'],
    ['just text', 'has to be an object with the fields connections and syncs'],
    ['- 1\n- 2', 'has to be an object with the fields connections and syncs'],
    ['syncs: {}', 'has to be a list'],
    ['connections: []', 'has to be an object: name → connection'],
    ['connections: { "__proto__": { type: sqlite, path: a.db } }', 'cannot be used as a name'],
    [oneSync({}).replace('name: s', 'name: s\n    columns: { rename: { "__proto__": x } }'), 'cannot be used as a name'],
  ])('%j is refused', (text, message) => {
    expect(faultsOf(text).map((fault) => fault.message)).toContain(message);
  });

  it.each([
    '*hunter2',
    '!hunter2',
    '&hunter2',
    '@hunter2',
    '%hunter2',
    '|hunter2',
    '"hunter2',
    "'hunter2",
    '"x" hunter2',
    '"\\hunter2"',
    '[hunter2',
    '{hunter2: ',
    'a: hunter2',
    '`hunter2`',
    '${hunter2}',
    '${env:hunter2 }',
    '>hunter2 x\n  y',
  ])('repeats nothing of a password that was written as %s', (written) => {
    const places = [
      `connections: { a: { type: mysql, host: h, password: ${written} } }`,
      `connections:\n  a:\n    type: mysql\n    host: h\n    password: ${written}\n    prot: 1\n`,
    ];
    for (const place of places) expect(said(place).join('\n')).not.toContain('hunter2');
    expect(places.flatMap(said)).not.toEqual([]);
  });

  it('tells a colon without a blank, and not what follows it', () => {
    expect(said('connections: { a: { type: mysql, host: h, password:hunter2 } }')).toEqual([
      'connections.a["password:…"]: is no field here: put a blank after the colon',
    ]);
  });

  it('bounds aliases that multiply', () => {
    const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]'];
    for (let level = 1; level < 9; level++)
      lines.push(
        `a${level}: &a${level} [${Array(10)
          .fill(`*a${level - 1}`)
          .join(', ')}]`,
      );
    expect(faultsOf(lines.join('\n')).map(({ message }) => message)).toEqual(['aliases multiply beyond bounds: write out what they stand for']);
  });

  it('tells values that YAML reads otherwise than meant', () => {
    expect(said(oneSync({}).replace('name: s', 'name: 2024'))).toEqual(['syncs[0].name: has to be a text, not a number: put it in quotes']);
    expect(said(oneSync({}).replace('name: s', 'name: s\n    enabled: no'))).toEqual([
      'syncs[0].enabled: has to be true or false, not a text: write true or false, without quotes',
    ]);
    expect(said(oneSync({}).replace('name: s', 'name: s\n    columns:'))).toEqual(['syncs[0].columns: is empty: give it a value, or leave the field out']);
  });
});

describe('the place of the file', () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'idra-config-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it.each([
    ['missing.yaml', 'is not there'],
    ['.', 'is a folder: name the file in it'],
    ['big.yaml', 'is 10485761 bytes long: definitions of more than 10 MB are not read'],
    ['binary.yaml', 'is not UTF-8 text'],
  ])('%s', async (name, message) => {
    await writeFile(join(folder, 'big.yaml'), Buffer.alloc(10 * 1024 ** 2 + 1, '#'));
    await writeFile(join(folder, 'binary.yaml'), Buffer.from([0x61, 0xff, 0xfe]));
    await expect(loadDefinitions(join(folder, name))).rejects.toMatchObject({ code: 'CONFIG_INVALID', faults: [{ message }] });
  });

  it('names the files it looks for', async () => {
    const before = process.cwd();
    process.chdir(folder);
    try {
      await expect(loadDefinitions()).rejects.toThrow(/syncs\.yaml, syncs\.yml, syncs\.json/);
      await writeFile('syncs.json', oneSync({}));
      expect((await loadDefinitions()).origin).toBe('syncs.json');
    } finally {
      process.chdir(before);
    }
  });
});
