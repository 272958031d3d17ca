import { describe, expect, it } from 'vitest';
import { Redactor } from '../../lib/config/redactor.ts';
import { createResolver } from '../../lib/config/secrets.ts';
import { createOpener } from '../../lib/connectors/open.ts';
import { load } from './support.ts';

const definitions = load(`connections:
  shop: { type: postgres, host: "\${env:HOST}", port: "\${env:PORT}", user: app, password: "\${env:PW}", maxConcurrent: 3 }
  byUrl: { type: postgres, url: "\${env:URL}" }
  literal: { type: mysql, host: h, password: hunter2 }
`);

function opener(environment: Record<string, string>) {
  const redactor = new Redactor();
  return { open: createOpener(definitions, { resolver: createResolver({ redactor, environment }) }), redactor };
}

describe('opening a connection', () => {
  it('resolves its references, text into numbers where a number is wanted', async () => {
    const { open, redactor } = opener({ HOST: 'db1', PORT: '5433', PW: '12345678' });
    const opened = await open('shop');
    expect(opened.connection).toMatchObject({ type: 'postgres', host: 'db1', port: 5433, user: 'app', password: '12345678' });
    expect(opened).toMatchObject({ system: 'postgres', maxConcurrent: 3, capabilities: { destination: { guarantee: 'exactly-once effect' } } });
    expect(typeof opened.connector.openSource).toBe('function');
    expect(redactor.redact('db1 5433 12345678')).toBe('db1 5433 ***');
  });

  it('keeps passwords out of sight, wherever they come from', async () => {
    const { open, redactor } = opener({ URL: 'postgres://app:s3cret@db1/shop' });
    await open('byUrl');
    await open('literal');
    expect(redactor.redact('s3cret hunter2 db1')).toBe('*** *** db1');
  });

  it('says which field has no value, or does not fit', async () => {
    const missing = opener({ PORT: '5433', PW: 'x' });
    await expect(missing.open('shop')).rejects.toMatchObject({
      code: 'SECRET_UNRESOLVED',
      message: 'Connection "shop", host: ${env:HOST} has no value: the environment variable is not set.',
    });
    const wrong = opener({ HOST: 'db1', PORT: 'hunter2', PW: 'x' });
    await expect(wrong.open('shop')).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: 'Connection "shop" does not fit once its references are resolved: port has to be a number, not a text.',
    });
    const notUrl = opener({ URL: 'hunter2' });
    await expect(notUrl.open('byUrl')).rejects.toThrow(/url has to begin with postgres/);
    await expect(notUrl.open('shopp')).rejects.toThrow(/no connection "shopp"/);
    await expect(notUrl.open('toString')).rejects.toThrow(/no connection/);
  });
});
