/**
 * In the place of @grpc/proto-loader, for etcd3 alone: the services of the protocol that is built in. The loader also describes every message by Google's descriptors, which only a server that lets itself be
 * looked at needs, and which took longer than all else that a first call of etcd waits for.
 */
import protobuf from 'protobufjs/light.js';

type Message = Record<string, unknown>;

function serializer(type: protobuf.Type): (message: Message) => Uint8Array {
  return (message) => type.encode(type.fromObject(message)).finish();
}

function deserializer(type: protobuf.Type, options: protobuf.IConversionOptions): (bytes: Uint8Array) => Message {
  return (bytes) => type.toObject(type.decode(bytes), options);
}

/** As the loader's own: HashKV is hashKv. */
function camelCase(name: string): string {
  const words = name.match(/[A-Z]+(?![a-z])|[A-Z][a-z]*/g) ?? [];
  return words.map((word, i) => (i === 0 ? '' : word.charAt(0)) + word.slice(i === 0 ? 0 : 1).toLowerCase()).join('');
}

function methodsOf(service: protobuf.Service, name: string, options: protobuf.IConversionOptions): object {
  const methods = service.methodsArray.map((method) => {
    const { resolvedRequestType: request, resolvedResponseType: response } = method;
    if (request === null || response === null) throw new Error(`${name}.${method.name} has a type that the protocol does not have`);
    const definition = {
      path: `/${name}/${method.name}`,
      requestStream: method.requestStream === true,
      responseStream: method.responseStream === true,
      requestSerialize: serializer(request),
      requestDeserialize: deserializer(request, options),
      responseSerialize: serializer(response),
      responseDeserialize: deserializer(response, options),
      originalName: camelCase(method.name),
    };
    return [method.name, definition] as const;
  });
  return Object.fromEntries(methods);
}

/** What `grpc.loadPackageDefinition` takes, of the services at any depth. */
export function fromJSON(json: protobuf.INamespace, options: protobuf.IConversionOptions): object {
  const root = protobuf.Root.fromJSON(json);
  root.resolveAll();
  const found: [string, object][] = [];
  const look = (within: protobuf.NamespaceBase): void => {
    for (const each of within.nestedArray) {
      const name = each.fullName.slice(1);
      if (each instanceof protobuf.Service) found.push([name, methodsOf(each, name, options)]);
      else if (each instanceof protobuf.Namespace && !(each instanceof protobuf.Type)) look(each);
    }
  };
  look(root);
  return Object.fromEntries(found);
}
