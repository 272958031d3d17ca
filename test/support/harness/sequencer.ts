import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Those that take longest, first to last: a long file that begins last would keep one worker alone at the end. By measurement; a file that is not named follows them. */
const long = [
  'faults/',
  'cluster/',
  'infra/templates',
  'connectors/s3',
  'connectors/kafka',
  'cli/canary',
  'functions/',
  'connectors/',
  'pairs/',
  'coordination/',
  'cli/',
];

/** Long files first, also in a fresh clone, where no earlier run tells how long each took. */
export class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const found = long.findIndex((part) => moduleId.includes(`/test/${part}`));
      return found === -1 ? long.length : found;
    };
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}
