import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { CreateSecretCommand, GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { GetParameterCommand, PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import Database from 'better-sqlite3';
import { Etcd3 } from 'etcd3';
import { Kafka, logLevel } from 'kafkajs';
import { MongoClient } from 'mongodb';
import mysql from 'mysql2/promise';
import pg from 'pg';
import { expect, it } from 'vitest';
import { awsAccess } from '../support/aws.ts';
import { freshDatabase } from '../support/fresh.ts';
import { hasTransactions } from '../support/servers/mongodb.ts';
import { onSqlserver } from '../support/servers/sqlserver.ts';
import { describeWith } from '../support/servers.ts';
import { waitUntil } from '../support/wait-until.ts';

await describeWith(['postgres'], 'PostgreSQL', ({ postgres }) => {
  it('has a database of its own, and refuses a wrong password', async () => {
    const fresh = await freshDatabase('postgres');
    const client = new pg.Client({ connectionString: fresh.url });
    await client.connect();
    const { rows } = await client.query('select current_database() as name');
    await client.end();
    expect(rows).toEqual([{ name: fresh.name }]);
    await fresh[Symbol.asyncDispose]();
    await expect(new pg.Client({ connectionString: fresh.url }).connect()).rejects.toMatchObject({ code: '3D000' });
    const wrong = new URL(postgres.url);
    wrong.password = 'wrong';
    await expect(new pg.Client({ connectionString: wrong.href }).connect()).rejects.toMatchObject({ code: '28P01' });
  });
});

await describeWith(['mysql'], 'MariaDB or MySQL', () => {
  it('has a database of its own', async () => {
    const fresh = await freshDatabase('mysql');
    const connection = await mysql.createConnection({ uri: fresh.url });
    const [rows] = await connection.query('select database() as name, @@local_infile as local, @@binlog_format as binlog');
    await connection.end();
    expect(rows).toEqual([{ name: fresh.name, local: 1, binlog: 'ROW' }]);
    await fresh[Symbol.asyncDispose]();
    await expect(mysql.createConnection({ uri: fresh.url })).rejects.toMatchObject({ errno: 1049 });
  });
});

await describeWith(['sqlite'], 'SQLite', ({ sqlite }) => {
  it('has a file of its own', async () => {
    expect(sqlite.version).toMatch(/^SQLite 3\.\d+/);
    await using fresh = await freshDatabase('sqlite');
    const database = new Database(fresh.url);
    database.exec('create table t (x int)');
    database.close();
  });
});

await describeWith(['etcd'], 'etcd', () => {
  it('has a prefix of its own, emptied at the end', async () => {
    const fresh = await freshDatabase('etcd');
    expect(fresh.name).toMatch(/\/$/);
    const client = new Etcd3({ hosts: fresh.url.split(',').map((host) => `http://${host}`) });
    await client.put(`${fresh.name}a`).value('1');
    await client.put(`x${fresh.name}a`).value('1');
    await fresh[Symbol.asyncDispose]();
    expect(await client.getAll().prefix(fresh.name).strings()).toEqual({});
    expect(await client.getAll().prefix(`x${fresh.name}`).strings()).toEqual({ [`x${fresh.name}a`]: '1' });
    await client.delete().prefix(`x${fresh.name}`);
    client.close();
  });
});

await describeWith(['kafka'], 'Kafka', () => {
  it('commits and aborts transactions, and deletes the topics of a prefix', async () => {
    const fresh = await freshDatabase('kafka');
    const kafka = new Kafka({ brokers: fresh.url.split(','), logLevel: logLevel.NOTHING });
    const admin = kafka.admin();
    await admin.connect();
    const topic = `${fresh.name}orders`;
    await admin.createTopics({ topics: [{ topic, numPartitions: 1 }] });
    const producer = kafka.producer({ transactionalId: topic, maxInFlightRequests: 1, idempotent: true });
    await producer.connect();
    for (const value of ['committed', 'aborted', 'last']) {
      const transaction = await producer.transaction();
      await transaction.send({ topic, messages: [{ key: 'k', value }] });
      await (value === 'aborted' ? transaction.abort() : transaction.commit());
    }
    const consumer = kafka.consumer({ groupId: topic, readUncommitted: false });
    await consumer.connect();
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    const seen: (string | undefined)[] = [];
    await consumer.run({ eachMessage: async ({ message }) => void seen.push(message.value?.toString()) });
    await waitUntil(() => seen.includes('last'), { timeoutMs: 15_000 });
    expect(seen).toEqual(['committed', 'last']);
    await Promise.all([producer.disconnect(), consumer.disconnect()]);
    await fresh[Symbol.asyncDispose]();
    await waitUntil(async () => !(await admin.listTopics()).includes(topic));
    await admin.disconnect();
  });
});

await describeWith(['mongodb'], 'MongoDB', ({ mongodb }) => {
  it('has a database of its own, and change streams', async () => {
    await using fresh = await freshDatabase('mongodb');
    const client = new MongoClient(fresh.url);
    const orders = client.db().collection<{ _id: number }>('orders');
    await orders.insertOne({ _id: 1 });
    const stream = orders.watch();
    const first = stream.next();
    await new Promise((resolve) => setTimeout(resolve, 500));
    await orders.insertOne({ _id: 2 });
    expect(await first).toMatchObject({ operationType: 'insert', fullDocument: { _id: 2 } });
    await stream.close();
    expect(client.db().databaseName).toBe(fresh.name);
    await client.close();
  });

  it.skipIf(!hasTransactions(mongodb))('has transactions (not run on a standalone server)', async () => {
    await using fresh = await freshDatabase('mongodb');
    const client = new MongoClient(fresh.url);
    const orders = client.db().collection<{ _id: number }>('orders');
    await client.withSession((session) => session.withTransaction(() => orders.insertOne({ _id: 1 }, { session })));
    expect(await orders.countDocuments()).toBe(1);
    await client.close();
  });
});

await describeWith(['s3'], 'S3', () => {
  it('writes an object once under If-None-Match, whole or in parts', async () => {
    await using fresh = await freshDatabase('s3');
    const client = new S3Client({ ...awsAccess(fresh.url), forcePathStyle: true });
    const put = (Body: string) => client.send(new PutObjectCommand({ Bucket: fresh.name, Key: 'a', Body, IfNoneMatch: '*' }));
    await put('first');
    await expect(put('second')).rejects.toMatchObject({ $metadata: { httpStatusCode: 412 } });
    const { Body } = await client.send(new GetObjectCommand({ Bucket: fresh.name, Key: 'a' }));
    expect(await Body?.transformToString()).toBe('first');
    const upload = { Bucket: fresh.name, Key: 'a' };
    const { UploadId } = await client.send(new CreateMultipartUploadCommand(upload));
    const { ETag } = await client.send(new UploadPartCommand({ ...upload, UploadId, PartNumber: 1, Body: 'third' }));
    const complete = new CompleteMultipartUploadCommand({ ...upload, UploadId, MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] }, IfNoneMatch: '*' });
    await expect(client.send(complete)).rejects.toMatchObject({ $metadata: { httpStatusCode: 412 } });
  });
});

await describeWith(['aws'], 'the services of AWS', ({ aws }) => {
  it('keep parameters and secrets, and take events', async () => {
    const ssm = new SSMClient(awsAccess(aws.url));
    await ssm.send(new PutParameterCommand({ Name: '/idra/test', Value: 'p', Type: 'SecureString', Overwrite: true }));
    expect((await ssm.send(new GetParameterCommand({ Name: '/idra/test', WithDecryption: true }))).Parameter?.Value).toBe('p');
    const secrets = new SecretsManagerClient(awsAccess(aws.url));
    const { ARN } = await secrets.send(new CreateSecretCommand({ Name: `idra-${Date.now()}`, SecretString: 's' }));
    expect((await secrets.send(new GetSecretValueCommand({ SecretId: ARN }))).SecretString).toBe('s');
    const events = new EventBridgeClient(awsAccess(aws.url));
    const { FailedEntryCount } = await events.send(
      new PutEventsCommand({ Entries: [{ Source: 'idra', DetailType: 'Sync Requested', Detail: '{"sync":"a"}' }] }),
    );
    expect(FailedEntryCount).toBe(0);
  });
});

await describeWith(['sqlserver'], 'SQL Server', () => {
  it('has a database of its own', async () => {
    await using fresh = await freshDatabase('sqlserver');
    expect(await onSqlserver(fresh.url, 'select db_name() as name')).toEqual([{ name: fresh.name }]);
  });
});
