/** The demo's source: a small shop in SQLite, with the values that synchronisers lose or bend. */
import type { Database } from 'better-sqlite3';

export const customers = 500;
export const orders = 10_000;
export const itemsPerOrder = 3;

/** Orders that share a time of change, to the microsecond. */
const ordersPerMoment = 10;
/** Ids begin past 2^53, where a JavaScript number counts in twos. */
const beforeFirstOrder = 9_007_199_254_740_992n;
const firstSecond = 1_767_225_600;

/** The types keep decimals and times as text: SQLite's own would round them to doubles. */
const schema = `
  CREATE TABLE customers (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    nickname TEXT,
    balance DECIMAL TEXT(38,20) NOT NULL,
    picture BLOB,
    updated_at TIMESTAMP TEXT(6) NOT NULL
  );
  CREATE TABLE orders (
    id INTEGER PRIMARY KEY,
    customer_id INTEGER NOT NULL REFERENCES customers (id),
    status TEXT NOT NULL,
    total DECIMAL TEXT(12,2) NOT NULL,
    updated_at TIMESTAMP TEXT(6) NOT NULL
  );
  CREATE INDEX orders_updated_at ON orders (updated_at, id);
  CREATE TABLE order_items (
    id INTEGER PRIMARY KEY,
    order_id INTEGER NOT NULL REFERENCES orders (id),
    product TEXT NOT NULL,
    quantity INTEGER NOT NULL,
    price DECIMAL TEXT(12,4) NOT NULL
  );
`;

const names = ['Ada Lovelace', 'Grace Hopper', 'Łukasz Żółty', '山田 太郎', 'Zoë 🦜 Ångström', "Miles O'Brien", 'Søren "S" Ødegård', '👩🏽‍🚀 Mae Jemison'];
const balances = ['500.00000000000000000000', '-0.00000000000000000001', '999999999999999999.99999999999999999999', '0.10000000000000000000'];

/** SQL for the moment of step `n`, 37 seconds from one to the next, each with its own microseconds. */
function momentSql(n: string): string {
  return `strftime('%Y-%m-%d %H:%M:%S', ${firstSecond} + (${n}) * 37, 'unixepoch') || printf('.%06d', ((${n}) * 7919 + 13) % 1000000)`;
}

function fillCustomers(database: Database): void {
  const insert = database.prepare(`INSERT INTO customers SELECT ?, ?, ?, ?, ?, ${momentSql('n / 5')} FROM (SELECT ? AS n)`);
  const allBytes = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
  for (let id = 1; id <= customers; id++) {
    const nickname = [null, '', 'a\tb', '  '][id % 4];
    insert.run(id, `${names[id % names.length]} ${id}`, nickname, balances[id % balances.length], id % 3 === 0 ? null : allBytes.subarray(id % 200), id);
  }
}

/** Adds `count` orders, the first of which has the number `first`, each with its items. `moment` is SQL over `n`, the order's number. */
function addOrders(database: Database, { first, count, moment }: { first: number; count: number; moment: string }): void {
  const numbers = `WITH RECURSIVE numbers (n) AS (SELECT ${first} UNION ALL SELECT n + 1 FROM numbers WHERE n < ${first + count - 1})`;
  database.exec(`${numbers} INSERT INTO orders
    SELECT ${beforeFirstOrder} + n, n * 7919 % ${customers} + 1, CASE n % 3 WHEN 0 THEN 'paid' WHEN 1 THEN 'shipped' ELSE '' END,
      printf('%d.%02d', n % 90000, n * 31 % 100), ${moment} FROM numbers`);
  database.exec(`${numbers}, lines (line) AS (VALUES ${Array.from({ length: itemsPerOrder }, (_, line) => `(${line})`).join(', ')}) INSERT INTO order_items
    SELECT (n - 1) * ${itemsPerOrder} + line + 1, ${beforeFirstOrder} + n, 'product ' || (n * 31 + line) % 997, n % 5 + 1, printf('%d.%04d', n % 700, (n + line) * 37 % 10000)
    FROM numbers, lines`);
}

/** Makes the tables and their first rows. */
export function fillSample(database: Database): void {
  database.transaction(() => {
    database.exec(schema);
    fillCustomers(database);
    addOrders(database, { first: 1, count: orders, moment: momentSql(`(n - 1) / ${ordersPerMoment}`) });
  })();
}

export const changes = { customersChanged: 4, customersAdded: 2, ordersAdded: 25, ordersChanged: 16 } as const;

/**
 * What happens between the two runs. The new orders carry the very time at which the first run ended: who only asks for later ones never sees them. The changed ones share one time among them.
 */
export function changeSample(database: Database): void {
  const { customersChanged, customersAdded, ordersAdded, ordersChanged } = changes;
  const later = momentSql(String(orders));
  database.transaction(() => {
    const last = database.prepare('SELECT max(updated_at) FROM orders').pluck().get();
    addOrders(database, { first: orders + 1, count: ordersAdded, moment: `'${last}'` });
    database.exec(
      `UPDATE orders SET status = 'returned', total = '-' || total, updated_at = ${later} WHERE (id - ${beforeFirstOrder}) % ${orders / ordersChanged} = 7 AND id <= ${beforeFirstOrder + BigInt(orders)}`,
    );
    database.exec(`UPDATE customers SET nickname = CASE WHEN nickname IS NULL THEN '' END, updated_at = ${later} WHERE id IN (${pick(customersChanged)})`);
    const insert = database.prepare(`INSERT INTO customers VALUES (?, ?, NULL, '0.00000000000000000001', NULL, ${later})`);
    for (let added = 1; added <= customersAdded; added++) insert.run(customers + added, `New 🌱 ${added}`);
  })();
  const changed = Number(database.prepare("SELECT count(*) FROM orders WHERE status = 'returned'").pluck().get());
  if (changed !== ordersChanged) throw new Error(`the demo changed ${changed} orders instead of ${ordersChanged}`);
}

function pick(count: number): string {
  return Array.from({ length: count }, (_, index) => (index + 1) * 97).join(', ');
}
