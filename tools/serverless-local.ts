/**
 * Serverless plugin: what AWS provides, on this machine, for `serverless offline` and `serverless invoke local`. An event bus that follows the rules of serverless.yml, and for `offline` an etcd where
 * none is named. An endpoint that is set by AWS_ENDPOINT_URL… is left alone.
 */
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { buildFunction, root } from './bundle/functions.ts';
import { type LocalEtcd, startEtcd } from './local/etcd.ts';
import { type BusEvent, type LocalBus, startLocalBus } from './local/event-bus.ts';
import { rulesOf, type ServiceFunction } from './local/rules.ts';

interface Service {
  readonly provider: { readonly region: string; readonly environment: Record<string, unknown> };
  readonly functions: Readonly<Record<string, ServiceFunction & { readonly handler: string; readonly timeout?: number }>>;
  readonly resources?: { readonly Resources?: Readonly<Record<string, { readonly Type: string; readonly Properties?: { readonly Name?: string } }>> };
  readonly custom?: { readonly 'serverless-offline'?: { readonly lambdaPort?: number | string } };
}

interface Options {
  readonly function?: string;
  readonly lambdaPort?: string;
}

const say = (text: string) => console.error(`local: ${text}`);

export default class Local {
  readonly hooks: Readonly<Record<string, () => Promise<void>>>;
  readonly #service: Service;
  readonly #options: Options;
  #bus: LocalBus | undefined;
  #etcd: LocalEtcd | undefined;

  constructor({ service }: { readonly service: Service }, options: Options) {
    this.#service = service;
    this.#options = options;
    // Nobody collects metrics here, and their lines would stand between the reports.
    process.env.POWERTOOLS_METRICS_DISABLED ??= 'true';
    this.hooks = {
      'before:invoke:local:invoke': () => this.#startBus((name, event) => this.#runHere(name, event)),
      'after:invoke:local:invoke': () => this.#finishDeliveries(),
      'before:offline:start:init': () => this.#startAll(),
      'after:offline:start:init': () => this.#firstTick(),
      'before:offline:start:end': () => this.#stopAll(),
    };
  }

  async #startAll(): Promise<void> {
    if (!process.env.IDRA_ETCD_HOSTS) {
      this.#etcd = await startEtcd('.idra/etcd');
      this.#setEnvironment('IDRA_ETCD_HOSTS', this.#etcd.host);
      say(`etcd on ${this.#etcd.host}, data in .idra/etcd; \`idra status --etcd ${this.#etcd.host}\` shows what happens`);
    }
    await this.#startBus((name, event) => this.#post(name, event));
  }

  async #startBus(invoke: (name: string, event: BusEvent) => Promise<void>): Promise<void> {
    if (process.env.AWS_ENDPOINT_URL_EVENTBRIDGE || process.env.AWS_ENDPOINT_URL) return;
    const resources = Object.entries(this.#service.resources?.Resources ?? {});
    const buses = resources.flatMap(([id, { Type, Properties }]) =>
      Type === 'AWS::Events::EventBus' && Properties?.Name ? [[id, Properties.Name] as const] : [],
    );
    const rules = rulesOf(Object.values(this.#service.functions), new Map(buses));
    this.#bus = await startLocalBus({
      region: this.#service.provider.region,
      rules,
      invoke,
      onGivenUp: (name, { detail }, error) =>
        say(`${name} failed for good with ${JSON.stringify(detail)}: ${error instanceof Error ? error.message : String(error)}`),
    });
    this.#setEnvironment('AWS_ENDPOINT_URL_EVENTBRIDGE', this.#bus.url);
    // The local bus looks at no signature, but a request is not sent without one.
    if (!process.env.AWS_ACCESS_KEY_ID && !process.env.AWS_PROFILE) {
      this.#setEnvironment('AWS_ACCESS_KEY_ID', 'local');
      this.#setEnvironment('AWS_SECRET_ACCESS_KEY', 'local');
    }
    say(`event bus on ${this.#bus.url}, ${rules.length} rule${rules.length === 1 ? '' : 's'}`);
  }

  #setEnvironment(name: string, value: string): void {
    process.env[name] = value;
    this.#service.provider.environment[name] = value;
  }

  /** By the port on which serverless-offline takes invocations. */
  async #post(name: string, event: unknown): Promise<void> {
    const port = this.#options.lambdaPort ?? this.#service.custom?.['serverless-offline']?.lambdaPort ?? 3002;
    const response = await fetch(`http://127.0.0.1:${port}/2015-03-31/functions/${name}/invocations`, { method: 'POST', body: JSON.stringify(event) });
    const body = await response.text();
    if (!response.ok || response.headers.has('x-amz-function-error')) throw new Error(body.slice(0, 500) || `HTTP ${response.status}`);
  }

  /** In this process, from the same bundle that would be deployed. */
  async #runHere(name: string, event: BusEvent): Promise<void> {
    const found = Object.entries(this.#service.functions).find(([, { name: deployed }]) => deployed === name);
    if (found === undefined) throw new Error(`there is no function ${name}`);
    const [key, { handler: handlerPath, timeout = 900 }] = found;
    if (key !== this.#options.function) await this.#buildOnce(key);
    const [file = '', exported = 'handler'] = handlerPath.split(/\.(?=[^.]*$)/);
    const { [exported]: handler } = (await import(pathToFileURL(path.join(root, `${file}.js`)).href)) as Record<
      string,
      (event: unknown, context: object) => Promise<unknown>
    >;
    if (handler === undefined) throw new Error(`${handlerPath} does not exist`);
    const end = Date.now() + timeout * 1000;
    const report = await handler(event, {
      functionName: name,
      awsRequestId: event.id,
      memoryLimitInMB: '1024',
      getRemainingTimeInMillis: () => end - Date.now(),
    });
    console.log(JSON.stringify(report, null, 4));
  }

  readonly #built = new Map<string, Promise<unknown>>();
  #buildOnce(key: string): Promise<unknown> {
    const building = this.#built.get(key) ?? buildFunction(key, process.arch === 'arm64' ? 'arm64' : 'x64');
    this.#built.set(key, building);
    return building;
  }

  async #finishDeliveries(): Promise<void> {
    await this.#bus?.idle();
    await this.#stopAll();
  }

  /** So that nobody has to wait for the next full minute. */
  async #firstTick(): Promise<void> {
    const coordinator = this.#service.functions.coordinator;
    if (coordinator) await this.#post(coordinator.name, {});
  }

  async #stopAll(): Promise<void> {
    await this.#bus?.[Symbol.asyncDispose]();
    await this.#etcd?.[Symbol.asyncDispose]();
  }
}
