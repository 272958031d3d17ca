import { readFileSync } from 'node:fs';

export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** The first of `names` that this machine knows, where we are root and the server refuses root; otherwise undefined: run as ourselves. */
export function unprivileged(...names: string[]): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const lines = readFileSync('/etc/passwd', 'utf8').split('\n');
  for (const name of [...names, 'nobody']) {
    const [, , uid, gid] = lines.find((line) => line.startsWith(`${name}:`))?.split(':') ?? [];
    if (uid !== undefined && gid !== undefined) return { name, uid: Number(uid), gid: Number(gid) };
  }
  throw new Error(`none of the accounts ${names.join(', ')}, nobody exists, and this server does not run as root`);
}

/** The environment for a server: nothing of the test run's own but what a program needs to start. */
export function environmentOf(account: Account | undefined): Record<string, string> {
  const kept: Record<string, string> = { LC_ALL: 'C', TZ: 'UTC' };
  for (const name of ['PATH', 'JAVA_HOME', 'TMPDIR']) {
    const value = process.env[name];
    if (value !== undefined) kept[name] = value;
  }
  if (account === undefined && process.env.HOME !== undefined) kept.HOME = process.env.HOME;
  return kept;
}
