import { MongoClient } from 'mongodb';
import type { Fresh } from './fresh.ts';

/** A database of its own, which MongoDB makes as the first document comes. */
export function freshMongodb(url: string, name: string): Fresh {
  const own = new URL(url);
  // The credentials were made in the database that the server's URL names, or in `admin`.
  if (own.username !== '' && !own.searchParams.has('authSource')) own.searchParams.set('authSource', own.pathname.slice(1) || 'admin');
  own.pathname = `/${name}`;
  return {
    url: own.href,
    name,
    [Symbol.asyncDispose]: async () => {
      const client = new MongoClient(url);
      try {
        await client.db(name).dropDatabase();
      } finally {
        await client.close();
      }
    },
  };
}
