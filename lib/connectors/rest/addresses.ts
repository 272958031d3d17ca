/** Which addresses may be reached. Decided on the address that is connected to, not on a name that may answer otherwise the next time (DNS rebinding). */
import { lookup as resolve } from 'node:dns';
import type { LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';
import { buildConnector } from 'undici';
import { SyncError } from '../../errors.ts';

/** Cloud metadata services that answer under a public-looking address: Alibaba Cloud's, and AWS's over IPv6. */
const metadata = new Set(['100.100.100.200', 'fd00:ec2::254', '192.0.0.192', '168.63.129.16']);

/** What an address is when it is no public one; null for public unicast. Addresses that carry an IPv4 address within (mapped, NAT64, 6to4) are judged by it. */
export function reservedRange(text: string): string | null {
  const bare = text.split('%')[0] ?? '';
  if (!ipaddr.isValid(bare)) return 'unreadable';
  let address = ipaddr.parse(bare);
  const range = address.range();
  if (address instanceof ipaddr.IPv6) {
    const inner = innerIpv4(address, range);
    if (inner !== null) address = inner;
  }
  if (address.toString() === '169.254.169.254' || metadata.has(address.toString()) || metadata.has(bare)) return 'metadata service';
  const found = address.range();
  return found === 'unicast' ? null : found;
}

function innerIpv4(address: ipaddr.IPv6, range: string): ipaddr.IPv4 | null {
  if (range === 'ipv4Mapped') return address.toIPv4Address();
  const bytes = address.toByteArray();
  // RFC 6052 (64:ff9b::/96), RFC 6145 (::ffff:0:a.b.c.d) and the deprecated ::a.b.c.d end in the address; 6to4 (RFC 3056) has it behind 2002
  if (range === 'rfc6052' || range === 'rfc6145') return new ipaddr.IPv4(bytes.slice(12));
  if (range === '6to4') return new ipaddr.IPv4(bytes.slice(2, 6));
  if (bytes.slice(0, 12).every((byte) => byte === 0) && range === 'unicast') return new ipaddr.IPv4(bytes.slice(12));
  return null;
}

export function refusePrivate(host: string, address: string): SyncError | null {
  const range = reservedRange(address);
  if (range === null) return null;
  return new SyncError(
    'PERMISSION_DENIED',
    `${host} is at ${address}, which is no public address (${range}). Set allowPrivate: true in the connection if it is meant to be reached.`,
  );
}

export type Resolver = typeof resolve;

/** A connector for undici that connects only to addresses it has checked itself. */
export function guardedConnector(options: {
  readonly allowPrivate: boolean;
  readonly timeoutMs: number;
  readonly resolver?: Resolver;
}): buildConnector.connector {
  const { allowPrivate, timeoutMs, resolver = resolve } = options;
  const lookup: LookupFunction = (host, asked, callback) => {
    resolver(host, { ...asked, all: true }, (error, found) => {
      if (error !== null) return callback(error, '', 0);
      // One forbidden answer among several is reason enough: the system would fall back to it
      for (const { address } of allowPrivate ? [] : found) {
        const refused = refusePrivate(host, address);
        if (refused !== null) return callback(refused, '', 0);
      }
      const [first] = found;
      if (first === undefined) return callback(Object.assign(new Error('no address'), { code: 'ENOTFOUND' }), '', 0);
      if (asked.all === true) return callback(null, found);
      callback(null, first.address, first.family);
    });
  };
  const connect = buildConnector({ timeout: timeoutMs, allowH2: false, lookup });
  return (target, callback) => {
    // A literal address never comes to a lookup
    const host = target.hostname.replace(/^\[|\]$/g, '');
    const refused = allowPrivate || !ipaddr.isValid(host) ? null : refusePrivate(host, host);
    if (refused !== null) callback(refused, null);
    else connect(target, callback);
  };
}
