import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { config } from '../../lib/connectors/s3/config.ts';
import { connector } from '../../lib/connectors/s3/index.ts';
import { rowFromJson } from '../../lib/values/row-json.ts';
import type { Column, Row } from '../../lib/values/types.ts';
import { awsAccess, awsEnvironment } from '../support/aws.ts';
import { freshDatabase } from '../support/fresh.ts';

export interface S3World extends AsyncDisposable {
  readonly system: 's3';
  readonly connector: typeof connector;
  readonly config: typeof config;
  readonly connection: unknown;
  readonly client: S3Client;
  readonly bucket: string;
  put(key: string, body: string | Uint8Array): Promise<void>;
  bytes(key: string): Promise<Buffer>;
  text(key: string): Promise<string>;
  keys(prefix?: string): Promise<string[]>;
  source(path: string, more?: Record<string, unknown>): unknown;
  destination(path: string, more?: Record<string, unknown>): unknown;
}

/** A bucket of its own on the emulator, with the credentials in the environment where the SDK looks for them. */
export async function s3World(): Promise<S3World> {
  const fresh = await freshDatabase('s3');
  Object.assign(process.env, awsEnvironment(fresh.url));
  const client = new S3Client({ ...awsAccess(fresh.url), forcePathStyle: true });
  const bucket = fresh.name;
  const bytes = async (key: string): Promise<Buffer> => {
    const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
    return Buffer.from((await Body?.transformToByteArray()) ?? []);
  };
  return {
    system: 's3',
    connector,
    config,
    connection: config.connection.parse({ type: 's3', bucket, endpoint: fresh.url, region: 'us-east-1' }),
    client,
    bucket,
    bytes,
    put: async (key, body) => {
      await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body }));
    },
    text: async (key) => (await bytes(key)).toString('utf8'),
    keys: async (prefix = '') => {
      const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, MaxKeys: 1_000 }));
      return Contents.map(({ Key = '' }) => Key);
    },
    source: (path, more = {}) => config.source.parse({ path, ...more }),
    destination: (path, more = {}) => config.destination.parse({ path, ...more }),
    [Symbol.asyncDispose]: async () => {
      client.destroy();
      await fresh[Symbol.asyncDispose]();
    },
  };
}

interface Contents {
  readonly segments: { readonly key: string }[];
  readonly objects: { readonly key: string; readonly etag: string; readonly rows: number; readonly seq: string }[];
}

export interface StoredManifest {
  readonly epoch: string;
  readonly fence: string;
  readonly seq: string;
  readonly key: string[];
  readonly live: Contents;
  readonly next: Contents | null;
  readonly retired: Contents[];
}

export async function manifestOf(world: S3World, path: string): Promise<StoredManifest> {
  const keys = (await world.keys(`${path}_idra/`)).filter((key) => key.endsWith('/manifest.json'));
  if (keys.length !== 1) throw new Error(`${keys.length} manifests under ${path}`);
  return JSON.parse(await world.text(keys[0] ?? ''));
}

/** The objects that a reader goes by. */
export async function listed(world: S3World, path: string): Promise<Contents['objects']> {
  const found: Contents['objects'] = [];
  for (const key of (await world.keys(`${path}_idra/`)).filter((each) => each.endsWith('/manifest.json'))) {
    const { live } = JSON.parse(await world.text(key)) as StoredManifest;
    for (const segment of live.segments) found.push(...(JSON.parse(await world.text(segment.key)) as Contents).objects);
    found.push(...live.objects);
  }
  return found;
}

export async function unpacked(world: S3World, key: string): Promise<string> {
  const bytes = await world.bytes(key);
  return (key.endsWith('.gz') ? gunzipSync(bytes) : key.endsWith('.zst') ? zstdDecompressSync(bytes) : bytes).toString('utf8');
}

/** Rows of JSON Lines by the manifest, in order; with a key the last of each, as an upsert means it. */
export async function readManifest(world: S3World, path: string, columns: readonly Column[]): Promise<Row[]> {
  const rows: Row[] = [];
  for (const { key, rows: count } of await listed(world, path)) {
    const lines = (await unpacked(world, key)).split('\n').slice(0, -1);
    if (lines.length !== count) throw new Error(`${key} has ${lines.length} rows, the manifest says ${count}`);
    for (const line of lines) rows.push(rowFromJson(columns, line));
  }
  const keys = (await manifestOf(world, path).catch(() => null))?.key ?? [];
  if (keys.length === 0) return rows;
  const newest = new Map(rows.map((row) => [JSON.stringify(keys.map((name) => String(row[columns.findIndex((column) => column.name === name)]))), row]));
  return [...newest.values()];
}
