import { describe, expect, it } from 'vitest';
import { sourceLine } from '../../lib/config/source-line.ts';

describe('a line that is shown', () => {
  it.each([
    ['connections.a.hots', 'a: { type: mysql, hots: h, password: hunter2, user: u }', 'a: { type: mysql, hots: *, password: *******, user: u }'],
    ['connections.a.pasword', '    pasword: hunter2 and more', '    pasword: ****************'],
    ['connections.a.port', '{"type":"mysql","password":"hun\\"ter2","port":"x"}', '{"type":"mysql","password":"*********","port":"x"}'],
    ['connections.a.port', 'password: "${env:PW}", port: x', 'password: "${env:PW}", port: x'],
    ['connections.a.url', 'url: "postgres://app:hunter2@db1/shop"', 'url: "postgres://app:*******@db1/shop"'],
    ['connections.a.url', 'url: "postgres://app:${env:PW}@db1/shop"', 'url: "postgres://app:${env:PW}@db1/shop"'],
    [
      '[0].source_connector.connection_string',
      '"connection_string": "host=h user=u password=hunter2"',
      '"connection_string": "******************************"',
    ],
    ['[0].mode', '"connection_string":"root:hunter2@tcp(h)/d","mode":"x"', '"connection_string":"*********************","mode":"x"'],
    ['', 'password: "hunter2', 'password: "*******'],
    ['', "dsn = root:hunter2@tcp(h)/d and password='hunter2'", "dsn = root:*******@tcp(h)/d and password='*******'"],
    ['syncs[0].mask.a', 'mask: { a: blur, phone: redact }', 'mask: { a: blur, phone: redact }'],
    ['syncs[0].cursor.key', 'cursor: { column: at, key: id }', 'cursor: { column: at, key: id }'],
    ['syncs[0].source', 'source: { connection: a, table: "public.orders" }', 'source: { connection: a, table: "public.orders" }'],
  ])('%s: %s', (path, line, shown) => {
    const covered = sourceLine(line, path);
    expect(covered).toBe(shown);
    expect(covered).toHaveLength(line.length);
    expect(covered).not.toContain('hunter2');
  });

  it('takes no longer for a long word than for many', { timeout: 5000 }, () => {
    const line = `password: hunter2, ${'a'.repeat(5_000_000)}`;
    expect(sourceLine(line, '').slice(0, 20)).toBe('password: *******, a');
  });
});
