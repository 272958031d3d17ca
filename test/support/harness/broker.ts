/**
 * Starts each server, and bundles what tests run as processes of their own, when the first test file asks for it, and only then: a run of one file pays for what that file uses. The broker lives in the test
 * runner's own process and is asked over loopback HTTP by the workers and the reporter.
 */
import { createServer, get, type Server as HttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type Choice, choose, type Surroundings } from '../servers/choose.ts';
import { type Backend, backends, type Recipe } from '../servers/recipe.ts';

/** Resolves with the answer. */
export type Makers = Readonly<Record<string, () => Promise<string>>>;
export type Recipes = Readonly<Record<Backend, Recipe>>;
/** What became of the backends that were asked for. */
export type Outcome = { readonly backend: Backend } & ({ readonly version: string; readonly url: string; readonly way: string } | { readonly reason: string });

/** Long enough for a server that is just starting to be stopped with the rest; the guard of its process sees to anything later. */
const pendingGraceMs = 20_000;

const isBackend = (name: string): name is Backend => (backends as readonly string[]).includes(name);

function outcome(backend: Backend, choice: Choice): Outcome {
  if ('reason' in choice) return { backend, reason: choice.reason };
  const { version, url, way } = choice.server;
  return { backend, version, url, way };
}

export class Broker implements AsyncDisposable {
  readonly #recipes: Recipes;
  readonly #surroundings: Surroundings;
  readonly #choices = new Map<Backend, Promise<Choice>>();
  readonly #makers: Makers;
  readonly #made = new Map<string, Promise<string>>();
  readonly #http: HttpServer;

  private constructor(recipes: Recipes, surroundings: Surroundings, makers: Makers) {
    this.#recipes = recipes;
    this.#surroundings = surroundings;
    this.#makers = makers;
    this.#http = createServer((request, response) => void this.#answer(request, response));
  }

  static async listen(recipes: Recipes, surroundings: Surroundings, makers: Makers = {}): Promise<Broker> {
    const broker = new Broker(recipes, surroundings, makers);
    await new Promise<void>((resolve, reject) => broker.#http.once('error', reject).listen(0, '127.0.0.1', resolve));
    return broker;
  }

  get url(): string {
    const address = this.#http.address();
    if (address === null || typeof address === 'string') throw new Error('the broker of the test servers does not listen');
    return `http://127.0.0.1:${address.port}`;
  }

  /** Starts it on the first call; every call has the same answer. */
  choice(backend: Backend): Promise<Choice> {
    let choice = this.#choices.get(backend);
    if (choice === undefined) {
      choice = choose(this.#recipes[backend], this.#surroundings);
      this.#choices.set(backend, choice);
    }
    return choice;
  }

  async outcomes(): Promise<Outcome[]> {
    const asked = backends.filter((backend) => this.#choices.has(backend));
    return Promise.all(asked.map(async (backend) => outcome(backend, await this.choice(backend))));
  }

  /** Made on the first call; every call has the same answer. */
  #make(name: string, maker: () => Promise<string>): Promise<string> {
    const made = this.#made.get(name) ?? maker();
    this.#made.set(name, made);
    return made;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const name = (request.url ?? '').slice(1);
    const maker = Object.hasOwn(this.#makers, name) ? this.#makers[name] : undefined;
    const answer = (status: number, body: unknown) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    if (name === 'outcomes') answer(200, await this.outcomes());
    else if (isBackend(name)) answer(200, outcome(name, await this.choice(name)));
    else if (maker === undefined) answer(404, `no test server is called ${name}`);
    else
      await this.#make(name, maker).then(
        (made) => answer(200, made),
        (error) => answer(500, `${name} could not be made: ${error instanceof Error ? error.message : error}`),
      );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#http.close();
    this.#http.closeAllConnections();
    const stop = async (choice: Promise<Choice>) => {
      const chosen = await choice;
      if ('running' in chosen) await chosen.running?.[Symbol.asyncDispose]();
    };
    const grace = new Promise((resolve) => setTimeout(resolve, pendingGraceMs).unref());
    await Promise.race([Promise.all([...this.#choices.values()].map(stop)), grace]);
  }
}

/** Asks the broker; waits as long as it takes, since an installation can outlast fetch's own limits. */
export async function ask<T>(broker: string, path: string): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  get(`${broker}/${path}`, (response) => {
    let text = '';
    response.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
    response.on('end', () => (response.statusCode === 200 ? resolve(text) : reject(new Error(JSON.parse(text)))));
    response.on('error', reject);
  }).on('error', reject);
  return JSON.parse(await promise) as T;
}
