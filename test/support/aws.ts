/** Options for the AWS clients of a test. The emulator takes any credentials; a real endpoint takes those of the environment. */
export function awsAccess(endpoint: string) {
  return {
    endpoint,
    region: process.env.AWS_REGION ?? 'us-east-1',
    credentials: { accessKeyId: process.env.AWS_ACCESS_KEY_ID ?? 'idra-test', secretAccessKey: process.env.AWS_SECRET_ACCESS_KEY ?? 'idra-test' },
  };
}

/** The same as environment variables, for a child process. */
export function awsEnvironment(endpoint: string): Record<string, string> {
  const { region, credentials } = awsAccess(endpoint);
  return { AWS_ENDPOINT_URL: endpoint, AWS_REGION: region, AWS_ACCESS_KEY_ID: credentials.accessKeyId, AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey };
}
