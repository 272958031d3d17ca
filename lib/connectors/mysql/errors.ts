/** MySQL's and MariaDB's error numbers and the driver's own codes, as Idra's errors. Numbers: the servers' error reference; they agree below 1900. */
import { type ErrorCode, type ErrorPlace, type Retry, SyncError } from '../../errors.ts';
import { isEncryptionError, networkErrors } from '../sql/network-errors.ts';

interface Rule {
  readonly code: ErrorCode;
  readonly retry?: Retry;
  /** Stands in place of the server's message, which would quote the row's values. */
  readonly says?: string;
}

const conflict = { code: 'CONFLICT', retry: 'now' } as const;
const lost = { code: 'CONNECTION_FAILED', retry: 'backoff' } as const;
const denied = { code: 'PERMISSION_DENIED' } as const;
const busy = { code: 'THROTTLED', retry: 'backoff' } as const;
const invalid = { code: 'CONFIG_INVALID' } as const;
const absent = { code: 'NOT_FOUND' } as const;
const duplicate = { code: 'ROW_REJECTED', says: 'a row has a unique key that is there already' } as const;
const reference = { code: 'ROW_REJECTED', says: 'a row breaks a foreign key' } as const;
const unmade = { code: 'SCHEMA_MISMATCH' } as const;
const keyless = {
  code: 'SCHEMA_MISMATCH',
  says: 'the server takes no table without a primary key: name one in the definition (key), or make the table with one',
} as const;
const changed = (says: string): Rule => ({ code: 'VALUE_UNREPRESENTABLE', says });
const tooLarge = (says: string): Rule => ({ code: 'TOO_LARGE', says });

const rules: Readonly<Record<number, Rule>> = {
  1021: { code: 'DISK_FULL', retry: 'backoff' },
  1026: { code: 'DISK_FULL', retry: 'backoff' },
  1114: { code: 'DISK_FULL', retry: 'backoff' },
  1020: conflict,
  1205: { ...conflict, says: 'another session held a lock for too long' },
  1213: conflict,
  1614: conflict,
  3058: conflict,
  // Group replication: another member changed the same rows first
  3101: conflict,
  3572: conflict,
  1040: busy,
  1041: busy,
  1129: busy,
  1203: busy,
  1226: busy,
  1044: denied,
  1045: { code: 'AUTHENTICATION_FAILED' },
  1698: { code: 'AUTHENTICATION_FAILED' },
  1251: { code: 'AUTHENTICATION_FAILED' },
  1862: { code: 'AUTHENTICATION_FAILED' },
  3118: { code: 'AUTHENTICATION_FAILED' },
  1095: denied,
  1142: denied,
  1143: denied,
  1227: denied,
  1290: denied,
  1370: denied,
  1419: denied,
  1792: denied,
  1836: denied,
  1046: invalid,
  1052: invalid,
  1055: invalid,
  1060: invalid,
  1066: invalid,
  1111: invalid,
  1140: invalid,
  1148: invalid,
  3948: invalid,
  1222: invalid,
  1235: invalid,
  1241: invalid,
  1242: invalid,
  1248: invalid,
  1305: invalid,
  1582: invalid,
  1064: invalid,
  1267: invalid,
  1149: invalid,
  1005: unmade,
  1059: unmade,
  1070: unmade,
  1071: unmade,
  1074: unmade,
  1117: unmade,
  1170: unmade,
  1173: keyless,
  3750: keyless,
  1049: absent,
  1051: absent,
  1054: absent,
  1109: absent,
  1146: absent,
  1048: { code: 'ROW_REJECTED', says: 'a column that may not be NULL got none' },
  1364: { code: 'ROW_REJECTED', says: 'a column without a default got no value' },
  1062: duplicate,
  1169: duplicate,
  1586: duplicate,
  1216: reference,
  1217: reference,
  1451: reference,
  1452: reference,
  3819: { code: 'ROW_REJECTED', says: 'a row breaks a check constraint' },
  4025: { code: 'ROW_REJECTED', says: 'a row breaks a check constraint' },
  1369: { code: 'ROW_REJECTED', says: 'a row fails the check option of a view' },
  1644: { code: 'ROW_REJECTED', says: 'a trigger refuses a row' },
  1526: { code: 'ROW_REJECTED', says: 'no partition takes a row' },
  1264: changed('a number or moment is out of the range of its column'),
  1265: changed('a value would be cut or rounded'),
  1292: changed('a value is not of the type of its column'),
  1366: changed('a value is not of the type or not of the character set of its column'),
  1367: changed('a value is not of the type of its column'),
  1406: changed('a value is too long for its column'),
  1411: changed('a value is not of the type of its column'),
  1416: changed('a value is no geometry'),
  3140: changed('a value is no JSON'),
  3141: changed('a value is no JSON'),
  3144: changed('a value is no JSON'),
  6136: changed('a value is no vector of its column'),
  6138: changed('a value is no vector of its column'),
  3157: changed('a JSON value is nested too deeply'),
  3156: changed('a JSON value is not of the type of its column'),
  1118: tooLarge('a row is longer than the table allows'),
  1153: tooLarge('a row is longer than max_allowed_packet of the server allows'),
  1162: tooLarge('a value is longer than max_allowed_packet of the server allows'),
  1301: tooLarge('a value is longer than max_allowed_packet of the server allows'),
  1317: { code: 'TIMEOUT', retry: 'backoff' },
  1907: { code: 'TIMEOUT', retry: 'backoff' },
  1969: { code: 'TIMEOUT', retry: 'backoff' },
  3024: { code: 'TIMEOUT', retry: 'backoff' },
  1053: lost,
  1077: lost,
  1079: lost,
  1152: lost,
  1158: lost,
  1159: lost,
  1160: lost,
  1161: lost,
  1184: lost,
  1927: lost,
  3169: lost,
  4031: lost,
};

const connectionErrors: ReadonlySet<string> = new Set([...networkErrors, 'ENOENT', 'PROTOCOL_CONNECTION_LOST', 'PROTOCOL_ENQUEUE_AFTER_FATAL_ERROR']);

export interface ErrorContext extends ErrorPlace {
  /** What was being done, as the start of the message: `Reading shop.orders`. */
  readonly doing: string;
  /** The connection is gone: an error without a number means just that. */
  readonly lost?: boolean;
  /** Rows were being written: a message of the server that is not known to be free of their values is left out. */
  readonly rows?: boolean;
}

interface DriverError {
  readonly message: string;
  readonly errno?: number;
  readonly code?: string;
  readonly sqlMessage?: string;
}

/** Anything that the driver throws. The driver's error stays behind: it holds the whole statement, rows included. */
export function mysqlError(error: unknown, context: ErrorContext): SyncError {
  if (error instanceof SyncError) return error;
  const { doing, lost: gone = false, rows: _rows, ...place } = context;
  const driver = (error instanceof Error ? error : { message: String(error) }) as DriverError;
  if (driver.errno !== undefined && driver.sqlMessage !== undefined) return serverError({ number: driver.errno, message: driver.sqlMessage }, context);
  const code = driver.code ?? '';
  if (connectionErrors.has(code))
    return new SyncError('CONNECTION_FAILED', `${doing} failed: the connection to the server could not be made or was lost (${code}).`, {
      ...place,
      retry: 'backoff',
    });
  if (code.startsWith('HANDSHAKE_') || isEncryptionError(code))
    return new SyncError('CONNECTION_FAILED', `${doing} failed: no encrypted connection could be made (${code}). See ssl and sslCa.`, place);
  if (code.startsWith('AUTH_'))
    return new SyncError('AUTHENTICATION_FAILED', `${doing} failed: the server asks for a way to log in that cannot be had (${code}).`, place);
  if (gone) return new SyncError('CONNECTION_FAILED', `${doing} failed: the connection to the server was lost.`, { ...place, retry: 'backoff' });
  return new SyncError('INTERNAL', `${doing} failed: ${driver.message}`, place);
}

/** An error or warning by its number. The name of the key that a row breaks is taken over; the values beside it are not. */
export function serverError({ number, message }: { readonly number: number; readonly message: string }, context: ErrorContext): SyncError {
  const { doing, lost: _lost, rows: _rows, ...place } = context;
  const rule: Rule = rules[number] ?? { code: 'INTERNAL', ...(context.rows === true ? { says: 'the server gave an error of its own' } : {}) };
  const detail = rule === duplicate ? (/ key '([^']*)'$/.exec(message)?.[1] ?? '') : '';
  const key = detail === '' ? '' : ` (key ${detail})`;
  return new SyncError(rule.code, `${doing} failed: ${rule.says ?? message}${key} [error ${number}].`, {
    ...place,
    ...(rule.retry === undefined ? {} : { retry: rule.retry }),
  });
}

/** After it nothing can be asked on the same connection: the network's end, or the server's (a KILL, a shutdown). */
export function endsConnection(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { errno, code = '', sqlMessage } = error as DriverError;
  return sqlMessage === undefined ? connectionErrors.has(code) : errno !== undefined && rules[errno] === lost;
}

/** Number of an error that came from the server. */
export function errorNumber(error: unknown): number | undefined {
  const driver = (error instanceof Error ? error : {}) as Partial<DriverError>;
  return driver.sqlMessage === undefined ? undefined : driver.errno;
}
