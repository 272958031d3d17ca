/** Keeps secrets out of logs, reports and errors. What has been resolved or read as a secret is added; every text that leaves passes through `redact`. */

const mask = '***';

/** Below this length a value is masked only where it stands in a URL: replacing every `a` would make all output unreadable, and hide nothing. */
const minLength = 4;

/** The password within `scheme://user:password@host`; the last @ before the path ends it, as passwords may hold one. */
const urlPassword = /(\b[a-z][a-z0-9+.-]*:\/\/[^\s/?#:@]*):([^\s/?#]*)@/gi;
const queryPassword = /([?&](?:password|passwd|pwd|pass|token|access_token|api_?key|secret|client_secret|sig|signature)=)([^&\s"'#]+)/gi;

/** Every password that stands in an address, as written and decoded. */
export function passwordsInUrl(text: string): string[] {
  const found: string[] = [];
  for (const pattern of [urlPassword, queryPassword]) {
    for (const match of text.matchAll(pattern)) {
      const written = match[2] ?? '';
      if (written === '') continue;
      found.push(written);
      const decoded = decode(written);
      if (decoded !== written) found.push(decoded);
    }
  }
  return found;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    // A stray % is no escape: then the text is the password as it stands.
    if (error instanceof URIError) return text;
    throw error;
  }
}

/** The ways in which drivers, loggers and URLs write the same value. */
function writtenForms(secret: string): string[] {
  const wellFormed = secret.toWellFormed();
  const encoded = encodeURIComponent(wellFormed);
  const forms = [secret, encoded, encoded.replaceAll('%20', '+'), encodeURI(wellFormed), JSON.stringify(secret).slice(1, -1), secret.replaceAll("'", "''")];
  return forms.flatMap((form) => [form, form.replace(/%[0-9A-F]{2}/g, (hex) => hex.toLowerCase())]);
}

export class Redactor {
  readonly #forms = new Set<string>();
  #pattern: RegExp | null = null;

  /** A value that must not be seen. A URL counts for the passwords in it: host and database may be read. */
  add(secret: string): void {
    const passwords = passwordsInUrl(secret);
    for (const value of passwords.length === 0 && !/^[a-z][a-z0-9+.-]*:\/\//i.test(secret) ? [secret] : passwords) {
      if (value.length < minLength) continue;
      for (const form of writtenForms(value)) this.#forms.add(form);
      this.#pattern = null;
    }
  }

  redact(text: string): string {
    this.#pattern ??= this.#build();
    const pattern = this.#pattern;
    const known = pattern === null ? text : text.replace(pattern, mask);
    return known.replace(urlPassword, (_, before: string) => `${before}:${mask}@`).replace(queryPassword, (_, before: string) => `${before}${mask}`);
  }

  /** The same for every string within a report or a log record, keys left as they are. */
  redactAll<T>(value: T): T {
    return this.#walk(value) as T;
  }

  #walk(value: unknown): unknown {
    if (typeof value === 'string') return this.redact(value);
    if (Array.isArray(value)) return value.map((item) => this.#walk(item));
    if (value === null || typeof value !== 'object' || Object.getPrototypeOf(value) !== Object.prototype) return value;
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, this.#walk(item)]));
  }

  /** Longest first, so that no secret survives behind a shorter one that begins it. */
  #build(): RegExp | null {
    if (this.#forms.size === 0) return null;
    const forms = [...this.#forms].sort((a, b) => b.length - a.length).map((form) => form.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
    return new RegExp(forms.join('|'), 'g');
  }
}

/** The process's own: the resolver adds to it, and whatever prints goes through it. */
export const redactor = new Redactor();
