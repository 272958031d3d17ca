import { etcd } from './etcd.ts';
import { kafka } from './kafka.ts';
import { mongodb } from './mongodb.ts';
import { aws, s3 } from './moto.ts';
import { mysqlRecipe } from './mysql.ts';
import { postgres } from './postgres.ts';
import type { Backend, Recipe } from './recipe.ts';
import { sqlite } from './sqlite.ts';
import { sqlserver } from './sqlserver.ts';

export const recipes: Readonly<Record<Backend, Recipe>> = { postgres, mysql: mysqlRecipe, sqlite, etcd, kafka, mongodb, s3, sqlserver, aws };
