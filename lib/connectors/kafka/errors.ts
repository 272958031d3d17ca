import { type ErrorCode, type ErrorPlace, type Retry, SyncError } from '../../errors.ts';

interface Meaning {
  readonly code: ErrorCode;
  readonly retry?: Retry;
  readonly advice: string;
}

const passing = (advice: string): Meaning => ({ code: 'CONNECTION_FAILED', retry: 'backoff', advice });

/** By the protocol's error names (https://kafka.apache.org/protocol.html#protocol_error_codes), the driver's error classes and Node's errno. */
const meanings: Readonly<Record<string, Meaning>> = {
  UNKNOWN_TOPIC_OR_PARTITION: { code: 'NOT_FOUND', advice: 'there is no such topic, or this user may not see it' },
  INVALID_TOPIC_EXCEPTION: { code: 'CONFIG_INVALID', advice: 'the name of the topic is not valid' },
  OFFSET_OUT_OF_RANGE: { code: 'RESYNC_REQUIRED', advice: 'the position is gone from the topic' },
  MESSAGE_TOO_LARGE: {
    code: 'CONFIG_INVALID',
    advice: "a batch of messages is larger than the broker takes: set destination.maxMessageBytes to the topic's max.message.bytes",
  },
  RECORD_LIST_TOO_LARGE: {
    code: 'CONFIG_INVALID',
    advice: "a batch of messages is larger than the broker takes: set destination.maxMessageBytes to the topic's max.message.bytes",
  },
  TOPIC_AUTHORIZATION_FAILED: { code: 'PERMISSION_DENIED', advice: 'this user may not do that with the topic' },
  GROUP_AUTHORIZATION_FAILED: {
    code: 'PERMISSION_DENIED',
    advice: 'this user may not use the consumer group: allow Read on it, or name another in source.group',
  },
  CLUSTER_AUTHORIZATION_FAILED: { code: 'PERMISSION_DENIED', advice: 'this user may not do that on the cluster' },
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: {
    code: 'PERMISSION_DENIED',
    advice: 'this user may not use the transactional id: allow Write and Describe on its prefix',
  },
  UNKNOWN_MEMBER_ID: { code: 'CONFIG_INVALID', advice: 'other consumers use the consumer group: name one of its own in source.group' },
  SASL_AUTHENTICATION_FAILED: { code: 'AUTHENTICATION_FAILED', advice: 'user name or password is wrong' },
  KafkaJSSASLAuthenticationError: { code: 'AUTHENTICATION_FAILED', advice: 'user name or password is wrong' },
  UNSUPPORTED_SASL_MECHANISM: { code: 'CONFIG_INVALID', advice: 'the brokers do not offer this mechanism' },
  INVALID_PRODUCER_EPOCH: {
    code: 'FENCED',
    advice:
      'a newer run has taken over the transactional id, or the transaction took longer than destination.transactionTimeoutSeconds; nothing more is written',
  },
  INVALID_TXN_STATE: {
    code: 'FENCED',
    advice: 'the broker has ended the transaction: a newer run has taken over, or it took longer than destination.transactionTimeoutSeconds',
  },
  INVALID_PRODUCER_ID_MAPPING: { code: 'FENCED', advice: 'the broker has given the transactional id to another producer' },
  TRANSACTION_COORDINATOR_FENCED: passing('the transaction coordinator has moved'),
  INVALID_TRANSACTION_TIMEOUT: { code: 'CONFIG_INVALID', advice: "transactionTimeoutSeconds is above the brokers' transaction.max.timeout.ms" },
  INVALID_REPLICATION_FACTOR: { code: 'CONFIG_INVALID', advice: 'there are fewer brokers than destination.replication asks for' },
  INVALID_PARTITIONS: { code: 'CONFIG_INVALID', advice: 'the number of partitions is not valid' },
  INVALID_CONFIG: { code: 'CONFIG_INVALID', advice: 'the brokers refuse a setting of the topic' },
  POLICY_VIOLATION: { code: 'PERMISSION_DENIED', advice: 'a policy of the cluster forbids it: make the topic by hand' },
  UNSUPPORTED_VERSION: { code: 'UNSUPPORTED', advice: 'the brokers are too old or too new for this client' },
  KafkaJSServerDoesNotSupportApiKey: { code: 'UNSUPPORTED', advice: 'the service lacks a part of the protocol' },
  KafkaJSNotImplemented: { code: 'UNSUPPORTED', advice: 'messages are compressed with Snappy or LZ4, which cannot be read: use gzip, zstd or none' },
  KAFKA_STORAGE_ERROR: { code: 'DISK_FULL', retry: 'backoff', advice: 'the disk of a broker fails or is full' },
  CONCURRENT_TRANSACTIONS: { code: 'CONFLICT', retry: 'backoff', advice: 'the transaction before is not finished yet' },
  OUT_OF_ORDER_SEQUENCE_NUMBER: { code: 'CONFLICT', retry: 'now', advice: 'a request was lost on the way' },
  DUPLICATE_SEQUENCE_NUMBER: { code: 'CONFLICT', retry: 'now', advice: 'a request was sent twice' },
  UNKNOWN_PRODUCER_ID: { code: 'CONFLICT', retry: 'now', advice: 'the broker has forgotten the producer' },
  KafkaJSConnectionError: passing('no broker answers, or the connection went away'),
  KafkaJSConnectionClosedError: passing('the connection went away'),
  KafkaJSRequestTimeoutError: { code: 'TIMEOUT', retry: 'backoff', advice: 'a broker took too long to answer' },
  KafkaJSLockTimeout: { code: 'TIMEOUT', retry: 'backoff', advice: 'a broker took too long to answer' },
  KafkaJSBrokerNotFound: passing('the broker in charge is not known'),
  KafkaJSGroupCoordinatorNotFound: passing('no broker is in charge of the group or transaction'),
  KafkaJSMetadataNotLoaded: passing('what the brokers know of the topic could not be had'),
  KafkaJSTopicMetadataNotLoaded: passing('what the brokers know of the topic could not be had'),
  ECONNREFUSED: passing('nothing answers there'),
  ECONNRESET: passing('the connection went away'),
  ENOTFOUND: passing('the host name is not known'),
  ...certificateErrors(),
};

/** What Node says of a certificate that it does not trust, https://nodejs.org/api/tls.html#x509-certificate-error-codes */
function certificateErrors(): Record<string, Meaning> {
  const authority = "the certificate of a broker is of an authority that is not known: give the authority's in tlsCa";
  const refused = (advice: string): Meaning => ({ code: 'CONNECTION_FAILED', retry: 'never', advice });
  return {
    SELF_SIGNED_CERT_IN_CHAIN: refused(authority),
    DEPTH_ZERO_SELF_SIGNED_CERT: refused(authority),
    UNABLE_TO_VERIFY_LEAF_SIGNATURE: refused(authority),
    UNABLE_TO_GET_ISSUER_CERT: refused(authority),
    UNABLE_TO_GET_ISSUER_CERT_LOCALLY: refused(authority),
    CERT_HAS_EXPIRED: refused('the certificate of a broker has expired'),
    CERT_NOT_YET_VALID: refused('the certificate of a broker is not valid yet'),
    ERR_TLS_CERT_ALTNAME_INVALID: refused('the certificate of a broker is for another host name: list the brokers by the names in their certificates'),
    ERR_SSL_WRONG_VERSION_NUMBER: refused('the broker does not speak TLS at that port: leave tls out, or name the port for it'),
    ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: refused('the broker asks for a client certificate: give tlsCert and tlsKey'),
  };
}

interface Links {
  readonly name?: unknown;
  readonly type?: unknown;
  readonly code?: unknown;
  readonly cause?: unknown;
  readonly retriable?: unknown;
  readonly errors?: unknown;
}

function links(error: unknown): Links[] {
  const found: Links[] = [];
  for (let at: unknown = error; typeof at === 'object' && at !== null && found.length < 8; ) {
    const link: Links = at;
    found.push(link);
    at = link.cause ?? (Array.isArray(link.errors) ? link.errors[0] : undefined);
  }
  return found;
}

/** The protocol's name of an error, wherever the driver has wrapped it; null for what is none. */
export function protocolError(error: unknown): string | null {
  for (const { type } of links(error)) if (typeof type === 'string') return type;
  return null;
}

/** An error of the driver as a SyncError. `what` says what was being done: `write to topic orders`. */
export function kafkaError(error: unknown, what: string, place: ErrorPlace = {}): SyncError {
  if (error instanceof SyncError) return error;
  const chain = links(error);
  const words = [protocolError(error), ...chain.flatMap(({ code, name }) => [code, name])].filter((word): word is string => typeof word === 'string');
  for (const word of words) {
    const meaning = meanings[word];
    if (meaning === undefined) continue;
    const { code, retry, advice } = meaning;
    return new SyncError(code, `Could not ${what}: ${advice} (${word}).`, { ...place, cause: error, ...(retry === undefined ? {} : { retry }) });
  }
  const [word = 'no code'] = words;
  if (chain.some(({ retriable }) => retriable === true))
    return new SyncError('CONNECTION_FAILED', `Could not ${what}: the brokers are not ready (${word}).`, { ...place, cause: error, retry: 'backoff' });
  const message = error instanceof Error ? error.message : String(error);
  return new SyncError('INTERNAL', `Could not ${what}: ${message} (${word}).`, { ...place, cause: error });
}
