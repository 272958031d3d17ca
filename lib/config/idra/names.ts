/** Names in Idra are free text and may repeat; here they are unique and of a plain alphabet. */
export class Names {
  readonly #syncs = new Set<string>();
  readonly #connections = new Map<string, string>();

  /** Undefined where the name is taken and no id tells the two apart. The first of a name keeps it, so that adding another changes nothing for it. */
  sync(text: string, id: string): string | undefined {
    const suffix = id.replace(/[^A-Za-z0-9]/g, '').slice(0, 8);
    const name = [plain(text), `${plain(text)}-${suffix}`].find((candidate) => !this.#syncs.has(candidate) && (suffix !== '' || candidate === plain(text)));
    if (name !== undefined) this.#syncs.add(name);
    return name;
  }

  /** The same connection under the same name is one; another one under a name that is taken gets a number. */
  connection(text: string, fields: Readonly<Record<string, unknown>>): string {
    const content = JSON.stringify(fields);
    for (let count = 1; ; count++) {
      const name = count === 1 ? plain(text) : `${plain(text)}-${count}`;
      const known = this.#connections.get(name);
      if (known !== undefined && known !== content) continue;
      this.#connections.set(name, content);
      return name;
    }
  }
}

function plain(text: string): string {
  const name = text
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+|-+$/g, '')
    .slice(0, 90);
  return name === '' ? 'unnamed' : name;
}
