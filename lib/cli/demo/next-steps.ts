import path from 'node:path';
import { type Target, urlVariable } from './target.ts';

/** How the user can call the command again from where they stand. Under npm that is through npm, whose scripts run in the package's own folder. */
export function callOf(environment: Readonly<Record<string, string | undefined>>, script: string): string {
  const { npm_lifecycle_event: viaNpm, INIT_CWD: stoodIn } = environment;
  if (viaNpm) {
    const isWithin = !stoodIn || stoodIn === process.cwd() || stoodIn.startsWith(process.cwd() + path.sep);
    return isWithin ? 'npm run -s idra --' : `npm --prefix ${quoted(process.cwd())} run -s idra --`;
  }
  return path.basename(script) === 'idra' ? 'idra' : `node ${quoted(path.relative('', script))}`;
}

interface NextSteps {
  readonly definitions: string;
  readonly state: string;
  readonly target: Target;
}

/** Lines with commands that work as they stand. */
export function nextSteps({ definitions, state, target }: NextSteps): string[] {
  const call = callOf(process.env, process.argv[1] ?? 'idra');
  const file = quoted(path.relative('', definitions));
  const store = `--state ${quoted(path.relative('', state))}`;
  const lines = ['Try next', ''];
  if (target.needsVariable) lines.push(`export ${urlVariable}='…'   # the address that you gave to --to`);
  lines.push(
    `${call} status ${file} ${store}`,
    `${call} run --watch ${file} ${store}`,
    `${call} discover shop ${file}`,
    `${call} --help`,
    '',
    `Your own database: add --to postgres://… or --to mysql://… to the demo.`,
    `Your own syncs: write a file like ${file}, see README.md.`,
  );
  return lines;
}

/** For a POSIX shell. */
function quoted(text: string): string {
  return /^[\w./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
