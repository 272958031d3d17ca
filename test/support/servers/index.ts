import { etcd } from './etcd.ts';
import { mysqlRecipe } from './mysql.ts';
import { postgres } from './postgres.ts';
import type { Backend, Recipe } from './recipe.ts';
import { sqlite } from './sqlite.ts';

export const recipes: Readonly<Record<Backend, Recipe>> = { postgres, mysql: mysqlRecipe, sqlite, etcd };
