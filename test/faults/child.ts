/**
 * One run of one sync in a process of its own that dies or freezes at a chosen step of the protocol. The wrappers stand where the engine meets the store and the destination, so that what runs is the product's own code.
 * Argument: `Orders` as JSON. Prints `reading` when it has claimed and begins, `at POINT` before it dies or freezes, and the report at the end.
 */
import { writeSync } from 'node:fs';
import type { Connector, Destination, Writer } from '../../lib/connectors/connector.ts';
import type { HeldLock } from '../../lib/coordination/contract.ts';
import type { Coordination } from '../../lib/coordination/coordination.ts';
import type { Opened } from '../../lib/engine/deps.ts';
import type { Orders, Point } from './orders.ts';
import { runOrders } from './run-orders.ts';

const argument = process.argv[2];
if (argument === undefined) throw new Error('orders are missing');
const orders: Orders = JSON.parse(argument);
let passed = 0;

function at(point: Point): void {
  if (point !== orders.point || ++passed !== (orders.nth ?? 1)) return;
  writeSync(1, `at ${point}\n`);
  process.kill(process.pid, orders.action ?? 'SIGKILL');
}

async function around<T>(name: 'claim' | 'commit' | 'checkpoint', work: () => Promise<T>): Promise<T> {
  at(`${name}:before`);
  const result = await work();
  at(`${name}:after`);
  return result;
}

function wrapWriter(inner: Writer): Writer {
  const { attempt } = inner;
  return {
    get committed() {
      return inner.committed;
    },
    pipelined: inner.pipelined,
    write: async (chunk) => {
      await inner.write(chunk);
      at('write:after');
    },
    commit: (batch) => around('commit', () => inner.commit(batch)),
    discard: () => inner.discard(),
    ...(attempt === undefined ? {} : { attempt: (chunk) => attempt.call(inner, chunk) }),
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
  };
}

function wrapDestination(inner: Destination): Destination {
  const { max, clear, deadLetters } = inner;
  return {
    system: inner.system,
    ...(inner.stateless === undefined ? {} : { stateless: inner.stateless }),
    state: () => inner.state(),
    prepare: (schema, options) => inner.prepare(schema, options),
    open: (target, claim) => around('claim', async () => wrapWriter(await inner.open(target, claim))),
    ...(max === undefined ? {} : { max: (columns) => max.call(inner, columns) }),
    ...(clear === undefined ? {} : { clear: (target, claim) => clear.call(inner, target, claim) }),
    ...(deadLetters === undefined ? {} : { deadLetters: () => deadLetters.call(inner) }),
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
  };
}

function wrapOpened(opened: Opened): Opened {
  const { connector } = opened;
  const wrapped: Connector = {
    check: (connection, signal) => connector.check(connection, signal),
    discover: (connection, signal) => connector.discover(connection, signal),
    openSource: (connection, request, signal) => connector.openSource(connection, request, signal),
    openDestination: async (connection, request, signal) => wrapDestination(await connector.openDestination(connection, request, signal)),
  };
  return { ...opened, connector: wrapped };
}

function wrapLock(lock: HeldLock): HeldLock {
  return {
    resource: lock.resource,
    fence: lock.fence,
    key: lock.key,
    get validUntil() {
      return lock.validUntil;
    },
    lost: lock.lost,
    renew: () => lock.renew(),
    [Symbol.asyncDispose]: async () => {
      at('release:before');
      await lock[Symbol.asyncDispose]();
    },
  };
}

function wrapCoordination(inner: Coordination): Coordination {
  return {
    ...inner,
    locks: {
      acquire: async (request, signal) => {
        const outcome = await inner.locks.acquire(request, signal);
        return outcome.held ? { held: true, lock: wrapLock(outcome.lock) } : outcome;
      },
      queue: (resource) => inner.locks.queue(resource),
      queues: (signal) => inner.locks.queues(signal),
    },
    checkpoints: { ...inner.checkpoints, save: (sync, shard, write) => around('checkpoint', () => inner.checkpoints.save(sync, shard, write)) },
  };
}

let reading = false;
const report = await runOrders(orders, {
  opened: wrapOpened,
  coordination: wrapCoordination,
  phase: (phase) => {
    // A short run may tell of no reading: that is told ten times a second at most
    if ((phase !== 'reading' && phase !== 'committing') || reading) return;
    reading = true;
    writeSync(1, 'reading\n');
  },
});
console.log(JSON.stringify(report));
