import { describe, expect, it } from 'vitest';
import { ask, Broker, type Outcome, type Recipes } from '../support/harness/broker.ts';
import { lines } from '../support/harness/reporter.ts';
import { missing, required } from '../support/harness/required.ts';
import { type Backend, backends, type Recipe } from '../support/servers/recipe.ts';

function recipes(started: string[]): Recipes {
  const make = (backend: Backend): Recipe => ({
    backend,
    version: async () => `${backend} 1.0`,
    program: async () => {
      started.push(backend);
      if (backend === 'mysql') return 'not here';
      return { url: `${backend}://x`, [Symbol.asyncDispose]: async () => void started.push(`stopped ${backend}`) };
    },
  });
  return Object.fromEntries(backends.map((backend) => [backend, make(backend)])) as Recipes;
}

describe('the broker of servers', () => {
  it('starts what is asked for, once, and stops it', async () => {
    const started: string[] = [];
    const broker = await Broker.listen(recipes(started), { env: {} });
    const answers = await Promise.all([ask<Outcome>(broker.url, 'postgres'), ask<Outcome>(broker.url, 'postgres')]);
    expect(answers).toEqual(Array(2).fill({ backend: 'postgres', version: 'postgres 1.0', url: 'postgres://x', way: 'program' }));
    expect(await ask<Outcome[]>(broker.url, 'outcomes')).toEqual([answers[0]]);
    await broker[Symbol.asyncDispose]();
    expect(started).toEqual(['postgres', 'stopped postgres']);
  });

  it('says why it has none', async () => {
    await using broker = await Broker.listen(recipes([]), { env: {} });
    expect(await ask<Outcome>(broker.url, 'mysql')).toEqual({ backend: 'mysql', reason: expect.stringContaining('program: not here') });
    await expect(ask(broker.url, 'oracle')).rejects.toThrow('no test server is called oracle');
  });
});

describe('what the broker makes', () => {
  it('is made once, when it is asked for, or the reason is said', async () => {
    let times = 0;
    const makers = {
      programs: async () => `folder ${++times}`,
      functions: async () => {
        throw new Error('line 7 is wrong');
      },
    };
    await using broker = await Broker.listen(recipes([]), { env: {} }, makers);
    expect(times).toBe(0);
    expect(await Promise.all([ask(broker.url, 'programs'), ask(broker.url, 'programs')])).toEqual(['folder 1', 'folder 1']);
    await expect(ask(broker.url, 'functions')).rejects.toThrow('functions could not be made: line 7 is wrong');
  });
});

describe('TEST_REQUIRE', () => {
  it('names backends, by other names too, and refuses what nobody knows', () => {
    expect(required(undefined)).toEqual([]);
    expect(required('postgres, MariaDB,,etcd')).toEqual(['postgres', 'mysql', 'etcd']);
    expect(() => required('postgres,oracle')).toThrow('oracle');
  });

  it('misses those that the run did not have or did not ask for', () => {
    const had: Outcome = { backend: 'postgres', version: 'PostgreSQL 15', url: '', way: 'program' };
    expect(missing(['postgres', 'mysql', 'etcd'], [had, { backend: 'mysql', reason: 'not here' }])).toEqual(['mysql', 'etcd']);
  });
});

it('the report names each server, each that is missing with the reason, and those that nobody asked for', () => {
  const report = lines([
    { backend: 'postgres', version: 'PostgreSQL 15', url: '', way: 'program' },
    { backend: 'mysql', reason: 'program: not here' },
  ]);
  expect(report.slice(0, 2)).toEqual(['  ran against PostgreSQL 15 (postgres, by program)', '  not run: mysql: program: not here']);
  expect(report[2]).toMatch(/^ {2}not asked for by these test files: sqlite, etcd/);
});
