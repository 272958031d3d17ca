import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Redactor } from '../../lib/config/redactor.ts';

describe('the redactor', () => {
  it('masks a secret in every form it is written in', () => {
    const redactor = new Redactor();
    redactor.add(`it's "a" b@c`);
    for (const form of [
      `it's "a" b@c`,
      `it''s "a" b@c`,
      "it's%20%22a%22%20b%40c",
      "it's+%22a%22+b%40c",
      "it's%20%22a%22%20b%40c".toLowerCase(),
      JSON.stringify(`it's "a" b@c`).slice(1, -1),
    ]) {
      expect(redactor.redact(`before ${form} after`)).toBe('before *** after');
    }
  });

  it('masks passwords in addresses, known or not', () => {
    const redactor = new Redactor();
    expect(redactor.redact('postgres://app:pw@db1:5432/shop failed')).toBe('postgres://app:***@db1:5432/shop failed');
    expect(redactor.redact('mongodb://:x@h and https://h/p?user=u&password=abc&z=1')).toBe('mongodb://:***@h and https://h/p?user=u&password=***&z=1');
    expect(redactor.redact('http://localhost:2379 and a@b.example')).toBe('http://localhost:2379 and a@b.example');
  });

  it('knows the passwords of an address by themselves, decoded and not', () => {
    const redactor = new Redactor();
    redactor.add('postgres://app:s%40cret@db1/shop');
    expect(redactor.redact('user app, password s@cret (s%40cret), host db1')).toBe('user app, password *** (***), host db1');
  });

  it('masks the longer of two secrets whole', () => {
    const redactor = new Redactor();
    redactor.add('secret');
    redactor.add('secret-and-more');
    expect(redactor.redact('secret-and-more secret')).toBe('*** ***');
  });

  it('walks through reports', () => {
    const redactor = new Redactor();
    redactor.add('hunter2');
    const at = new Date(0);
    expect(redactor.redactAll({ error: { message: 'no hunter2', code: 'X' }, list: ['hunter2', 1, null], at })).toEqual({
      error: { message: 'no ***', code: 'X' },
      list: ['***', 1, null],
      at,
    });
  });

  it('leaves no trace of any secret of four characters or more', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 4 }), fc.string(), fc.string(), (secret, before, after) => {
        const redactor = new Redactor();
        redactor.add(secret);
        fc.pre(!'***'.includes(secret) && !/^[a-z][a-z0-9+.-]*:\/\//i.test(secret));
        const text = redactor.redact(`${before}\n${secret}\n${after}`);
        expect(text.split('***').join('').includes(secret)).toBe(false);
      }),
    );
  });
});
