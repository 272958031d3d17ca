/** Serverless plugin: bundles the functions before they are packaged, invoked here or emulated. */
import { arch } from 'node:process';
import { DefinitionsError, faultText } from '../lib/config/faults.ts';
import { loadDefinitions } from '../lib/config/load.ts';
import { buildFunction } from './bundle/functions.ts';
import { checkDeployable, type Target } from './deployable.ts';

interface Serverless {
  /** Printed without a stack. */
  readonly classes: { readonly Error: new (message: string, code: string) => Error };
  readonly service: {
    readonly provider: { readonly architecture?: string; readonly environment: { readonly IDRA_SYNCS: string } };
    readonly functions: Readonly<Record<string, { readonly environment?: object }>>;
    readonly custom: { readonly grants: Omit<Target, 'variables'> };
  };
}

interface Utilities {
  readonly log: { warning(text: string): void };
}

export default class Build {
  readonly hooks: Readonly<Record<string, () => Promise<void>>>;

  constructor({ classes, service }: Serverless, options: { readonly function?: string }, { log }: Utilities) {
    // Without an account there are no credentials either, and asking the machine's metadata service for them takes seconds.
    process.env.AWS_EC2_METADATA_DISABLED ??= 'true';
    const build = async (forArm: boolean) => {
      const names = options.function ? [options.function] : Object.keys(service.functions);
      await Promise.all(names.map((name) => buildFunction(name, forArm ? 'arm64' : 'x64')));
    };
    const forTarget = async () => {
      // A file that travels with the functions cannot be mended where it runs: its faults are told here.
      const { IDRA_SYNCS: origin } = service.provider.environment;
      if (origin !== 'etcd') {
        const variables = new Set(Object.keys({ ...service.provider.environment, ...service.functions.sync?.environment }));
        const target = { ...service.custom.grants, variables };
        try {
          const { warnings } = await loadDefinitions(origin, (definitions, collector) => checkDeployable(definitions, collector, target));
          for (const warning of warnings) log.warning(faultText(warning));
        } catch (error) {
          throw error instanceof DefinitionsError ? new classes.Error(error.message, error.code) : error;
        }
      }
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
