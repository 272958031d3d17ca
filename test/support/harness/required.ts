import { type Backend, backends } from '../servers/recipe.ts';
import type { Outcome } from './broker.ts';

/** Other names by which people call a backend. */
const alsoCalled: Readonly<Record<string, Backend>> = { mariadb: 'mysql', postgresql: 'postgres', mongo: 'mongodb', mssql: 'sqlserver' };

/** Backends that TEST_REQUIRE names. Throws on a name that nobody knows: it would otherwise require nothing. */
export function required(variable: string | undefined): Backend[] {
  const names = (variable ?? '').split(',').map((name) => name.trim().toLowerCase());
  return names
    .filter((name) => name !== '')
    .map((name) => {
      const backend = backends.find((known) => known === name) ?? alsoCalled[name];
      if (backend === undefined) throw new Error(`TEST_REQUIRE names ${name}; it may name ${backends.join(', ')}`);
      return backend;
    });
}

/** The required backends that the run did not have. */
export function missing(names: readonly Backend[], outcomes: readonly Outcome[]): Backend[] {
  return names.filter((name) => !outcomes.some((outcome) => outcome.backend === name && 'version' in outcome));
}
