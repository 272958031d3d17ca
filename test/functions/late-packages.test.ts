/** What a bundle keeps apart from the drivers' code works as it is asked for, and what functions leave out says so. */
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { beforeAll, describe, expect, it } from 'vitest';
import { latePackages } from '../../tools/bundle/late-packages.ts';
import { lighterZod } from '../../tools/bundle/lighter-zod.ts';
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.ts';
import { type BundledModules, bundledModules } from './bundled-modules.ts';

const entries = {
  packet: 'mysql2/lib/packets/packet.js',
  tedious: 'tedious/lib/tedious.js',
  varchar: 'tedious/lib/data-types/varchar.js',
  text: 'mysql2/lib/parsers/string.js',
  compressed: 'mysql2/lib/compressed_protocol.js',
  mysql: 'mysql2/index.js',
  zod: 'zod/v4/index.js',
};

interface Packet {
  readHeader?(): void;
  asError(encoding: string): { code?: string; errno?: number };
}
type PacketClass = new (id: number, buffer: Buffer, start: number, end: number) => Packet;
interface Varchar {
  validate(value: string, collation: { codepage: string }): Buffer;
}
interface Text {
  decode(buffer: Buffer, encoding: string, start: number, end: number): string;
}

describe('packages that stand apart', () => {
  let folder: TemporaryFolder;
  let bundled: BundledModules<keyof typeof entries>['bundled'];
  let original: BundledModules<keyof typeof entries>['original'];

  beforeAll(async () => {
    folder = await temporaryFolder();
    ({ bundled, original } = await bundledModules(entries, { outdir: folder.path, plugins: [lighterZod()] }));
    return () => folder[Symbol.asyncDispose]();
  }, 60_000);

  it('MySQL has the same names for the same errors', async () => {
    const error = (Packet: PacketClass, code: number) => {
      const body = Buffer.concat([Buffer.from([0, 0, 0, 0, 0xff, code & 0xff, code >> 8]), Buffer.from('#23000Duplicate')]);
      const packet = new Packet(0, body, 0, body.length);
      return packet.asError('utf8').code;
    };
    const [ours, theirs] = [await bundled<PacketClass>('packet'), original<PacketClass>('packet')];
    expect(error(theirs, 1062)).toBe('ER_DUP_ENTRY');
    for (const code of [1000, 1062, 1205, 1213, 3572, 4031]) expect(error(ours, code), String(code)).toBe(error(theirs, code));
  });

  it('texts are turned into the same bytes of a code page, and read from them', async () => {
    const [ours, theirs] = [await bundled<Varchar>('varchar'), original<Varchar>('varchar')];
    for (const [value, codepage] of [
      ['żółw', 'CP1250'],
      ['日本語', 'CP932'],
      ['中文', 'CP936'],
    ] as const) {
      const bytes = theirs.validate(value, { codepage });
      expect(ours.validate(value, { codepage })).toEqual(bytes);
      expect((await bundled<Text>('text')).decode(bytes, codepage, 0, bytes.length)).toBe(value);
    }
  });

  it('modules of Node come as they are used', async () => {
    const { enableCompression } = await bundled<{ enableCompression(connection: object): void }>('compressed');
    const packets: Buffer[] = [];
    const connection = { compressedSequenceId: 0, _bumpCompressedSequenceId() {}, write: (packet: Buffer) => void packets.push(packet) };
    enableCompression(connection);
    connection.write(Buffer.alloc(4000, 'a'));
    expect(Buffer.concat(packets).length).toBeGreaterThan(7);
    expect(Buffer.concat(packets).length).toBeLessThan(100);
  });

  it('MySQL connects, and has neither pools nor servers', async () => {
    const mysql = await bundled<{
      createConnection(options: object): { destroy(): void; on(event: 'error', listener: () => void): void };
      createPool: { length: number };
    }>('mysql');
    const connection = mysql.createConnection({ host: '127.0.0.1', port: 1 });
    connection.on('error', () => {});
    connection.destroy();
    expect(() => mysql.createPool.length).toThrow('./lib/create_pool.js was left out of this bundle, and is needed for length');
  });

  it('each lies in a file of its own', async () => {
    expect((await readdir(folder.path)).filter((name) => name.endsWith('.cjs')).sort()).toEqual(['iconv-lite.cjs', 'js-joda.cjs', 'mysql2-errors.cjs']);
  });

  it('a schema parses as ever, and has no JSON Schema', async () => {
    const { z } = (await import(pathToFileURL(join(folder.path, 'zod.js')).href)) as typeof import('zod');
    const schema = z
      .strictObject({ port: z.int().min(1).describe('Port.').default(5), name: z.string().min(2).max(4).optional().describe('Name.') })
      .describe('All.');
    expect(schema.parse({ name: 'abc' })).toEqual({ port: 5, name: 'abc' });
    expect(schema.safeParse({ port: 0, other: 1 }).error?.issues.map(({ code }) => code)).toEqual(['too_small', 'unrecognized_keys']);
    expect(schema['~standard'].vendor).toBe('zod');
    expect(schema.shape.name.unwrap().maxLength).toBe(4);
    expect(() => schema.toJSONSchema()).toThrow('JSON Schemas were left out of this bundle');
    expect(() => z.string().email()).toThrow('email of zod was left out of this bundle');
    expect(() => z.toJSONSchema(schema)).toThrow('JSON Schemas were left out of this bundle');
  });

  it('a driver that asks for them otherwise fails the build', async () => {
    const file = join(folder.path, 'node_modules/mysql2/lib/connection.js');
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, 'module.exports = 1;');
    const building = build({
      ...{
        absWorkingDir: folder.path,
        entryPoints: [file],
        outdir: folder.path,
        bundle: true,
        write: false,
        metafile: true,
        platform: 'node',
        logLevel: 'silent',
      },
      plugins: [latePackages()],
    });
    await expect(building).rejects.toThrow(/mysql2 no longer asks for iconv-lite as this build knows it/);
  });
});
