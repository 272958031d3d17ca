/**
 * etcd3 reads its protocol from `proto/rpc.proto` beside itself when it is loaded. A bundle has no such file, so the parsed protocol is built into the code.
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import type { Plugin } from 'esbuild';

const require = createRequire(import.meta.url);
/** The call in etcd3's connection-pool.js that this replaces, as TypeScript compiled it. */
const loadsFile = '(0, proto_loader_1.loadSync)(`$' + '{__dirname}/../proto/rpc.proto`,';

const poolFile = /[\\/]etcd3[\\/]lib[\\/]connection-pool\.js$/;
const services = path.join(import.meta.dirname, 'etcd-services.ts');

async function inlined(file: string): Promise<string> {
  const source = await readFile(file, 'utf8');
  if (!source.includes(loadsFile)) {
    throw new Error(`${file} does not load rpc.proto the way this build knows: look at how etcd3 reads it now and correct tools/bundle/etcd-proto.ts`);
  }
  const etcd3 = createRequire(file);
  const { Root } = createRequire(etcd3.resolve('@grpc/proto-loader'))('protobufjs') as typeof import('protobufjs');
  const root = new Root();
  root.loadSync(path.join(path.dirname(file), '../proto/rpc.proto'), { keepCase: true });
  root.resolveAll();
  const descriptor = JSON.stringify(root.toJSON());
  return source.replace(loadsFile, () => `(0, proto_loader_1.fromJSON)(${descriptor},`);
}

/** By file: functions that are bundled by one command have it parsed once. */
const known = new Map<string, Promise<string>>();

export function etcdProto(): Plugin {
  return {
    name: 'etcd-proto',
    setup(build) {
      let patched = false;
      build.onResolve({ filter: /^@grpc\/proto-loader$/ }, ({ importer }) => (poolFile.test(importer) ? { path: services } : null));
      build.onLoad({ filter: poolFile }, async ({ path: file }) => {
        const inlining = known.get(file) ?? inlined(file);
        known.set(file, inlining);
        const contents = await inlining;
        patched = true;
        return { contents, loader: 'js' };
      });
      build.onEnd(({ metafile }) => {
        const bundled = Object.keys(metafile?.inputs ?? {}).some((input) => input.includes('node_modules/etcd3/'));
        if (!bundled || patched) return null;
        return {
          errors: [
            { text: `etcd3 (${require.resolve('etcd3')}) is bundled, but the file that reads rpc.proto was not found: correct tools/bundle/etcd-proto.ts` },
          ],
        };
      });
    },
  };
}
