/** The requests and responses of etcd's v3 API that are used, in the form that etcd3's proto loader gives them: 64-bit integers as text, bytes as Buffers. */
import type { KeyValue, Op, Txn, TxnResult } from '../kv.ts';
import { prefixEnd } from '../kv-rules.ts';

export interface WireKeyValue {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly create_revision: string;
  readonly mod_revision: string;
  readonly lease: string;
}

export interface WireTxnResponse {
  readonly header: { readonly revision: string };
  readonly succeeded: boolean;
  readonly responses: readonly { readonly response_range?: { readonly kvs: readonly WireKeyValue[] } }[];
}

/** Numbers of etcd's enumerations: CompareResult.EQUAL, CompareTarget.CREATE and MOD. */
const equal = 0;
const targets = { create: 1, mod: 2 } as const;

export function txnRequest(txn: Txn, prefix: string): object {
  const bytes = (key: string): Buffer => Buffer.from(prefix + key);
  const request = (op: Op): object => {
    if (op.op === 'put') return { request_put: { key: bytes(op.key), value: Buffer.from(op.value), lease: op.lease ?? '0' } };
    if (op.op === 'delete') return { request_delete_range: { key: bytes(op.key) } };
    // A zero byte as the end means: to the last key of all.
    const end = op.prefix === true ? { range_end: Buffer.from(prefixEnd(prefix + op.key) ?? '\0') } : {};
    // An empty key is not allowed; as the begin of a range it is a zero byte.
    return { request_range: { key: op.prefix === true && prefix + op.key === '' ? Buffer.from('\0') : bytes(op.key), ...end, limit: op.limit ?? 0 } };
  };
  return {
    compare: txn.compare.map(({ key, target, equals }) => ({
      key: bytes(key),
      result: equal,
      target: targets[target],
      [`${target}_revision`]: String(equals),
    })),
    success: txn.success.map(request),
    failure: (txn.failure ?? []).map(request),
  };
}

export function txnResult({ header, succeeded, responses }: WireTxnResponse, prefix: string): TxnResult {
  const results = responses.map(({ response_range }) => (response_range?.kvs ?? []).map((kv) => keyValue(kv, prefix)));
  return { succeeded, results, revision: BigInt(header.revision) };
}

function keyValue({ key, value, create_revision, mod_revision, lease }: WireKeyValue, prefix: string): KeyValue {
  return {
    key: key.toString().slice(prefix.length),
    value: value.toString(),
    createRevision: BigInt(create_revision),
    modRevision: BigInt(mod_revision),
    lease,
  };
}
