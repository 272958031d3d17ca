import * as z from 'zod';
import type { ConnectorConfig } from '../connector.ts';
import { fieldTypes, lazy, lazySchemas } from '../lazy-schemas.ts';

const pem = lazy(() => z.string().min(1).startsWith('-----BEGIN', 'has to be PEM text').optional());
const topic = lazy(() =>
  z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,249}$/, 'has to be a topic name: letters, digits, dots, underscores and hyphens')
    .describe('Name of the topic.'),
);

const connection = lazy(() =>
  z
    .strictObject({
      type: z.literal('kafka').describe('Apache Kafka 2.5 or later, or a service that speaks its protocol with transactions.'),
      brokers: z
        .array(z.string().regex(/^\S+:\d{1,5}$/, 'has to be host:port'))
        .min(1)
        .describe('Brokers to begin with, each `host:port`.'),
      clientId: z.string().min(1).default('idra').describe('Name under which quotas and logs of the brokers know this client. Default idra.'),
      tls: z.boolean().default(false).describe('Encrypt, and check certificate and host name. Default false.'),
      tlsCa: pem().describe("Certificate authority as PEM text. Absent: the system's own."),
      tlsCert: pem().describe('Client certificate as PEM text, for mutual TLS.'),
      tlsKey: pem().describe('Private key of the client certificate as PEM text, best as a reference to a secret.'),
      mechanism: z
        .enum(['plain', 'scram-sha-256', 'scram-sha-512'])
        .default('plain')
        .describe('How SASL proves the password; used where username is given. Default plain.'),
      username: z.string().min(1).optional().describe('User for SASL. Absent: none.'),
      password: z.string().min(1).optional().describe('Password for SASL, best as a reference to the environment or a secret.'),
      timeoutSeconds: z
        .number()
        .min(1)
        .max(900)
        .default(30)
        .describe('Longest time for the answer to one request; what may be asked again is, five times. Below the time limit of the function. Default 30.'),
      stateTopic: z
        .string()
        .regex(/^[A-Za-z0-9._-]{1,200}$/, 'has to be a topic name')
        .default('_idra_state')
        .describe(
          'Compacted topic for the state of the syncs that write to this cluster; made where it is missing. Dead letters go to the same name with `.dead-letters`.',
        ),
    })
    .superRefine((fields, context) => {
      if ((fields.username === undefined) !== (fields.password === undefined))
        context.addIssue({ code: 'custom', message: 'username and password go together', path: [fields.username === undefined ? 'username' : 'password'] });
      if (fields.mechanism !== 'plain' && fields.username === undefined)
        context.addIssue({ code: 'custom', message: 'needs username and password', path: ['mechanism'] });
      if ((fields.tlsCert === undefined) !== (fields.tlsKey === undefined))
        context.addIssue({ code: 'custom', message: 'tlsCert and tlsKey go together', path: [fields.tlsCert === undefined ? 'tlsCert' : 'tlsKey'] });
      for (const name of ['tlsCa', 'tlsCert'] as const)
        if (fields[name] !== undefined && !fields.tls) context.addIssue({ code: 'custom', message: 'needs tls: true', path: [name] });
    }),
);

const column = lazy(() => z.string().min(1).optional());

const source = lazy(() =>
  z.strictObject({
    topic: topic(),
    key: z
      .array(z.string().min(1))
      .min(1)
      .optional()
      .describe(
        'Columns that identify a row. What the value lacks of them is taken from the message key (a JSON object, or one bare value). Needed for tombstones.',
      ),
    fields: fieldTypes()
      .optional()
      .describe(
        'Types of fields by name: `int64`, `decimal(10,2)`, `timestamp(6, zoned)`, … What is not named is inferred; what does not fit is set aside as malformed.',
      ),
    keyColumn: column().describe('Column for the text of the message key. Absent: none.'),
    headersColumn: column().describe('Column for the headers as a JSON object. Absent: none.'),
    timestampColumn: column().describe("Column for the message's time, timestamp(3, zoned). Absent: none."),
    partitionColumn: column().describe('Column for the partition. Absent: none.'),
    offsetColumn: column().describe('Column for the offset. Absent: none.'),
    start: z.enum(['earliest', 'latest']).default('earliest').describe('Where a sync without a position begins. Default earliest.'),
    partitions: z
      .string()
      .regex(/^\d{1,6}(-\d{1,6})?(,\d{1,6}(-\d{1,6})?)*$/, 'has to be like 0-99,120')
      .optional()
      .describe('Only these partitions, such as `0-99,120`. Absent: all, those added later included.'),
    group: z
      .string()
      .min(1)
      .optional()
      .describe('Consumer group whose offsets show the progress to lag tools. Nothing else may use it. Default `idra-` and the name of the sync.'),
  }),
);

const destination = lazy(() =>
  z.strictObject({
    topic: topic(),
    partitions: z.int().min(1).max(10_000).optional().describe("Partitions of the topic where it is made. Default: the broker's."),
    replication: z.int().min(1).max(100).optional().describe("Replicas of the topic, and of the state topic, where they are made. Default: the broker's."),
    compact: z.boolean().default(false).describe('Whether the topic, where it is made, keeps the last message of each key alone. Default false.'),
    keyFormat: z
      .enum(['json', 'text'])
      .default('json')
      .describe('Message key. `json`: an object of the key columns. `text`: the bare text of the one key column. Default json.'),
    headers: z
      .record(z.string().min(1), z.string().min(1))
      .optional()
      .describe('Headers by name, each with the column whose text it carries; NULL leaves it out.'),
    compression: z.enum(['none', 'gzip', 'zstd']).default('none').describe('Default none.'),
    maxMessageBytes: z
      .int()
      .min(1024)
      .optional()
      .describe("Largest message before compression. Default: the topic's max.message.bytes, or 1048588 where it may not be read."),
    transactionTimeoutSeconds: z
      .int()
      .min(5)
      .max(900)
      .default(60)
      .describe(
        'After this time the broker aborts the transaction of a run that died, and lets read_committed readers go on. A batch has to be done within it. Default 60.',
      ),
  }),
);

export type KafkaConnection = z.infer<ReturnType<typeof connection>>;
export type SourceOptions = z.infer<ReturnType<typeof source>>;
export type DestinationOptions = z.infer<ReturnType<typeof destination>>;

export const config: ConnectorConfig = lazySchemas(
  { connection, source, destination },
  {
    capabilities: {
      source: { modes: ['stream'], where: false, deletes: true, schemaless: true },
      destination: {
        writes: ['insert', 'upsert'],
        deletes: ['hard', 'ignore'],
        deadLetter: true,
        max: false,
        guarantee: 'exactly-once effect for readers with isolation.level=read_committed',
      },
    },
    secretFields: ['password', 'tlsKey'],
  },
);
