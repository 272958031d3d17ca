/** What `serverless package` says of a definitions file that its functions could not follow. */
import { expect, it } from 'vitest';
import { DefinitionsError, faultText } from '../../lib/config/faults.ts';
import { parseDefinitions } from '../../lib/config/load.ts';
import { checkDeployable, type Target } from '../../tools/deployable.ts';

const nothing: Target = { variables: new Set(['IDRA_SYNCS']), secrets: '', ssmParameters: '', readBuckets: '', writeBuckets: '' };

const sync = (from: string, to: string, enabled = true): string => `
  - name: ${from}-${to}
    enabled: ${enabled}
    source: { connection: ${from}, ${from === 'lake' ? 'path: in/' : 'table: orders'} }
    destination: { connection: ${to}, ${to === 'lake' ? 'path: out/' : 'table: orders'} }
    mode: ${from === 'lake' ? 'stream' : 'full'}
    write: insert
`;

/** Faults, or warnings where there are none. */
function told(text: string, target: Partial<Target> = {}): string[] {
  try {
    return parseDefinitions(text, 'syncs.yaml', (definitions, collector) => checkDeployable(definitions, collector, { ...nothing, ...target })).warnings.map(
      faultText,
    );
  } catch (error) {
    if (!(error instanceof DefinitionsError)) throw error;
    return error.faults.map(faultText);
  }
}

it('refuses a file among the code of the function, and a variable that it has not', () => {
  const text = `connections:
  shop: { type: postgres, url: "postgres://u:\${env:SHOP_PASSWORD}@db/shop" }
  copy: { type: sqlite, path: "copy.db" }
syncs:${sync('shop', 'copy')}`;
  expect(told(text)).toEqual([
    expect.stringMatching(/^syncs\.yaml:2:\d+ connections\.shop\.url: the functions have no environment variable SHOP_PASSWORD: /),
    expect.stringMatching(/^syncs\.yaml:3:\d+ connections\.copy\.path: a function looks for copy\.db among its own code, /),
  ]);
  expect(told(text.replace('copy.db', '/tmp/copy.db'), { variables: new Set(['SHOP_PASSWORD']) })).toEqual([]);
  expect(told(text.replace('copy.db', '${env:AWS_REGION}').replace('SHOP_PASSWORD', 'AWS_REGION'))).toEqual([]);
});

it('says nothing of what no enabled sync uses', () => {
  const text = `connections:
  shop: { type: sqlite, path: shop.db }
  copy: { type: sqlite, path: copy.db }
syncs:${sync('shop', 'copy', false)}`;
  expect(told(text)).toEqual([]);
});

it.each([
  [
    'secret:idra/shop#password',
    'secrets',
    ['idra/*', 'x, idra/shop', 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:idra/shop-??????'],
    ['', 'idra', 'idra/sho', 'other/*'],
  ],
  ['secret:arn:aws:secretsmanager:eu-west-1:123456789012:secret:idra/shop-AbCdEf', 'secrets', ['idra/shop', 'idra/*'], ['idra/other']],
  ['ssm:/idra/shop', 'ssmParameters', ['/idra/*', 'idra/shop', 'arn:aws:ssm:eu-west-1:123456789012:parameter/idra/shop'], ['', '/idra']],
] as const)('${%s} has to be among %s', (reference, parameter, enough, tooLittle) => {
  const text = `connections:
  shop: { type: postgres, url: "postgres://u:\${${reference}}@db/shop" }
  copy: { type: sqlite, path: /tmp/copy.db }
syncs:${sync('shop', 'copy')}`;
  const name = reference.replace(/^\w+:|#.*/g, '');
  for (const given of enough) expect(told(text, { [parameter]: given }), given).toEqual([]);
  for (const given of tooLittle) expect(told(text, { [parameter]: given }), given).toEqual([expect.stringContaining(`--param '${parameter}=${name}'`)]);
});

it('a bucket that is read or written has to be given so, unless it is on another server', () => {
  const read = `connections:
  lake: { type: s3, bucket: the-lake }
  copy: { type: sqlite, path: /tmp/copy.db }
syncs:${sync('lake', 'copy')}`;
  expect(told(read)).toEqual([
    expect.stringContaining(
      "connections.lake.bucket: the function may not read the bucket the-lake by the parameter readBuckets: --param 'readBuckets=the-lake'",
    ),
  ]);
  for (const given of [{ readBuckets: 'the-lake' }, { writeBuckets: 'the-*' }, { readBuckets: 'arn:aws:s3:::the-lake' }]) expect(told(read, given)).toEqual([]);
  const write = read.replace(sync('lake', 'copy'), sync('copy', 'lake'));
  expect(told(write, { readBuckets: 'the-lake' })).toEqual([
    expect.stringContaining("may not write to the bucket the-lake by the parameter writeBuckets: --param 'writeBuckets=the-lake'"),
  ]);
  expect(told(write, { writeBuckets: 'the-lake' })).toEqual([]);
  expect(told(write.replace('bucket: the-lake', 'bucket: the-lake, endpoint: http://minio:9000'))).toEqual([]);
});
