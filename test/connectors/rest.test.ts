import { describeDestination } from '../conformance/destination.ts';
import { describeSource } from '../conformance/source.ts';
import { restHarness } from './rest-harness.ts';

/** A service may give them as text in a field of fixed type; none is sent, since a number has no other form than JSON's. */
const notSent = {
  ...Object.fromEntries(['NaN', 'Infinity', '-Infinity', 'decimal NaN', 'decimal Infinity', 'decimal -Infinity'].map((name) => [name, 'no JSON number'])),
  'lone surrogate': 'UTF-8 has no surrogates',
};

/** Why suites are left out stands in the connector's README. */
describeSource('rest', restHarness, { without: ['schema and modes', 'cursors', 'refusals'] });
describeDestination(
  'rest',
  async () => {
    const harness = await restHarness();
    return { ...harness, cannotHold: { ...harness.cannotHold, ...notSent } };
  },
  { without: ['tables', 'writes', 'state', 'fences', 'dead letters', 'names'] },
);
