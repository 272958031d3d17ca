import type { MiddlewareObj } from '@middy/core';
import { createResolver } from '../../lib/config/secrets.ts';
import { openCoordination } from '../../lib/coordination/coordination.ts';
import { etcdFromEnvironment } from '../../lib/coordination/etcd/environment.ts';
import { createEventBridgeDispatcher } from '../../lib/dispatch/event-bridge.ts';
import { SyncError } from '../../lib/errors.ts';
import type { InvocationRequest } from './invocation.ts';

/** In the function's environment these may be references, `ssm:NAME` or `secret:NAME#KEY`, so that no key is readable in the console. Without `${…}`: serverless.yml would take that for its own. */
const secretNames = ['IDRA_ETCD_CA', 'IDRA_ETCD_CERT', 'IDRA_ETCD_KEY', 'IDRA_ETCD_PASSWORD'] as const;
const reference = /^(?:ssm|secret):/;
/** One for the life of the process, so that a warm invocation does not ask for a secret again within the cache's time. */
const resolver = createResolver();

async function openEtcd() {
  const hosts = process.env.IDRA_ETCD_HOSTS;
  if (!hosts)
    throw new SyncError('CONFIG_INVALID', 'IDRA_ETCD_HOSTS is not set: name at least one etcd host, such as 10.0.0.1:2379.', { field: 'IDRA_ETCD_HOSTS' });
  const resolved = await Promise.all(
    secretNames.map(async (name) => {
      const text = process.env[name] ?? '';
      return [name, reference.test(text) ? await resolver.resolve(`\${${text}}`, { secret: true }) : text] as const;
    }),
  );
  return openCoordination({ etcd: await etcdFromEnvironment(hosts, { ...process.env, ...Object.fromEntries(resolved) }) });
}

/** etcd and the bus, open for this invocation alone: while a function is frozen no connection, lease or timer of it is alive. */
export function stores(): MiddlewareObj<unknown, unknown, Error> {
  const opened = new WeakMap<object, AsyncDisposable[]>();
  const close = async ({ context }: InvocationRequest) => {
    const stores = opened.get(context) ?? [];
    for (let store = stores.pop(); store !== undefined; store = stores.pop()) await store[Symbol.asyncDispose]();
  };
  return {
    before: async ({ context }: InvocationRequest) => {
      const stores: AsyncDisposable[] = [];
      opened.set(context, stores);
      context.dispatcher = createEventBridgeDispatcher({ bus: process.env.IDRA_EVENT_BUS || 'default' });
      stores.push(context.dispatcher);
      context.coordination = await openEtcd();
      stores.push(context.coordination);
    },
    after: close,
    onError: close,
  };
}
