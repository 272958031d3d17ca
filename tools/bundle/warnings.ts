import type { Message } from 'esbuild';

/** Warnings that say nothing about what will run; every other one fails the build. */
const harmless: ReadonlySet<string> = new Set([
  // Packages' own package.json files that list a condition twice or an `import` condition too late.
  'package.json',
]);

export function refuseWarnings(warnings: readonly Message[]): void {
  const serious = warnings.filter(({ id }) => !harmless.has(id));
  if (serious.length === 0) return;
  const lines = serious.map(({ id, text, location }) => `  ${location ? `${location.file}:${location.line}: ` : ''}${text} [${id}]`);
  throw new Error(`the bundle is not sound:\n${lines.join('\n')}`);
}
