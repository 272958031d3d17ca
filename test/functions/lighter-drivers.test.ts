/** What a bundle puts in the place of files of drivers does what they do. */
import { mkdir, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';
import { beforeAll, describe, expect, it } from 'vitest';
import { lighterDrivers } from '../../tools/bundle/lighter-drivers.ts';
import { unusedPackages } from '../../tools/bundle/unused-packages.ts';
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.ts';
import { type BundledModules, bundledModules } from './bundled-modules.ts';

const require = createRequire(import.meta.url);
const entries = {
  temporal: 'tedious/lib/data-types/temporal.js',
  datetime: 'tedious/lib/data-types/datetime.js',
  bl: createRequire(require.resolve('tedious'))
    .resolve('bl')
    .replace(/^.*?[\\/]node_modules[\\/]/, ''),
  mssql: 'mssql/index.js',
} as const;

interface Temporal {
  daysSinceYearOne(date: Date, useUTC: boolean): number;
}
interface DateTime {
  writeValue(buffer: object, parameter: { value: Date }, options: { useUTC: boolean }): void;
}
interface BufferList {
  append(piece: Buffer): void;
  consume(bytes: number): void;
  slice(): Buffer;
}

describe('files of drivers that a bundle replaces', () => {
  let folder: TemporaryFolder;
  let bundled: BundledModules<keyof typeof entries>['bundled'];
  let original: BundledModules<keyof typeof entries>['original'];

  beforeAll(async () => {
    folder = await temporaryFolder();
    const modules = await bundledModules(entries, { outdir: folder.path });
    ({ bundled, original } = modules);
    expect(Object.keys(modules.metafile.inputs).filter((input) => /readable-stream|[\\/]mssql[\\/]lib[\\/](base|tedious)[\\/]request/.test(input))).toEqual([]);
    return () => folder[Symbol.asyncDispose]();
  }, 60_000);

  it('mssql gives its pool, with the settings that it has, and no requests', async () => {
    interface Sql {
      ConnectionPool: new (settings: object) => { config: { options: object }; request(): unknown };
    }
    const settings = { server: 'db.internal', user: 'idra', password: 'x', pool: { max: 1, min: 0 } };
    const pool = new (await bundled<Sql>('mssql')).ConnectionPool(settings);
    expect(pool.config).toEqual(new (original<Sql>('mssql').ConnectionPool)(settings).config);
    expect(() => pool.request()).toThrow();
  });

  it('SQL Server is sent the same dates', async () => {
    const [temporal, datetime] = [await bundled<Temporal>('temporal'), await bundled<DateTime>('datetime')];
    for (const text of ['0001-01-01', '1582-10-15', '1753-01-01', '1899-12-31', '1900-01-01', '2000-02-29', '2026-11-23', '9999-12-31'])
      for (const useUTC of [true, false]) {
        const value = new Date(`${text}T11:59:59.997Z`);
        expect(temporal.daysSinceYearOne(value, useUTC)).toBe(original<Temporal>('temporal').daysSinceYearOne(value, useUTC));
        if (text < '1753') continue;
        const written = (type: DateTime) => {
          const numbers: number[] = [];
          const write = (number: number) => void numbers.push(number);
          type.writeValue({ writeUInt8: write, writeInt32LE: write, writeUInt32LE: write }, { value }, { useUTC });
          return numbers;
        };
        expect(written(original<DateTime>('datetime'))).toHaveLength(3);
        expect(written(datetime)).toEqual(written(original<DateTime>('datetime')));
      }
  });

  it('messages of SQL Server are put together on the streams of Node', async () => {
    const list = new (await bundled<new () => BufferList & NodeJS.ReadWriteStream>('bl'))();
    list.append(Buffer.from('abc'));
    list.append(Buffer.from('defg'));
    list.consume(2);
    expect(list.slice().toString()).toBe('cdefg');
    const read: Buffer[] = [];
    for await (const piece of list) read.push(piece as unknown as Buffer);
    expect(Buffer.concat(read).toString()).toBe('cdefg');
  });

  it('a driver that looks different fails the build, and a package that was left out says so when it is used', async () => {
    const write = async (file: string, text: string) => {
      await mkdir(dirname(join(folder.path, file)), { recursive: true });
      await writeFile(join(folder.path, file), text);
    };
    const building = (entry: string) =>
      build({
        absWorkingDir: folder.path,
        entryPoints: [entry],
        bundle: true,
        write: false,
        metafile: true,
        platform: 'node',
        logLevel: 'silent',
        plugins: [lighterDrivers(), unusedPackages()],
      });
    await write('node_modules/tedious/lib/data-types/temporal.js', 'module.exports = 1;');
    await expect(building('node_modules/tedious/lib/data-types/temporal.js')).rejects.toThrow(/temporal\.js is not as this build knows it/);
    await write('node_modules/tedious/index.js', "const azure = require('@azure/identity'); module.exports = () => azure.ClientSecretCredential;");
    await write(
      'node_modules/tedious/lib/data-types/temporal.js',
      `var _core = require("@js-joda/core");\nconst YEAR_ONE = _core.LocalDate.ofYearDay(1, 1);\n`,
    );
    await expect(building('node_modules/tedious/index.js')).rejects.toThrow(/tedious is bundled, but no file of it/);
    await write('node_modules/@js-joda/core/index.js', 'module.exports = {};');
    await write('node_modules/tedious/both.js', "require('./lib/data-types/temporal.js');");
    await expect(building('node_modules/tedious/both.js')).rejects.toThrow(/no file of it is .*datetime/);
    const { outputFiles } = await build({
      absWorkingDir: folder.path,
      entryPoints: ['node_modules/tedious/index.js'],
      bundle: true,
      write: false,
      format: 'cjs',
      plugins: [unusedPackages()],
    });
    const module = { exports: () => {} };
    new Function('module', outputFiles[0]?.text ?? '')(module);
    expect(() => module.exports()).toThrow('@azure/identity was left out of this bundle, and is needed for ClientSecretCredential');
  });
});
