/** Files of drivers that cost a cold start more than they have to, each replaced by what does the same. A build whose drivers look different from what is known here fails. */
import { readFile } from 'node:fs/promises';
import type { Plugin } from 'esbuild';

interface Change {
  readonly driver: string;
  readonly file: RegExp;
  readonly apply: (source: string, file: string) => string;
}

function replaced(source: string, file: string, [known, by]: readonly [known: RegExp, by: string]): string {
  if (source.match(known)?.length !== 1)
    throw new Error(`${file} is not as this build knows it (${known.source}): look at it and correct tools/bundle/lighter-drivers.ts`);
  return source.replace(known, by);
}

/** The calendar is for dates that are sent as dates, and comes late (late-packages.ts): nothing is asked of it as the driver loads. */
const lateCalendar = (source: string, file: string): string =>
  replaced(source, file, [
    /^const (YEAR_ONE|EPOCH_DATE) = (_core\.LocalDate\.ofYearDay\(\d+, 1\));$/gm,
    'const $1 = { until: (date, unit) => $2.until(date, unit) };',
  ]);

/** Buffers that Node's own streams serve as well as their copy in a package, which says the same by READABLE_STREAM=disable. */
const nodesStreams = (source: string, file: string): string => replaced(source, file, [/require\('readable-stream'\)/g, "require('stream')"]);

const changes: readonly Change[] = [
  { driver: 'tedious', file: /[\\/]tedious[\\/]lib[\\/]data-types[\\/]temporal\.js$/, apply: lateCalendar },
  { driver: 'tedious', file: /[\\/]tedious[\\/]lib[\\/]data-types[\\/]datetime\.js$/, apply: lateCalendar },
  { driver: 'tedious', file: /[\\/]tedious[\\/]node_modules[\\/]bl[\\/]bl\.js$/, apply: nodesStreams },
];

export function lighterDrivers(): Plugin {
  return {
    name: 'lighter-drivers',
    setup(build) {
      const applied = new Set<Change>();
      for (const change of changes)
        build.onLoad({ filter: change.file }, async ({ path }) => {
          const contents = change.apply(await readFile(path, 'utf8'), path);
          applied.add(change);
          return { contents, loader: 'js' };
        });
      build.onEnd(({ metafile }) => {
        const inputs = Object.keys(metafile?.inputs ?? {});
        const missed = changes.filter((change) => !applied.has(change) && inputs.some((input) => input.includes(`node_modules/${change.driver}/`)));
        return {
          errors: missed.map(({ driver, file }) => ({
            text: `${driver} is bundled, but no file of it is ${file.source}: correct tools/bundle/lighter-drivers.ts`,
          })),
        };
      });
    },
  };
}
