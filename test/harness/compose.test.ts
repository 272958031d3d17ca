import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { recipes } from '../support/servers/index.ts';

const read = async (path: string): Promise<unknown> => parse(await readFile(new URL(`../../${path}`, import.meta.url), 'utf8'));

it('the servers of infra/compose.yml listen on loopback addresses only', async () => {
  const { services } = (await read('infra/compose.yml')) as { services: Record<string, { image: string; ports: string[] }> };
  expect(Object.keys(services).sort()).toEqual(['aws', 'etcd', 'kafka', 'mariadb', 'mongodb', 'mysql', 'postgres', 'sqlserver']);
  for (const { image, ports } of Object.values(services)) {
    expect(image).toMatch(/:[\w.-]+$/);
    expect(ports.every((port) => port.startsWith('127.0.0.1:'))).toBe(true);
  }
});

it('the hosted check names a server of the compose file for every backend that takes one, and requires all', async () => {
  const { jobs } = (await read('.github/workflows/ci.yml')) as { jobs: { check: { steps: { env?: Record<string, string> }[] } } };
  const { TEST_REQUIRE, ...servers } = Object.assign({}, ...jobs.check.steps.map(({ env }) => env ?? {})) as Record<string, string>;
  const { services } = (await read('infra/compose.yml')) as { services: Record<string, { ports: string[] }> };
  const all = Object.values(recipes);
  expect(Object.keys(servers).sort()).toEqual(all.flatMap(({ environment }) => (environment === undefined ? [] : [environment])).sort());
  expect(TEST_REQUIRE?.split(',').sort()).toEqual(all.map(({ backend }) => backend).sort());
  const ports = Object.values(services).flatMap((service) => service.ports.map((port) => port.split(':')[1]));
  for (const url of Object.values(servers)) expect(ports).toContain(/:(\d+)(?:[/?]|$)/.exec(url.replace(/^.*@|^\w+:\/\//, ''))?.[1]);
});
