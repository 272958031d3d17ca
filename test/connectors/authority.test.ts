/** A certificate authority that nothing is checked against would look like safety and be none. */
import { expect, it } from 'vitest';
import { resolveSettings as mysql } from '../../lib/connectors/mysql/settings.ts';
import { resolveSettings as postgres } from '../../lib/connectors/postgres/settings.ts';

const sslCa = '-----BEGIN CERTIFICATE-----';
const refused = { code: 'CONFIG_INVALID', message: expect.stringContaining('verify-full') };

it.each([undefined, 'disable', 'require'] as const)('sslCa beside ssl %s is refused, which would not check it', async (mode) => {
  const ssl = mode === undefined ? {} : { ssl: mode };
  await expect(mysql({ type: 'mysql', host: 'h', sslCa, ...ssl })).rejects.toMatchObject(refused);
  await expect(postgres({ type: 'postgres', host: 'h', sslCa, ...ssl })).rejects.toMatchObject(refused);
});

it('so is the one in the address, and verify-full and verify-ca take it', async () => {
  await expect(postgres({ type: 'postgres', url: 'postgres://h/d?sslmode=require&sslrootcert=/ca.pem' })).rejects.toMatchObject(refused);
  const verified = { mode: 'force', options: { ca: sslCa, rejectUnauthorized: true } };
  expect((await postgres({ type: 'postgres', url: 'postgres://h/d?sslmode=verify-ca', sslCa })).tls).toMatchObject(verified);
  expect((await postgres({ type: 'postgres', host: 'h', ssl: 'verify-full', sslCa })).tls).toMatchObject(verified);
  expect((await mysql({ type: 'mysql', host: 'h', ssl: 'verify-full', sslCa })).tls).toEqual({ ca: sslCa, rejectUnauthorized: true, verifyIdentity: true });
});
