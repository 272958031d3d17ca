import { randomUUID } from 'node:crypto';

let last = 0n;

/**
 * A UUID that sorts by when it was made: version 7 of RFC 9562, its milliseconds and the twelve bits behind them as one number that only rises. Of several rows of one key that were set aside in one
 * batch, the last is the one that has to be written last.
 */
export function letterId(): string {
  const now = BigInt(Date.now()) << 12n;
  last = now > last ? now : last + 1n;
  const digits = last.toString(16).padStart(15, '0');
  return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-7${digits.slice(12)}-${randomUUID().slice(19)}`;
}
