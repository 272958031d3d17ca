import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatDuration } from '../../lib/config/duration.ts';
import { fromStored, toStored } from '../../lib/config/store.ts';
import { load, oneSync } from './support.ts';

describe('definitions in the store', () => {
  it('come back as they were', () => {
    const fields = fc.record(
      {
        enabled: fc.boolean(),
        schema: fc.constantFrom('evolve', 'freeze'),
        onError: fc.constantFrom('stop', 'deadLetter'),
        where: fc.constant("a > 'x'"),
        every: fc.integer({ min: 1000, max: 1e9 }).map(formatDuration),
        batch: fc.record({ rows: fc.integer({ min: 1, max: 1e6 }), bytes: fc.integer({ min: 1024, max: 1e9 }) }, { requiredKeys: [] }),
        lock: fc.record(
          { mode: fc.constantFrom('exclusive', 'shared'), wait: fc.nat(1e7).map(formatDuration), resource: fc.constant('r') },
          { requiredKeys: [] },
        ),
        mode: fc.constantFrom('id', 'timestamp', 'lastDestinationId'),
        write: fc.constant('upsert'),
        columns: fc.constantFrom({ rename: { a: 'b' } }, { include: ['id', 'k', 'a'] }, { exclude: ['z'] }),
        mask: fc.constant({ a: null }),
        key: fc.constantFrom('k', ['k', 'id']),
      },
      { requiredKeys: ['mode', 'write'] },
    );
    fc.assert(
      fc.property(fields, (sync) => {
        const { warnings: _, origin: __, ...definitions } = load(oneSync({ cursor: { column: 'id', key: ['k'] }, ...sync }));
        const { definitions: back, broken } = fromStored(toStored({ ...definitions, origin: 'file' }), 'etcd');
        expect(broken.size).toBe(0);
        expect({ connections: back.connections, syncs: back.syncs }).toEqual(definitions);
      }),
      { numRuns: 50 },
    );
  });

  it('hold references and no secret', () => {
    const text = (password: string) =>
      `connections: { a: { type: postgres, host: h, password: "${password}", maxConcurrent: 2 }, b: { type: postgres, url: "postgres://u:${password}@h/d" } }`;
    const stored = toStored(load(text('${env:PW}')));
    expect(stored.map(({ kind, name, text: json }) => [kind, name, JSON.parse(json)])).toEqual([
      ['connections', 'a', { type: 'postgres', host: 'h', password: '${env:PW}', maxConcurrent: 2 }],
      ['connections', 'b', { type: 'postgres', url: 'postgres://u:${env:PW}@h/d' }],
    ]);
    const literal = load(text('hunter2'));
    expect(literal.warnings.map(({ path }) => path)).toEqual(['connections.a.password', 'connections.b.url']);
    expect(() => toStored(literal)).toThrow(/^connections\.a\.password, connections\.b\.url: hold a secret in plain text/);
    expect(() => toStored(literal)).not.toThrow(/hunter2/);
  });

  it('are refused one by one: a bad one stops itself alone', () => {
    const connection = (name: string, type = 'sqlite') => ({ kind: 'connections' as const, name, text: JSON.stringify({ type, path: `${name}.db` }) });
    const sync = (name: string, fields: object = {}) => ({
      kind: 'syncs' as const,
      name,
      text: JSON.stringify({ name, source: { connection: 'a', table: 't' }, destination: { connection: 'b', table: name }, ...fields }),
    });
    const { definitions, broken } = fromStored(
      [
        connection('a'),
        connection('b'),
        connection('odd', 'postgress'),
        sync('good'),
        sync('mode', { mode: 'stream' }),
        { ...sync('broken'), text: '{' },
        sync('needs-odd', { source: { connection: 'odd', table: 't' } }),
        sync('needs-none', { source: { connection: 'none', table: 't' } }),
        { ...sync('renamed'), text: sync('other').text },
        sync('replacing', { write: 'replace', destination: { connection: 'b', table: 'good' } }),
      ],
      'etcd',
    );
    expect(definitions.syncs.map(({ name }) => name)).toEqual(['good']);
    expect(Object.keys(definitions.connections)).toEqual(['a', 'b']);
    const reasons = Object.fromEntries([...broken].map(([name, error]) => [name, error.faults.map(({ file, path, message }) => `${file} ${path} ${message}`)]));
    expect(reasons).toEqual({
      mode: [expect.stringMatching(/^etcd syncs\/mode mode sqlite as a source has no mode stream/)],
      broken: [expect.stringMatching(/^etcd syncs\/broken {2}/)],
      'needs-odd': ['etcd connections/odd type no connector has the type "postgress"; did you mean "postgres"?'],
      'needs-none': [expect.stringMatching(/source\.connection there is no connection "none"/)],
      renamed: ['etcd syncs/renamed name has to be "renamed", under which it is stored'],
      replacing: ['etcd syncs/replacing write replace removes what "good" writes to the same place'],
    });
  });
});
