import { SyncError } from '../../errors.ts';
import type { RestConnection } from './config.ts';

/** A token is renewed this long before it ends, so that it does not end on its way. */
const marginMs = 30_000;
const defaultTokenMs = 300_000;

export interface TokenAnswer {
  readonly status: number;
  readonly text: string;
}

/** Sends the form to the token URL; the client's own transport, limits and checks. */
export type AskToken = (form: string, headers: Readonly<Record<string, string>>) => Promise<TokenAnswer>;

const basic = (user: string, password: string): string => `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
/** RFC 6749, 2.3.1: both are form-encoded before they are joined. */
const encoded = (text: string): string => new URLSearchParams({ '': text }).toString().slice(1);

/** Makes the headers and parameters by which a request is let in. Tokens of OAuth 2 client credentials (RFC 6749, 4.4) are kept until they end. */
export class Auth {
  readonly #connection: RestConnection;
  readonly #ask: AskToken;
  #token: { readonly value: string; readonly until: number } | null = null;

  constructor(connection: RestConnection, ask: AskToken) {
    this.#connection = connection;
    this.#ask = ask;
  }

  async headers(): Promise<Record<string, string>> {
    const { token, username, password = '', apiKey, apiKeyName, apiKeyIn, oauth2 } = this.#connection;
    if (token !== undefined) return { authorization: `Bearer ${token}` };
    if (username !== undefined) return { authorization: basic(username, password) };
    if (apiKey !== undefined) return apiKeyIn === 'header' ? { [apiKeyName.toLowerCase()]: apiKey } : {};
    return oauth2 === undefined ? {} : { authorization: `Bearer ${await this.#oauthToken()}` };
  }

  /** Name and value of the parameter that carries the API key; null where none does. */
  get parameter(): readonly [string, string] | null {
    const { apiKey, apiKeyName, apiKeyIn } = this.#connection;
    return apiKey !== undefined && apiKeyIn === 'query' ? [apiKeyName, apiKey] : null;
  }

  /** After a 401: whether another try makes sense, with a new token. */
  forget(): boolean {
    if (this.#connection.oauth2 === undefined || this.#token === null) return false;
    this.#token = null;
    return true;
  }

  async #oauthToken(): Promise<string> {
    const { oauth2, clientSecret = '' } = this.#connection;
    if (oauth2 === undefined) throw new SyncError('INTERNAL', 'A token was asked for without oauth2.');
    if (this.#token !== null && this.#token.until > Date.now()) return this.#token.value;
    const form = new URLSearchParams({ grant_type: 'client_credentials' });
    if (oauth2.scope !== undefined) form.set('scope', oauth2.scope);
    if (oauth2.audience !== undefined) form.set('audience', oauth2.audience);
    const inBody = oauth2.credentialsIn === 'body';
    if (inBody) {
      form.set('client_id', oauth2.clientId);
      form.set('client_secret', clientSecret);
    }
    const { status, text } = await this.#ask(form.toString(), inBody ? {} : { authorization: basic(encoded(oauth2.clientId), encoded(clientSecret)) });
    const { access_token: value, expires_in: seconds } = status === 200 ? readToken(text) : {};
    if (typeof value !== 'string' || value === '' || /[\r\n\0]/.test(value)) {
      throw new SyncError('AUTHENTICATION_FAILED', `The token URL answered with ${status} and no access_token: check oauth2 and clientSecret.`);
    }
    const lifeMs = Number.isFinite(Number(seconds)) && Number(seconds) > 0 ? Number(seconds) * 1000 : defaultTokenMs;
    this.#token = { value, until: Date.now() + Math.max(lifeMs - marginMs, lifeMs / 2) };
    return value;
  }
}

function readToken(text: string): { access_token?: unknown; expires_in?: unknown } {
  try {
    const value: unknown = JSON.parse(text);
    return value !== null && typeof value === 'object' ? value : {};
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}
