/** Runs of a sync under faults: in a process of their own, which dies or freezes where its orders say so, or in this one, as a function that has lived on takes up what another has left. */
import type { Report } from '../../lib/engine/report.ts';
import { program } from '../support/programs.ts';
import { type IdraProcess, spawnIdra } from '../support/spawn-idra.ts';
import type { Orders } from './orders.ts';
import { runOrders } from './run-orders.ts';
import { unlessLost } from './unless-lost.ts';

const script = await program('child');

export const startChild = (orders: Orders): IdraProcess => spawnIdra(script, { arguments: [JSON.stringify(orders)] });

/** Of a child that has ended. Throws where it left none. */
export function reportOf(child: IdraProcess): Report {
  const line = child.stdout.find((text) => text.startsWith('{'));
  if (line === undefined) throw new Error(`no report; it said: ${[...child.stdout, ...child.stderr].join('\n')}`);
  return JSON.parse(line) as Report;
}

/** In this process. */
export const runHere = (orders: Omit<Orders, 'point' | 'nth' | 'action'>): Promise<Report> => unlessLost(() => runOrders(orders));
