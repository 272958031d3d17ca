/**
 * `npm run bench`: Idra beside the databases' own tools on the same rows, in the same run, in turns. Prints medians as ratios (peer's time / Idra's time: above 1 is faster than the peer).
 * Before that, what a cold start of the packaged functions costs. Options: `--rows 1000000 --rounds 3 --only TEXT` (part of a work's name, `postgres-mysql` and the like, or `cold start`).
 */
import { parseArgs } from 'node:util';
import { coldStart } from './cold-start.ts';
import { median, runIdra, timed, type Usage } from './measure.ts';
import { Bench } from './servers.ts';

const { values } = parseArgs({
  options: { rows: { type: 'string', default: '1000000' }, rounds: { type: 'string', default: '3' }, only: { type: 'string', default: '' } },
});
const rows = Number(values.rows);
const rounds = Number(values.rounds);

type Kind = 'postgres' | 'mysql' | 'sqlite';

interface Work {
  readonly name: string;
  readonly peerName: string;
  readonly bar: number;
  readonly from: Kind;
  readonly to: Kind;
  readonly extra: object;
  readonly full?: boolean;
  peer(bench: Bench): Promise<void>;
}

const upsert = { write: 'upsert' };
const works: readonly Work[] = [
  {
    name: 'PostgreSQL → PostgreSQL, raw',
    peerName: 'psql COPY | psql COPY',
    bar: 1.25,
    from: 'postgres',
    to: 'postgres',
    extra: {},
    peer: (b) => b.postgresToPostgres(),
  },
  {
    name: '… rows decoded, one redacted',
    peerName: 'psql COPY | psql COPY',
    bar: 0.85,
    from: 'postgres',
    to: 'postgres',
    extra: { mask: { name: 'redact' } },
    peer: (b) => b.postgresToPostgres(),
  },
  {
    name: '… upsert, empty table',
    peerName: 'COPY + INSERT ON CONFLICT',
    bar: 0.85,
    from: 'postgres',
    to: 'postgres',
    extra: upsert,
    peer: (b) => b.postgresUpsert(),
  },
  {
    name: '… upsert, full table',
    peerName: 'COPY + INSERT ON CONFLICT',
    bar: 0.85,
    from: 'postgres',
    to: 'postgres',
    extra: upsert,
    full: true,
    peer: (b) => b.postgresUpsert(),
  },
  { name: 'MariaDB → PostgreSQL', peerName: 'mariadb -B | psql COPY', bar: 0.9, from: 'mysql', to: 'postgres', extra: {}, peer: (b) => b.mysqlToPostgres() },
  {
    name: 'PostgreSQL → MariaDB, insert',
    peerName: 'psql COPY | LOAD DATA',
    bar: 0.8,
    from: 'postgres',
    to: 'mysql',
    extra: {},
    peer: (b) => b.loadMysql('dst', ''),
  },
  {
    name: 'PostgreSQL → MariaDB, upsert',
    peerName: 'psql COPY | LOAD … REPLACE',
    bar: 0.8,
    from: 'postgres',
    to: 'mysql',
    extra: upsert,
    full: true,
    peer: (b) => b.loadMysql('dst', 'REPLACE'),
  },
  { name: 'SQLite → PostgreSQL', peerName: 'sqlite3 -csv | psql COPY', bar: 1, from: 'sqlite', to: 'postgres', extra: {}, peer: (b) => b.sqliteToPostgres() },
  {
    name: 'PostgreSQL → SQLite',
    peerName: 'psql COPY | sqlite3 .import',
    bar: 0.85,
    from: 'postgres',
    to: 'sqlite',
    extra: {},
    peer: (b) => b.importSqlite('dst'),
  },
];

function definitions(bench: Bench, work: Work): object {
  const connection = (kind: Kind, end: 'src' | 'dst'): object => {
    if (kind === 'sqlite') return { type: 'sqlite', path: bench.lite[end] };
    return kind === 'postgres' ? { type: 'postgres', url: bench.pgUrl[end] } : { type: 'mysql', url: bench.myUrl[end] };
  };
  return {
    connections: { from: connection(work.from, 'src'), to: connection(work.to, 'dst') },
    syncs: [
      {
        name: 'bench',
        source: { connection: 'from', table: 'wide' },
        destination: { connection: 'to', table: 'wide' },
        mode: 'full',
        write: 'insert',
        batch: { rows: 50_000, bytes: '16MB' },
        ...work.extra,
      },
    ],
  };
}

async function measure(bench: Bench, work: Work): Promise<void> {
  const peers: number[] = [];
  const ours: Usage[] = [];
  const reset = async (): Promise<void> => {
    if (work.full === true && work.to !== 'sqlite') await bench.forgetState(work.to);
    else await bench.empty(work.to, work.from);
  };
  if (work.full === true) {
    await bench.empty(work.to, work.from);
    await work.peer(bench);
  }
  for (let round = 0; round < rounds; round++) {
    await reset();
    peers.push(await timed(() => work.peer(bench)));
    await reset();
    ours.push(await runIdra(definitions(bench, work), rows));
  }
  const seconds = median(ours.map((usage) => usage.seconds));
  const ratio = median(peers) / seconds;
  const cells = [
    work.name.padEnd(32),
    `${median(peers).toFixed(2)} s`.padStart(9),
    `${seconds.toFixed(2)} s`.padStart(9),
    `${ratio.toFixed(2)}`.padStart(6),
    `${work.bar.toFixed(2)}`.padStart(6),
    `${median(ours.map((usage) => usage.cpuSeconds)).toFixed(2)} s`.padStart(9),
    `${Math.max(...ours.map((usage) => usage.peakMb)).toFixed(0)} MB`.padStart(8),
    `  ${Math.round(rows / seconds / 1000)}k rows/s, beside ${work.peerName}`,
  ];
  console.log(cells.join(' '));
}

if ('cold start'.includes(values.only)) await coldStart();
const chosen = works.filter((work) => work.name.includes(values.only) || `${work.from}-${work.to}`.includes(values.only));
if (chosen.length > 0) {
  console.log(`${rows} rows of 12 columns, a checkpoint at least every 50,000; ${rounds} rounds in turns, medians. Node ${process.version}.`);
  await using bench = await Bench.start(rows);
  console.log(
    ['work'.padEnd(32), 'peer'.padStart(9), 'idra'.padStart(9), 'ratio'.padStart(6), 'bar'.padStart(6), 'CPU'.padStart(9), 'peak'.padStart(8)].join(' '),
  );
  for (const work of chosen) await measure(bench, work);
}
