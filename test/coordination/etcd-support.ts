/** Private etcd servers for the fault tests: what the shared one must not suffer. */
import { Etcd3 } from 'etcd3';
import { type Coordination, openCoordination } from '../../lib/coordination/coordination.ts';

/** Ids of all leases that live in the server. */
export async function leases(hosts: string): Promise<string[]> {
  return withClient(hosts, async (client) => {
    const { leases } = (await client.leaseClient.leaseLeases({ deadline: Date.now() + 5_000 })) as unknown as { leases: { ID: string }[] };
    return leases.map(({ ID }) => ID);
  });
}

export async function withClient<T>(hosts: string, use: (client: Etcd3) => Promise<T>): Promise<T> {
  const client = new Etcd3({ hosts: hosts.split(',').map((host) => `http://${host}`) });
  try {
    return await use(client);
  } finally {
    client.close();
  }
}

export function connect(hosts: string, timeoutMs: number): Promise<Coordination> {
  return openCoordination({ etcd: { hosts: hosts.split(','), timeoutMs } });
}
