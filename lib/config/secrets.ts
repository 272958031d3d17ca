/** Resolves references when a connection is opened, never before: what is stored and printed are the references. */
import { SyncError } from '../errors.ts';
import { redactor as processRedactor, type Redactor } from './redactor.ts';
import { parseReferences, type Reference } from './references.ts';
import { fetchParameter, fetchSecret } from './secrets-aws.ts';

export interface ResolveOptions {
  /** Read again what is cached: after an authentication failure the secret may have been rotated. */
  readonly fresh?: boolean;
  /** The text holds a secret even where its references are to the environment: register their values with the redactor. */
  readonly secret?: boolean;
}

export interface Resolver {
  /** The text with every reference replaced by its value. Throws SECRET_UNRESOLVED, naming the reference. */
  resolve(text: string, options?: ResolveOptions): Promise<string>;
  readonly redactor: Redactor;
}

export interface ResolverOptions {
  readonly redactor?: Redactor;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** How long a fetched value is used, in milliseconds; 5 minutes where it is left out. */
  readonly cacheMs?: number;
  /** Milliseconds; the wall clock where it is left out, as the monotonic one stands still while a function is frozen. */
  readonly now?: () => number;
  /** Value of an SSM parameter, decrypted. */
  readonly parameter?: (name: string) => Promise<string>;
  /** Text of a secret of AWS Secrets Manager. */
  readonly secret?: (name: string) => Promise<string>;
}

const defaultCacheMs = 5 * 60_000;

export function createResolver(options: ResolverOptions = {}): Resolver {
  const { redactor = processRedactor, environment = process.env, cacheMs = defaultCacheMs, now = Date.now } = options;
  const { parameter = fetchParameter, secret = fetchSecret } = options;
  const cache = new Map<string, { readonly value: Promise<string>; readonly until: number }>();

  /** One request for each name at a time, whoever asks; what failed is asked again. */
  function cached(kind: 'ssm' | 'secret', name: string, fresh: boolean): Promise<string> {
    const key = `${kind}:${name}`;
    const known = cache.get(key);
    if (known !== undefined && !fresh && now() < known.until) return known.value;
    const value = kind === 'ssm' ? parameter(name) : secret(name);
    const entry = { value, until: now() + cacheMs };
    cache.set(key, entry);
    value.catch(() => {
      if (cache.get(key) === entry) cache.delete(key);
    });
    return value;
  }

  async function lookUp(reference: Reference, fresh: boolean): Promise<string> {
    if (reference.kind === 'env') {
      const value = environment[reference.name];
      if (value === undefined || value === '') throw unresolved(reference, 'the environment variable is not set');
      return value;
    }
    const whole = await cached(reference.kind, reference.name, fresh).catch((error: unknown) => {
      throw unresolved(reference, error instanceof SyncError ? error.message : 'it could not be read', error);
    });
    return reference.jsonKey === undefined ? whole : jsonValue(reference, whole, reference.jsonKey);
  }

  return {
    redactor,
    async resolve(text, { fresh = false, secret: holdsSecret = false } = {}) {
      const parsed = parseReferences(text);
      if (parsed.fault !== undefined) throw new SyncError('CONFIG_INVALID', parsed.fault);
      const values = await Promise.all(
        parsed.parts.map(async (part, index) => {
          if (typeof part === 'string') return part;
          const value = await lookUp(part, fresh);
          if (holdsSecret || part.kind !== 'env') redactor.add(value);
          return standsInUserInfo(parsed.parts, index) ? encodeURIComponent(value) : value;
        }),
      );
      return values.join('');
    },
  };
}

/** Between `scheme://` and `@`: there a password's own `@` or `/` would end it, so the value is percent-encoded. Secrets are kept as they are, not as URLs need them. */
function standsInUserInfo(parts: readonly (string | Reference)[], index: number): boolean {
  const before = parts.slice(0, index).map((part) => (typeof part === 'string' ? part : 'x'));
  const after = parts.slice(index + 1).map((part) => (typeof part === 'string' ? part : 'x'));
  return /^[a-z][a-z0-9+.-]*:\/\/[^/?#@]*$/i.test(before.join('')) && /^[^/?#]*@/.test(after.join(''));
}

function jsonValue(reference: Reference, whole: string, key: string): string {
  let object: unknown;
  try {
    object = JSON.parse(whole);
  } catch {
    // The parser's message would repeat the text, which is the secret.
    throw unresolved(reference, 'the secret is not JSON, so it has no keys: leave #… out');
  }
  const value = object !== null && typeof object === 'object' && Object.hasOwn(object, key) ? (object as Record<string, unknown>)[key] : undefined;
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  throw unresolved(reference, value === undefined ? `the secret's JSON has no key "${key}"` : `the value of "${key}" is neither text nor a number`);
}

function unresolved(reference: Reference, reason: string, cause?: unknown): SyncError {
  const retry = cause instanceof SyncError ? cause.retry : 'never';
  return new SyncError('SECRET_UNRESOLVED', `${reference.text} has no value: ${reason}.`, { retry, cause });
}
