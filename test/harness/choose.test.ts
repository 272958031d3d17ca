import { describe, expect, it } from 'vitest';
import { type Choice, choose } from '../support/servers/choose.ts';
import type { Recipe, RunningServer, Way } from '../support/servers/recipe.ts';

/** A recipe whose ways all refuse, and that notes what was done. */
function recipe(changes: Partial<Recipe> = {}): Recipe & { done: string[] } {
  const done: string[] = [];
  return {
    done,
    backend: 'postgres',
    environment: 'TEST_POSTGRES_URL',
    version: async (url) => `PostgreSQL at ${url}`,
    program: async () => {
      done.push('program');
      return 'no program';
    },
    install: async () => {
      done.push('install');
      return 'needs root';
    },
    container: async () => {
      done.push('container');
      return 'no engine';
    },
    ...changes,
  };
}

function running(url: string, done: string[] = []): RunningServer {
  return { url, [Symbol.asyncDispose]: async () => void done.push(`stopped ${url}`) };
}

const way = (choice: Choice): Way | undefined => ('server' in choice ? choice.server.way : undefined);

describe('choose', () => {
  it('takes the server that the environment names, and starts nothing', async () => {
    const known = recipe();
    const choice = await choose(known, { env: { TEST_POSTGRES_URL: 'postgres://x' } });
    expect(choice).toEqual({ server: { backend: 'postgres', url: 'postgres://x', version: 'PostgreSQL at postgres://x', way: 'environment' } });
    expect(known.done).toEqual([]);
  });

  it('takes no other in the stead of one that was named and does not answer', async () => {
    const known = recipe({ version: () => Promise.reject(new Error('connection refused')), program: async () => running('found') });
    const choice = await choose(known, { env: { TEST_POSTGRES_URL: 'postgres://x' } });
    expect(choice).toEqual({ reason: 'TEST_POSTGRES_URL is set, but the server does not answer: connection refused' });
  });

  it('takes a program before a package, and a package before a container', async () => {
    expect(way(await choose(recipe({ program: async () => running('p') }), { env: { TEST_POSTGRES_URL: '' } }))).toBe('program');

    let installed = false;
    const tried: string[] = [];
    const installable = recipe({
      program: async () => (installed ? running('i') : 'no program'),
      install: async () => {
        installed = true;
        return undefined;
      },
    });
    expect(way(await choose(installable, { env: {}, onTry: (_, tries) => tried.push(tries) }))).toBe('package');
    expect(tried).toEqual(['program', 'package']);

    const contained = recipe({ container: async () => running('c') });
    expect(way(await choose(contained, { env: {} }))).toBe('container');
    expect(contained.done).toEqual(['program', 'install']);
  });

  it('gives the reason of each way where none gives a server', async () => {
    const known = recipe({ install: () => Promise.reject(new Error('no network')) });
    expect(await choose(known, { env: {} })).toEqual({
      reason: 'environment: TEST_POSTGRES_URL is not set; program: no program; package: no network; container: no engine',
    });
    expect(await choose({ backend: 'sqlite', version: async () => '' }, { env: {} })).toEqual({
      reason: 'program: no program of it runs here; package: no package has it; container: no container image is known for it',
    });
  });

  it('stops a server that starts and does not answer, and goes on to the next way', async () => {
    const done: string[] = [];
    const choice = await choose(
      recipe({
        program: async () => running('deaf', done),
        container: async () => running('c', done),
        version: async (url) => (url === 'deaf' ? Promise.reject(new Error('deaf')) : 'PostgreSQL 15'),
      }),
      { env: {} },
    );
    expect(way(choice)).toBe('container');
    expect(done).toEqual(['stopped deaf']);
  });
});
