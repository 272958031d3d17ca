/** The services of etcd that are built into a bundle are those that the loader of @grpc makes of the same protocol. */
import { createRequire } from 'node:module';
import path from 'node:path';
import { expect, it } from 'vitest';
import { fromJSON } from '../../tools/bundle/etcd-services.ts';

interface Method {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly originalName: string;
  requestSerialize(message: object): Uint8Array;
  responseSerialize(message: object): Uint8Array;
  responseDeserialize(bytes: Uint8Array): object;
}
type Services = Readonly<Record<string, Readonly<Record<string, Method>>>>;

const etcd3 = createRequire(createRequire(import.meta.url).resolve('etcd3'));
const loader = etcd3('@grpc/proto-loader') as typeof import('@grpc/proto-loader');
const protobuf = createRequire(etcd3.resolve('@grpc/proto-loader'))('protobufjs') as typeof import('protobufjs');
/** As etcd3 asks for them. */
const options = { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true };

it('has the same services and methods, which write and read the same bytes', () => {
  const proto = new protobuf.Root();
  proto.loadSync(path.join(path.dirname(etcd3.resolve('etcd3')), '../proto/rpc.proto'), { keepCase: true });
  proto.resolveAll();
  const ours = fromJSON(proto.toJSON(), options) as Services;
  const all = loader.fromJSON(proto.toJSON(), options);
  const theirs = Object.fromEntries(Object.entries(all).filter(([, each]) => !('format' in each))) as unknown as Services;
  expect(Object.keys(theirs)).toContain('etcdserverpb.KV');
  expect(Object.keys(ours)).toEqual(Object.keys(theirs));
  for (const [service, methods] of Object.entries(theirs)) {
    expect(Object.keys(ours[service] ?? {})).toEqual(Object.keys(methods));
    for (const [name, method] of Object.entries(methods)) {
      const { path: at, requestStream, responseStream, originalName } = method;
      expect(ours[service]?.[name], name).toMatchObject({ path: at, requestStream, responseStream, originalName });
      const empty = method.responseSerialize({});
      expect(ours[service]?.[name]?.responseDeserialize(empty), name).toEqual(method.responseDeserialize(empty));
    }
  }
  const [mine, range] = [ours['etcdserverpb.KV']?.Range, theirs['etcdserverpb.KV']?.Range];
  const request = { key: Buffer.from('k'), range_end: Buffer.from('l'), revision: '9007199254740993', sort_order: 'DESCEND', keys_only: true };
  expect(mine?.requestSerialize(request)).toEqual(range?.requestSerialize(request));
  const bytes = range?.responseSerialize({ kvs: [{ key: Buffer.from('k'), mod_revision: '9007199254740993', value: Buffer.from([0, 255]) }], count: '1' });
  expect(mine?.responseDeserialize(bytes ?? Buffer.alloc(0))).toEqual(range?.responseDeserialize(bytes ?? Buffer.alloc(0)));
  expect(mine?.responseDeserialize(bytes ?? Buffer.alloc(0))).toMatchObject({ kvs: [{ mod_revision: '9007199254740993' }], count: '1' });
});
