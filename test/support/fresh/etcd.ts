import { Etcd3 } from 'etcd3';
import type { Fresh } from './fresh.ts';

/** A prefix of its own: `name` ends in a slash, `url` has the hosts. */
export function freshEtcd(url: string, name: string): Fresh {
  const prefix = `${name}/`;
  return {
    url,
    name: prefix,
    [Symbol.asyncDispose]: async () => {
      const client = new Etcd3({ hosts: url.split(',').map((host) => (host.includes('://') ? host : `http://${host}`)) });
      try {
        await client.delete().prefix(prefix).exec();
      } finally {
        client.close();
      }
    },
  };
}
