/** SQL Server's error numbers and the driver's own codes, as Idra's errors. Numbers: sys.messages and the documentation of the Database Engine's errors. */
import { type ErrorCode, type ErrorPlace, type Retry, SyncError } from '../../errors.ts';
import { isEncryptionError, networkErrors } from '../sql/network-errors.ts';

interface Rule {
  readonly code: ErrorCode;
  readonly retry?: Retry;
  /** Stands in place of the server's message, which may quote the row's values. */
  readonly says?: string;
}

const conflict = { code: 'CONFLICT', retry: 'now' } as const;
const lost = { code: 'CONNECTION_FAILED', retry: 'backoff' } as const;
const denied = { code: 'PERMISSION_DENIED' } as const;
const login = { code: 'AUTHENTICATION_FAILED' } as const;
const busy = { code: 'THROTTLED', retry: 'backoff' } as const;
const full = { code: 'DISK_FULL', retry: 'backoff' } as const;
const invalid = { code: 'CONFIG_INVALID' } as const;
const absent = { code: 'NOT_FOUND' } as const;
const unsupported = { code: 'UNSUPPORTED' } as const;
const duplicate = { code: 'ROW_REJECTED', says: 'a row has a unique key that is there already' } as const;
const constraint = { code: 'ROW_REJECTED', says: 'a row breaks a foreign key or a check constraint' } as const;
const trigger = { code: 'ROW_REJECTED', says: 'a trigger refuses a row' } as const;
const changed = (says: string): Rule => ({ code: 'VALUE_UNREPRESENTABLE', says });
const tooLarge = (says: string): Rule => ({ code: 'TOO_LARGE', says });
const unfit = (says: string): Rule => ({ code: 'SCHEMA_MISMATCH', says });

/** One rule for many numbers. */
function of(rule: Rule, ...numbers: readonly number[]): [number, Rule][] {
  return numbers.map((number) => [number, rule]);
}

const rules: ReadonlyMap<number, Rule> = new Map([
  ...of(conflict, 1205, 3960, 3961, 41_301, 41_302, 41_305, 41_325, 41_839),
  ...of({ ...conflict, says: 'another session held a lock for too long' }, 1222),
  ...of(login, 18_450, 18_451, 18_452, 18_456, 18_461, 18_470, 18_486, 18_487, 18_488, 40_532),
  ...of(denied, 229, 230, 262, 297, 300, 371, 378, 916, 1934, 3906, 6102, 15_151, 15_247, 40_615, 40_914, 47_073),
  ...of(absent, 207, 208, 911, 1088, 2760, 2812, 3701, 4060, 4064, 4701, 4902, 15_009),
  ...of(
    invalid,
    102,
    105,
    103,
    116,
    130,
    137,
    147,
    156,
    164,
    170,
    174,
    195,
    201,
    205,
    209,
    245,
    319,
    402,
    1033,
    4104,
    4121,
    8114,
    8117,
    8120,
    8155,
    8156,
    8169,
  ),
  ...of(duplicate, 1505, 2601, 2627),
  ...of(constraint, 547, 550, 4457, 33_504),
  ...of({ code: 'ROW_REJECTED', says: 'a column that may not be NULL got none' }, 515),
  ...of(trigger, 3609, 3616),
  ...of(changed('a value is too long for its column'), 2628, 8152),
  ...of(changed('a number is out of the range of its column'), 220, 232, 236, 237, 238, 244, 248, 8115),
  ...of(changed('a value is no date or time that its column holds'), 241, 242, 295, 296, 517),
  ...of(changed('a value is not of the type of its column'), 8009, 8023, 8029, 4815, 4816, 7339),
  ...of(tooLarge('a row is longer than the table allows'), 511, 1701, 1946, 1975, 8621, 8623),
  ...of(unfit('a column that the server fills in itself cannot be written'), 271, 273, 544, 8101, 8102, 13_536, 13_537),
  ...of(full, 1101, 1105, 1132, 3257, 3958, 3959, 3966, 5149, 9002),
  // A snapshot that reaches into a database without them, and tables in memory, which are in no such transaction
  ...of(unsupported, 3952, 10_794, 41_332, 41_333, 41_368),
  ...of(
    busy,
    701,
    802,
    1204,
    8628,
    8645,
    8651,
    10_928,
    10_929,
    10_936,
    17_197,
    17_809,
    17_830,
    40_501,
    40_544,
    40_549,
    40_550,
    40_551,
    40_552,
    40_553,
    49_918,
    49_919,
    49_920,
  ),
  // Among them a server that starts up or is being upgraded, and a database that recovers or changes its role
  ...of(
    lost,
    64,
    121,
    233,
    596,
    615,
    921,
    922,
    976,
    978,
    983,
    988,
    4014,
    4221,
    6005,
    6006,
    10_053,
    10_054,
    10_060,
    17_142,
    17_187,
    18_056,
    18_401,
    40_143,
    40_197,
  ),
  ...of(lost, 40_540, 40_613, 42_108, 42_109),
]);

/** While rows are written, what is thrown by itself (THROW, RAISERROR) comes of a trigger, and a conversion that fails is the fault of a value. */
function ruleFor(number: number, rows: boolean): Rule | undefined {
  if (number >= 9400 && number <= 9499) return changed('a value is no XML');
  if (rows && (number === 245 || number === 8114 || number === 8169)) return changed('a value is not of the type of its column');
  return rules.get(number) ?? (rows && number >= 50_000 ? trigger : undefined);
}

const connectionErrors: ReadonlySet<string> = new Set([...networkErrors, 'ESOCKET', 'ECLOSE', 'EINSTLOOKUP']);

export interface ErrorContext extends ErrorPlace {
  /** What was being done, as the start of the message: `Reading dbo.orders`. */
  readonly doing: string;
  /** The connection is gone: an error without a number means just that. */
  readonly lost?: boolean;
  /** Rows were being written: a message of the server that is not known to be free of their values is left out. */
  readonly rows?: boolean;
}

interface DriverError {
  readonly message: string;
  readonly number?: number;
  readonly code?: string;
  readonly cause?: unknown;
}

/** Anything that the driver throws. The driver's error stays behind: it may quote a row. */
export function sqlserverError(error: unknown, context: ErrorContext): SyncError {
  if (error instanceof SyncError) return error;
  const { doing, lost: gone = false, rows: _rows, ...place } = context;
  const driver = firstOf(error);
  if (driver.number !== undefined) return serverError(driver.number, driver.message, context);
  const codes = codesOf(driver);
  const tls = codes.find((code) => code.startsWith('EENCRYPT') || isEncryptionError(code));
  if (tls !== undefined)
    return new SyncError(
      'CONNECTION_FAILED',
      `${doing} failed: no encrypted connection could be made (${tls}). Give the server's certificate authority in sslCa, or see ssl.`,
      place,
    );
  if (codes.includes('ELOGIN')) return new SyncError('AUTHENTICATION_FAILED', `${doing} failed: the server refuses the login.`, place);
  if (codes.includes('ETIMEOUT') && !gone)
    return new SyncError('TIMEOUT', `${doing} failed: the server did not answer in time (requestTimeoutSeconds).`, { ...place, retry: 'backoff' });
  const network = codes.find((code) => connectionErrors.has(code) && code !== 'ESOCKET') ?? codes.find((code) => connectionErrors.has(code));
  if (network !== undefined || codes.includes('ETIMEOUT'))
    return new SyncError('CONNECTION_FAILED', `${doing} failed: the connection to the server could not be made or was lost (${network ?? 'ETIMEOUT'}).`, {
      ...place,
      retry: 'backoff',
    });
  if (gone) return new SyncError('CONNECTION_FAILED', `${doing} failed: the connection to the server was lost.`, { ...place, retry: 'backoff' });
  return new SyncError('INTERNAL', `${doing} failed: ${context.rows === true ? 'the driver gave an error of its own' : driver.message}`, place);
}

/** An error by its number. The name of the constraint that a row breaks is taken over; the values beside it are not. */
export function serverError(number: number, message: string, context: ErrorContext): SyncError {
  const { doing, lost: _lost, rows: _rows, ...place } = context;
  const { rows = false } = context;
  const rule: Rule = ruleFor(number, rows) ?? { code: 'INTERNAL', ...(rows ? { says: 'the server gave an error of its own' } : {}) };
  const name = rule === duplicate || rule === constraint ? /(?:constraint|index) ['"]([^'"]*)['"]/.exec(message)?.[1] : undefined;
  return new SyncError(rule.code, `${doing} failed: ${rule.says ?? message}${name === undefined ? '' : ` (${name})`} [error ${number}].`, {
    ...place,
    ...(rule.retry === undefined ? {} : { retry: rule.retry }),
  });
}

/** After it nothing can be asked on the same connection. */
export function endsConnection(error: unknown): boolean {
  if (error instanceof SyncError || !(error instanceof Error)) return false;
  const driver = firstOf(error);
  if (driver.number !== undefined) return rules.get(driver.number) === lost;
  return codesOf(driver).some((code) => connectionErrors.has(code) || code === 'EINVALIDSTATE');
}

/** Number of an error that came from the server. */
export function errorNumber(error: unknown): number | undefined {
  return firstOf(error).number;
}

/** Several errors may come of one request: the first that says something known. */
function firstOf(error: unknown): DriverError {
  if (error instanceof AggregateError) {
    const all = error.errors as readonly DriverError[];
    return all.find(({ number }) => number !== undefined && ruleFor(number, true) !== undefined) ?? all[0] ?? error;
  }
  return (error instanceof Error ? error : { message: String(error) }) as DriverError;
}

function codesOf(error: DriverError): string[] {
  const codes: string[] = [];
  for (let each: unknown = error; each instanceof Error && codes.length < 8; each = each.cause) codes.push((each as DriverError).code ?? '');
  return codes;
}
