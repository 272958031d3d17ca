/** TLS, SASL and permissions against a broker that asks for them: the README's table of permissions is enough, and what is refused is named. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import kafkajs, { type AclEntry } from 'kafkajs';
import { beforeAll, expect, it } from 'vitest';
import type { SourceRequest } from '../../lib/connectors/connector.ts';
import { config } from '../../lib/connectors/kafka/config.ts';
import { connector } from '../../lib/connectors/kafka/index.ts';
import type { Schema } from '../../lib/values/types.ts';
import { batchOf, chunkOf, column, failure } from '../conformance/drive.ts';
import { type Certificate, certificates } from '../support/certificates.ts';
import { withAdmin } from '../support/kafka-topic.ts';
import { type KafkaBroker, startKafka } from '../support/servers/kafka.ts';
import { describeWith } from '../support/servers.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const never = new AbortController().signal;
const passwords = { writer: 'w-5ecret', reader: 'r-5ecret', nobody: 'n-5ecret' } as const;
type User = keyof typeof passwords;
const users = Object.keys(passwords) as User[];
const mechanisms = ['plain', 'scram-sha-256', 'scram-sha-512'] as const;
const schema: Schema = { name: 'orders', columns: [column('id', 'int64', false), column('note', 'string')], key: ['id'] };

await describeWith(['kafka'], 'kafka behind TLS, SASL and permissions', () => {
  let broker: KafkaBroker;
  let ca: string;
  let clientCertificate: Certificate;

  beforeAll(async () => {
    const stack = new AsyncDisposableStack();
    const folder = stack.use(await temporaryFolder()).path;
    const made = await certificates(folder, ['server', 'client']);
    ca = made.ca;
    clientCertificate = made.of.client;
    await writeFile(join(folder, 'keystore.pem'), `${made.of.server.key}${made.of.server.cert}`);
    const tls = ['ssl.keystore.type=PEM', `ssl.keystore.location=${join(folder, 'keystore.pem')}`];
    const plain = users.map((user) => `user_${user}="${passwords[user]}"`).join(' ');
    const scram = 'org.apache.kafka.common.security.scram.ScramLoginModule required;';
    broker = stack.use(
      await startKafka({
        listeners: [
          {
            name: 'SECURE',
            protocol: 'SASL_SSL',
            settings: [
              ...tls,
              'sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
              `plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required ${plain};`,
              `scram-sha-256.sasl.jaas.config=${scram}`,
              `scram-sha-512.sasl.jaas.config=${scram}`,
            ],
          },
          {
            name: 'MUTUAL',
            protocol: 'SSL',
            settings: [...tls, 'ssl.client.auth=required', 'ssl.truststore.type=PEM', `ssl.truststore.location=${join(folder, 'ca.pem')}`],
          },
        ],
        settings: ['authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer', 'super.users=User:ANONYMOUS;User:CN=client'],
        format: users.flatMap((user) =>
          ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((name) => ['--add-scram', `${name}=[name=${user},password=${passwords[user]}]`]),
        ),
      }),
    );
    await withAdmin(broker.url, (admin) => admin.createAcls({ acl: permissions() }));
    return () => stack.disposeAsync();
  }, 120_000);

  const connection = (user: User, more: object = {}): unknown =>
    config.connection.parse({
      type: 'kafka',
      brokers: [broker.listeners.SECURE],
      tls: true,
      tlsCa: ca,
      username: user,
      password: passwords[user],
      stateTopic: 'idra-state',
      ...more,
    });
  const sourceRequest = (topic: string): SourceRequest => ({
    sync: 'orders',
    options: config.source.parse({ topic }),
    mode: 'stream',
    cursor: { key: [], lookbackSeconds: 0, nulls: 'refuse' },
    peer: 'elsewhere',
  });
  const destination = (as: unknown, topic: string) =>
    connector.openDestination(
      as,
      {
        sync: 'orders',
        shard: '0',
        options: config.destination.parse({ topic, partitions: 1, replication: 1 }),
        write: 'upsert',
        deletes: 'hard',
        softDeleteColumn: '_deleted_at',
        schema: 'evolve',
        onError: 'stop',
        peer: 'elsewhere',
      },
      never,
    );

  it.each(mechanisms)('writes and reads over TLS with %s, and what the README lists is permission enough', { timeout: 60_000 }, async (mechanism) => {
    const topic = `orders-${mechanism}`;
    const fence = BigInt(mechanisms.indexOf(mechanism) + 1);
    await using out = await destination(connection('writer', { mechanism }), topic);
    await using writer = await out.open(await out.prepare(schema), { sync: 'orders', shard: '0', epoch: 0n, fence, enforced: true });
    await writer.write(chunkOf([['1', mechanism]]));
    await writer.commit(batchOf(`c-${mechanism}`));
    await using source = await connector.openSource(connection('reader', { mechanism }), sourceRequest(topic), never);
    const rows: unknown[] = [];
    let cursor: string | null = null;
    for await (const chunk of source.read({ from: null, maxRows: 100, maxBytes: 1_000_000 }, never)) {
      if (chunk.kind === 'rows') rows.push(...chunk.rows);
      cursor = chunk.boundary;
    }
    expect(rows).toEqual([['1', mechanism]]);
    await source.acknowledge?.(cursor ?? '');
  });

  it.each(mechanisms)('names a wrong password with %s, and does not repeat it', async (mechanism) => {
    const error = await failure(() => connector.check(connection('reader', { mechanism, password: 'wr0ng' }), never), 'AUTHENTICATION_FAILED');
    expect(error.message).not.toContain('wr0ng');
  });

  it('names a server whose authority is not known, and one that asks for a certificate', { timeout: 60_000 }, async () => {
    const { tlsCa: _, ...unknown } = connection('reader') as Record<string, unknown>;
    await failure(() => connector.check(unknown, never), 'CONNECTION_FAILED', 'tlsCa');
    const mutual = { type: 'kafka', brokers: [broker.listeners.MUTUAL], tls: true, tlsCa: ca };
    await failure(() => connector.check(config.connection.parse(mutual), never), 'CONNECTION_FAILED');
    const known = config.connection.parse({ ...mutual, tlsCert: clientCertificate.cert, tlsKey: clientCertificate.key });
    expect((await connector.check(known, never)).server).toContain('1 broker');
  });

  it('names what a user may not do', { timeout: 60_000 }, async () => {
    await using out = await destination(connection('writer'), 'orders-guarded');
    await out.prepare(schema);
    await failure(() => connector.openSource(connection('nobody'), sourceRequest('orders-guarded'), never), 'PERMISSION_DENIED', 'orders-guarded');
    await using reading = await destination(connection('reader'), 'orders-guarded');
    await failure(
      async () => reading.open(await reading.prepare(schema), { sync: 'orders', shard: '0', epoch: 0n, fence: 9n, enforced: true }),
      'PERMISSION_DENIED',
    );
  });
});

/** As the connector's README lists them. */
function permissions(): AclEntry[] {
  const { AclOperationTypes: op, AclPermissionTypes: permission, AclResourceTypes: type, ResourcePatternTypes: pattern } = kafkajs;
  const allow = (user: User, on: { resourceType: number; resourceName: string; prefixed?: boolean }, operations: readonly number[]): AclEntry[] =>
    operations.map((operation) => ({
      resourceType: on.resourceType,
      resourceName: on.resourceName,
      resourcePatternType: on.prefixed === true ? pattern.PREFIXED : pattern.LITERAL,
      principal: `User:${user}`,
      host: '*',
      operation,
      permissionType: permission.ALLOW,
    }));
  const orders = { resourceType: type.TOPIC, resourceName: 'orders', prefixed: true };
  const state = { resourceType: type.TOPIC, resourceName: 'idra-state', prefixed: true };
  return [
    ...allow('reader', orders, [op.DESCRIBE, op.READ]),
    ...allow('reader', { resourceType: type.GROUP, resourceName: 'idra-orders' }, [op.READ]),
    ...allow('writer', orders, [op.DESCRIBE, op.WRITE, op.CREATE, op.DESCRIBE_CONFIGS]),
    ...allow('writer', state, [op.DESCRIBE, op.READ, op.WRITE, op.CREATE]),
    ...allow('writer', { resourceType: type.TRANSACTIONAL_ID, resourceName: 'idra-state.orders.0' }, [op.DESCRIBE, op.WRITE]),
  ];
}
