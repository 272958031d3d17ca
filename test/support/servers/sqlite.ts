import Database from 'better-sqlite3';
import type { Recipe } from './recipe.ts';

/** SQLite lives inside the process: there is nothing to start, only a driver that must load. */
export const sqlite: Recipe = {
  backend: 'sqlite',
  program: async () => ({ url: '', [Symbol.asyncDispose]: async () => undefined }),
  version: async () => {
    const database = new Database(':memory:');
    try {
      return `SQLite ${database.prepare('select sqlite_version()').pluck().get()}`;
    } finally {
      database.close();
    }
  },
};
