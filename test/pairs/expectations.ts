/**
 * Which values of the round-trip set a destination refuses, by source. Everything that is not named here arrives exactly, and what a source cannot have itself is left out
 * (`cannotHold` of its harness).
 */

export const systems = ['postgres', 'mysql', 'sqlite', 'sqlserver', 'mongodb', 'kafka', 's3', 'rest'] as const;
export type System = (typeof systems)[number];

/** The sources from which it is refused; `always`: whatever the source. */
type Refused = Readonly<Record<string, readonly System[]>>;

const always: readonly System[] = [];
/** Sources whose definition gives each field its type, so that none is lost on the way. */
const typed: readonly System[] = ['mongodb', 'kafka', 's3', 'rest'];

export const refusedBy: Readonly<Record<System, Refused>> = {
  postgres: {
    NUL: always,
    'zero date': always,
    'date without a day': always,
    'zero timestamp': always,
    '838 hours': always,
    'negative time': always,
    'lone surrogate': always,
  },
  mysql: {
    NaN: always,
    Infinity: always,
    '-Infinity': always,
    'negative zero': always,
    'decimal NaN': always,
    'decimal Infinity': always,
    'decimal -Infinity': always,
    'date BC': always,
    'date past 9999': always,
    'infinite date': always,
    'infinite timestamp': always,
    'timestamp minus infinity': always,
    'infinite zoned': always,
    'zoned before 1900': always,
    'zoned before 1970': always,
    // PostgreSQL and MariaDB have no such type: their tables hold it as text
    'seven fraction digits': ['sqlite', 'sqlserver', ...typed],
    'lone surrogate': always,
  },
  sqlite: {
    NaN: always,
    'negative zero': always,
    // PostgreSQL has no unsigned integers: its numeric(20) becomes a decimal, which SQLite keeps as text
    'uint64 max': ['mysql', ...typed],
    'uint64 above int64': ['mysql', ...typed],
    'lone surrogate': always,
  },
  sqlserver: {
    'decimal NaN': always,
    'decimal Infinity': always,
    'decimal -Infinity': always,
    'smallest double': always,
    'negative zero': always,
    NaN: always,
    Infinity: always,
    '-Infinity': always,
    'date BC': always,
    'date past 9999': always,
    'infinite date': always,
    'zero date': always,
    'date without a day': always,
    '24:00:00': always,
    '838 hours': always,
    'negative time': always,
    'infinite timestamp': always,
    'timestamp minus infinity': always,
    'zero timestamp': always,
    'infinite zoned': always,
  },
  mongodb: {
    'decimal of 38 digits': always,
    'lone surrogate': always,
  },
  kafka: { 'JSON null': always },
  s3: { 'JSON null': always },
  rest: {
    'JSON null': always,
    NaN: always,
    Infinity: always,
    '-Infinity': always,
    'decimal NaN': always,
    'decimal Infinity': always,
    'decimal -Infinity': always,
    'lone surrogate': always,
  },
};
