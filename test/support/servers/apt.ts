import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { findProgram, runTool } from './programs.ts';

const policy = '/usr/sbin/policy-rc.d';
let queue: Promise<unknown> = Promise.resolve();
let updated = false;

/** Debian's packages start their service as they are installed unless this policy forbids it; the tests start servers of their own. */
async function withoutServices(work: () => Promise<unknown>): Promise<void> {
  const ours = !existsSync(policy);
  if (ours) await writeFile(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    await work();
  } finally {
    if (ours) await rm(policy, { force: true });
  }
}

async function install(packages: readonly string[]): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const wait = ['-o', 'DPkg::Lock::Timeout=300'];
  if (!updated) await runTool('apt-get', [...wait, 'update'], { env });
  updated = true;
  await withoutServices(() => runTool('apt-get', [...wait, 'install', '-y', '--no-install-recommends', ...packages], { env }));
}

/** Installs Debian packages, one call after the other since apt holds one lock; a string says why it cannot be done here. */
export async function aptInstall(...packages: string[]): Promise<string | undefined> {
  if (findProgram('apt-get') === undefined) return `${packages.join(', ')}: no apt-get on this machine`;
  if (process.getuid?.() !== 0) return `${packages.join(', ')}: installing packages needs root`;
  const turn = queue.then(() => install(packages));
  queue = turn.catch(() => undefined);
  await turn;
  return undefined;
}
