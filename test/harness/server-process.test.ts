import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { dataFolder, ServerProcess } from '../support/servers/process.ts';
import { spawnIdra } from '../support/spawn-idra.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

/** A server that counts upwards in its log, with a child that does nothing. */
const script = `require('node:child_process').spawn('sleep', ['60']); let n = 0; setInterval(() => console.log('count', n++), 10);`;
const counting = { name: 'counter', command: process.execPath, arguments: ['-e', script] };

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

describe('ServerProcess', () => {
  it('freezes, goes on, is killed and started again, and leaves nothing', async () => {
    const server = await ServerProcess.start(counting, await dataFolder('counter'));
    const log = () => server.logTail(20);
    await server.ready(async () => expect(await log()).toContain('count'));
    server.pause();
    const frozen = await log();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await log()).toBe(frozen);
    server.resume();
    await waitUntil(async () => (await log()) !== frozen);
    const first = server.pid;
    await server.kill();
    expect(alive(first)).toBe(false);
    await server.start();
    expect(server.pid).not.toBe(first);
    await server[Symbol.asyncDispose]();
    expect([alive(server.pid), existsSync(server.folder)]).toEqual([false, false]);
  });

  it('stops a server that is paused', async () => {
    const server = await ServerProcess.start(counting, await dataFolder('counter'));
    server.pause();
    await server[Symbol.asyncDispose]();
    expect(alive(server.pid)).toBe(false);
  });

  it('tells the end of the log where the server does not come up', async () => {
    const failing = { name: 'failing', command: process.execPath, arguments: ['-e', 'console.error("no such disk"); process.exit(3)'] };
    await using server = await ServerProcess.start(failing, await dataFolder('failing'));
    await expect(server.ready(() => Promise.reject(new Error('refused')))).rejects.toThrow(/failing ended while it started; its log ends: no such disk/);
  });

  it('ends with the process that started it, kill -9 included', async () => {
    await using folder = await temporaryFolder();
    const owner = join(folder.path, 'owner.ts');
    const module = new URL('../support/servers/process.ts', import.meta.url).href;
    await writeFile(
      owner,
      `import { dataFolder, ServerProcess } from ${JSON.stringify(module)};
       const server = await ServerProcess.start(${JSON.stringify(counting)}, await dataFolder('owned'));
       console.log('server', server.pid, server.folder);
       setInterval(() => {}, 1000);`,
    );
    await using idra = spawnIdra(owner);
    const [, pid, data = ''] = (await idra.line(/^server/)).split(' ');
    expect(alive(Number(pid))).toBe(true);
    expect((await idra.kill()).signal).toBe('SIGKILL');
    await waitUntil(() => !alive(Number(pid)) && !existsSync(data));
  });
});

describe('spawnIdra', () => {
  it('hands over the environment and tells how the process ended', async () => {
    await using folder = await temporaryFolder();
    const child = join(folder.path, 'child.ts');
    await writeFile(
      child,
      `const n: number = 3; console.log('says', process.env.WORD, process.env.VITEST, process.argv[2]); console.error('oops'); process.exitCode = n;`,
    );
    await using idra = spawnIdra(child, { arguments: ['x'], env: { WORD: 'hello' } });
    expect(await idra.exited).toEqual({ code: 3, signal: null });
    expect([idra.stdout, idra.stderr.includes('oops')]).toEqual([['says hello undefined x'], true]);
    await expect(idra.line(/never/)).rejects.toThrow('ended without a line like /never/');
  });

  it('freezes and thaws', async () => {
    await using folder = await temporaryFolder();
    const child = join(folder.path, 'child.ts');
    await writeFile(child, `let n = 0; setInterval(() => console.log(n++), 5);`);
    await using idra = spawnIdra(child);
    await idra.line(/^1$/);
    idra.pause();
    await new Promise((resolve) => setTimeout(resolve, 50));
    const frozen = idra.stdout.length;
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(idra.stdout.length).toBe(frozen);
    idra.resume();
    await waitUntil(() => idra.stdout.length > frozen);
  });
});
