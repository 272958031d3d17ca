/** Serverless plugin: bundles the functions before they are packaged, invoked here or emulated. */
import { arch } from 'node:process';
import { loadDefinitions } from '../lib/config/load.ts';
import { buildFunction } from './bundle/functions.ts';

interface Serverless {
  readonly service: {
    readonly provider: { readonly architecture?: string; readonly environment: { readonly IDRA_SYNCS: string } };
    readonly functions: Readonly<Record<string, unknown>>;
  };
}

export default class Build {
  readonly hooks: Readonly<Record<string, () => Promise<void>>>;

  constructor({ service }: Serverless, options: { readonly function?: string }) {
    // Without an account there are no credentials either, and asking the machine's metadata service for them takes seconds.
    process.env.AWS_EC2_METADATA_DISABLED ??= 'true';
    const build = async (forArm: boolean) => {
      const names = options.function ? [options.function] : Object.keys(service.functions);
      await Promise.all(names.map((name) => buildFunction(name, forArm ? 'arm64' : 'x64')));
    };
    const forTarget = async () => {
      // A file that travels with the functions cannot be mended where it runs: its faults are told here.
      const { IDRA_SYNCS: origin } = service.provider.environment;
      if (origin !== 'etcd') await loadDefinitions(origin);
      await build(service.provider.architecture === 'arm64');
    };
    const forThisMachine = () => build(arch === 'arm64');
    this.hooks = {
      'before:package:createDeploymentArtifacts': forTarget,
      'before:deploy:function:packageFunction': forTarget,
      'before:invoke:local:invoke': forThisMachine,
      'before:offline:start:init': forThisMachine,
    };
  }
}
